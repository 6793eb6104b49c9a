"""Image data sets of the Hugging Face `datasets` library: saved ones, parquet files, and by name from the hub.

Only images whose bytes are inside the data set are read: a path or address in a row is never opened. Local data is read in
place, so no copy of private images is left in the library's cache. From version 4 on the library runs no code of a data set.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from upcycle.data.readers._extra import need
from upcycle.data.readers._picture import open_picture
from upcycle.data.readers._raw import NAMES, RawImages, RawSplit, Source
from upcycle.data.readers._stack import fitted, shown, stacked
from upcycle.errors import DataError

_SPLITS = NAMES | {"validation": "validation", "valid": "validation", "dev": "validation"}


_LABELS = ("label", "labels", "class")


_GROUPS = ("patient_id", "patient", "group", "groups")


def is_saved(path: Path) -> bool:
    """Whether `path` is a folder that `save_to_disk` wrote."""
    return path.is_dir() and ((path / "dataset_dict.json").is_file() or (path / "dataset_info.json").is_file())


def is_parquet(path: Path) -> bool:
    """Whether `path` is a parquet file or a folder with some."""
    return path.suffix == ".parquet" if path.is_file() else path.is_dir() and any(_parquet_files(path))


def read_hf(source: Source) -> RawImages:
    """`hf:PATH` of a saved data set, a parquet file or a folder of them; or `hf:NAME` of one on the hub."""
    need("datasets", "hf", "Hugging Face data sets")
    tables = {name: table for key, table in _tables(source) if (name := _split_name(key, source)) is not None}
    if "all" in tables and len(tables) > 1:
        source.findings.note("splits named neither train, validation nor test were not read")
        del tables["all"]
    if not tables:
        raise DataError(f"{source.text} must hold a train split. Got none. Rename one.")
    columns = _columns(next(iter(tables.values())), source)
    splits = [_split(name, tables[name], columns, source) for name in ("train", "validation", "test", "all") if name in tables]
    return RawImages(splits, _class_names(next(iter(tables.values())), columns[1]), source.path.stem or None)


def _split_name(key: str, source: Source) -> str | None:
    if key in _SPLITS or key == "all":
        return _SPLITS.get(key, key)
    source.findings.note(f"split {key} was not read")
    return None


def _tables(source: Source) -> Iterator[tuple[str, Any]]:
    """Split -> datasets.Dataset."""
    from datasets import Dataset

    try:
        if not source.text:  # an empty path is the folder one happens to stand in
            raise DataError("hf data must be an existing path, or NAME or OWNER/NAME. Got nothing after hf:. Check the path.")
        if is_saved(source.path):
            yield from _saved(source.path)
        elif is_parquet(source.path):
            yield from ((key, Dataset(table)) for key, table in _parquet(source.path))
        elif source.text and source.path.exists():
            raise DataError(f"hf data must be a saved data set or parquet. Got {source.text}. Give class folders without hf:.")
        elif not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source.text):  # a path is nobody's business on the hub
            raise DataError(f"hf data must be an existing path, or NAME or OWNER/NAME. Got {source.text!r}. Check the path.")
        else:
            yield from _hub(source.text)
    except DataError:
        raise
    except Exception as error:  # Arrow and the library raise whatever they have on damaged files, and on a missing network
        reason = " ".join(str(error).split())[:100].rstrip(". ") or type(error).__name__
        then = "Check the path or the network."
        raise DataError(f"{source.text} must be a readable data set. Got an error ({reason}). {then}") from None


def _saved(path: Path) -> Iterator[tuple[str, Any]]:
    from datasets import Dataset, load_from_disk

    found = load_from_disk(str(path))
    yield from [("all", found)] if isinstance(found, Dataset) else found.items()


def _hub(name: str) -> Iterator[tuple[str, Any]]:
    from datasets import Dataset, load_dataset

    found = load_dataset(name)
    yield from [("all", found)] if isinstance(found, Dataset) else found.items()


def _parquet_files(path: Path) -> Iterator[Path]:
    yield from sorted(f for f in path.rglob("*.parquet") if f.is_file())


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    """Split -> Arrow table. Files are named for their split, as `train-00000-of-00001.parquet`, or lie in a folder that is."""
    import pyarrow as pa
    from pyarrow import parquet

    by_split: dict[str, list[Path]] = {}
    for file in [path] if path.is_file() else _parquet_files(path):
        words = (file.stem.partition("-")[0], *(() if path.is_file() else (file.parent.name,)))
        by_split.setdefault(next((word for word in words if word in _SPLITS), "all"), []).append(file)
    if len(by_split) == 1:
        by_split = {"all" if path.is_file() else key: files for key, files in by_split.items()}
    for key, files in by_split.items():
        yield key, pa.concat_tables([parquet.read_table(file) for file in files])


def _columns(table: Any, source: Source) -> tuple[str, str, str | None]:
    """Names of the columns of images, classes and, if there is one, patients. Raises DataError where they are not clear."""
    from datasets import ClassLabel, Image, Value

    features = dict(table.features)
    images = [k for k, f in features.items() if isinstance(f, Image) or (isinstance(f, dict) and set(f) == {"bytes", "path"})]
    classes = [k for k, f in features.items() if isinstance(f, ClassLabel)]
    numbers = [k for k, f in features.items() if isinstance(f, Value) and "int" in f.dtype and k in _LABELS]
    labels = [k for k in _LABELS if k in classes] or classes or numbers
    if len(images) != 1 or len(labels) != 1:
        got = f"image columns {images or 'none'} and class columns {labels or 'none'}"
        raise DataError(f"{source.text} must have one column of images and one of classes. Got {got}. Keep one of each.")
    return images[0], labels[0], next((k for k in _GROUPS if k in features), None)


def _class_names(table: Any, column: str) -> tuple[str, ...] | None:
    names = getattr(table.features[column], "names", None)
    return tuple(map(str, names)) if names else None


def _split(name: str, table: Any, columns: tuple[str, str, str | None], source: Source) -> RawSplit:
    from datasets import Image

    image, label, group = columns
    images, names, bad = [], [], []
    for index, row in enumerate(table.select_columns([image]).cast_column(image, Image(decode=False))):
        found = _decoded(row[image], source)
        if found is None:
            bad.append(f"{name} row {index}")
            continue
        images.append(fitted(found, source.settings.side))
        names.append(f"{name} row {index}")
    if bad:
        then = "Repair the rows, or save the data set with its images inside."
        source.findings.problem("every image", "a PNG or JPEG inside the data set", shown(bad), then)
    array = np.zeros((len(table), 8, 8), np.uint8) if bad else stacked(images, names, source.findings)
    return RawSplit(name, array, np.array(table[label]), None if group is None else np.array(table[group]))


def _decoded(cell: Any, source: Source) -> np.ndarray | None:
    content = cell.get("bytes") if isinstance(cell, dict) else None
    return open_picture(io.BytesIO(content), source.findings) if content else None
