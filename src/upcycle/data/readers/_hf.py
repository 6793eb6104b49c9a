"""Image data sets of the Hugging Face `datasets` library: saved ones, parquet files, and by name from the hub.

Only images whose bytes are inside the data set are read: a path or address in a row is never opened. Local data is read in
place, so no copy of private images is left in the library's cache. From version 4 on the library runs no code of a data set.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from upcycle._bounded import read_json
from upcycle.data.readers._classes import by_name, class_text
from upcycle.data.readers._extra import need
from upcycle.data.readers._hf_bounds import FACTS, Bomb, check_arrow, check_rows
from upcycle.data.readers._owners import owner_column
from upcycle.data.readers._parquet_bounds import check_summary, rows_at_a_time
from upcycle.data.readers._picture import FORMATS, Unreadable, open_picture, without_warnings_of_size
from upcycle.data.readers._raw import RawImages, RawSplit, Source, shown
from upcycle.data.readers._split_names import (
    SPLIT_WORDS,
    SPLITS,
    UNCLEAR,
    mostly_splits,
    note_odd_splits,
    parse_split,
    split_of,
    splits_of,
    words_of,
)
from upcycle.data.readers._stack import Pile, one_colour
from upcycle.data.readers._walk import Walk
from upcycle.errors import DataError, printable

_LABELS = ("label", "labels", "class")
_TEXT = 8  # bytes of a letter that takes one in a file: it may become four, and there is a copy


def is_saved(path: Path) -> bool:
    """Whether `path` is a folder that `save_to_disk` wrote."""
    return path.is_dir() and ((path / "dataset_dict.json").is_file() or (path / "dataset_info.json").is_file())


def is_parquet(path: Path) -> bool:
    """Whether `path` is a parquet file or a folder with some."""
    return path.suffix.lower() == ".parquet" if path.is_file() else path.is_dir() and bool(_parquet_files(path))


def read_hf(source: Source) -> RawImages:
    """`hf:PATH` of a saved data set, a parquet file or a folder of them; or `hf:NAME` of one on the hub."""
    need("datasets", "hf", "Hugging Face data sets")
    shards = _known(_with_rows(list(_tables(source)), source), source)
    columns = _columns([table for _, _, table in shards], source)
    shards = [shard for one in shards for shard in _divided(one, shards, columns, source)]
    with without_warnings_of_size():
        found = [(name, _shard(name, key, table, columns, source)) for name, key, table in shards]
    order = [name for name in SPLITS if any(n == name for n, _ in found)]
    splits = [_joined(name, [shard for n, shard in found if n == name], source) for name in order]
    return RawImages(splits, None, source.path.stem or None, "picture")


def _with_rows(tables: list[tuple[str, Any]], source: Source) -> list[tuple[str, Any]]:
    """The tables that hold anything. Raises DataError where none does."""
    empty = [key for key, table in tables if not len(table)]
    if empty and len(empty) == len(tables):
        raise DataError(f"{source.text} must hold images. Got a data set without a single row. Check how it was saved.")
    if empty:
        source.findings.note(f"parts without a single row were not read: {shown(empty)}")
    return [(key, table) for key, table in tables if len(table)]


def _known(tables: list[tuple[str, Any]], source: Source) -> list[tuple[str, str, Any]]:
    """(split, key, table) of what is read. Keys that name no split are all of the data, or are left out where others do."""
    keys = list(dict.fromkeys(key for key, _ in tables))
    told = {key: None if key == "all" else split for key, split in splits_of(keys).items()}
    unclear = [key for key in keys if told[key] == UNCLEAR]
    if unclear:
        source.findings.problem("splits", "called train, validation or test", shown(unclear), "Rename them.")
    known = {key: str(split) for key, split in told.items() if split in SPLITS}
    if not known and not unclear and not any(map(parse_split, keys)) and _are_shards(keys):
        if keys != ["all"]:
            source.findings.note(f"read as one set without splits: {shown(keys)}")
        known = dict.fromkeys(keys, "all")
    left_out = [key for key in keys if key not in known and key not in unclear]
    if known and (parts := [key for key in left_out if parse_split(key)]):
        source.findings.problem("splits", "called train, validation or test", shown(parts), "Rename or remove them.")
    if known and left_out:
        source.findings.note(
            f"{len(left_out)} splits named neither train, validation nor test were not read: {shown(left_out)}"
        )
    if not {"train", "all"} & set(known.values()):
        then = "Rename one, or give the file alone."
        source.findings.problem(printable(source.text), "a data set with a train split", shown(keys) or "none", then)
        raise DataError(*source.findings.problems)
    _note_merged(known, source)
    note_odd_splits(known, source.findings)
    return [(known[key], key, table) for key, table in tables if key in known]


def _divided(
    one: tuple[str, str, Any], every: list[tuple[str, str, Any]], columns: _Columns, source: Source
) -> list[tuple[str, str, Any]]:
    """The table in parts, where no table says its split but a column of all does."""
    _, key, table = one
    column = columns.split
    if column is None:
        return [one]
    if any(split != "all" for split, _, _ in every) or column not in table.features:
        source.findings.note(f"column {column} of the data set was not read, as splits are known from the names of the parts")
        return [one]
    cells = list(map(str, _decoded(table, column)))
    told = {cell: split_of(cell) for cell in dict.fromkeys(cells)}
    if odd := [cell for cell, split in told.items() if split is None]:
        then = "Rename them, or the column."
        source.findings.problem(f"splits in column {column}", "train, validation or test", shown(odd), then)
        return [one]
    source.findings.note(f"splits were read from column {column}")
    rows = {split: [k for k, cell in enumerate(cells) if told[cell] == split] for split in SPLITS}
    return [(split, f"{split} of {key}", table.select(mine)) for split, mine in rows.items() if mine]


def _note_merged(known: dict[str, str], source: Source) -> None:
    """Say it where splits of different names were read as one; shards of one split differ in their numbers."""
    for split in SPLITS:
        keys = [key for key, found in known.items() if found == split]
        if len(keys) > 1 and not _are_shards(keys):
            source.findings.note(f"several splits were read as {split}: {shown(keys)}")


def _are_shards(keys: list[str]) -> bool:
    """Whether names differ in their numbers only: other names may be splits that nobody recognised."""
    return len({tuple(word for word in words_of(key) if not word.isdigit()) for key in keys}) == 1


def _tables(source: Source) -> Iterator[tuple[str, Any]]:
    """Split -> datasets.Dataset."""
    try:
        if not source.text:  # an empty path is the folder one happens to stand in
            raise DataError("hf data must be an existing path, or NAME or OWNER/NAME. Got nothing after hf:. Check the path.")
        if is_saved(source.path):
            yield from _saved(source.path, source)
        elif is_parquet(source.path):
            yield from _parquet(source.path, source)
        elif source.text and source.path.exists():
            raise DataError(f"hf data must be a saved data set or parquet. Got {source.text}. Give class folders without hf:.")
        elif not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source.text):  # a local path must not be sent to the hub
            raise DataError(f"hf data must be an existing path, or NAME or OWNER/NAME. Got {source.text!r}. Check the path.")
        else:
            yield from _hub(source)
    except DataError:
        raise
    except Bomb as error:
        then = "Save it again with the library, or as files of images."
        raise DataError(
            f"{source.text} must be a data set that takes little more memory than its files. Got {error}. {then}"
        ) from None
    except Exception as error:  # Arrow and the library raise whatever they have on damaged files, and on a missing network
        reason = " ".join(str(error).split())[:100].rstrip(". ") or type(error).__name__
        then = "Check the path or the network."
        raise DataError(f"{source.text} must be a readable data set. Got an error ({reason}). {then}") from None


def _saved(path: Path, source: Source) -> Iterator[tuple[str, Any]]:
    if not (path / "dataset_dict.json").is_file():
        yield "all", _saved_part(path, source)
        return
    for name in read_json(path / "dataset_dict.json", FACTS)["splits"]:
        yield name, _saved_part(path / name, source)


def _saved_part(path: Path, source: Source) -> Any:
    """A saved table; one without rows has no files, which the library cannot open."""
    from datasets import Dataset, load_from_disk

    read_json(path / "dataset_info.json", FACTS)
    files = [path / Path(each["filename"]).name for each in read_json(path / "state.json", FACTS)["_data_files"]]
    for file in files:
        check_arrow(file, source)
        source.hold(0, file.stat().st_size)  # it is mapped
    return load_from_disk(str(path)) if files else Dataset.from_dict({})


def _hub(source: Source) -> Iterator[tuple[str, Any]]:
    from datasets import Dataset, load_dataset

    found = load_dataset(source.text)
    for key, table in [("all", found)] if isinstance(found, Dataset) else found.items():
        source.hold(0, table.data.nbytes)
        yield key, table


def _parquet_files(path: Path) -> list[str]:
    return [name for name in Walk(path).files("") if name.lower().endswith(".parquet")]


def _parquet(path: Path, source: Source) -> Iterator[tuple[str, Any]]:
    """Key -> Arrow table. Files are named for their split, as `train-00000-of-00001.parquet`, or lie in a folder that is."""
    if path.is_file():
        yield "all", _table(path, source)
        return
    walk = Walk(path)
    every = list(walk.files(""))
    files = [name for name in every if name.lower().endswith(".parquet")]
    if others := [name for name in every if name not in files]:
        source.findings.note(f"{len(others)} files that are no parquet were not read: {shown(others)}")
    walk.report(source.findings)
    for name in files:
        *above, last = name.rpartition(".")[0].split("/")
        said = [place for place, word in enumerate(above, 1) if parse_split(word)]
        told = above if parse_split(last) else above[: max(said, default=0)]
        yield "/".join([*told, last] if parse_split(last) else told or [last]), _table(path / name, source)


def _table(path: Path, source: Source) -> Any:
    """The rows of a file, in the columns that are read, unpacked part by part: a few bytes may stand for billions of them."""
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features
    from pyarrow import parquet

    check_summary(path)
    source.hold(0, path.stat().st_size)
    with parquet.ParquetFile(path) as file:
        check_rows(file.metadata.num_rows, path, source.limits)
        schema = file.schema_arrow
        names = [field.name for field in schema if _is_plain(field.type) or _is_image(field.type)]
        if others := [name for name in schema.names if name not in names]:
            source.findings.note(f"columns of lists and the like were not read: {shown(others)}")
        places = [k for k in range(file.metadata.num_columns) if file.schema.column(k).path.split(".")[0] in names]
        parts = []
        for part in file.iter_batches(rows_at_a_time(path, places, source), columns=names, use_threads=False):
            columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in part.columns]
            parts.append(pa.RecordBatch.from_arrays(columns, names=part.schema.names))
            source.hold(sum((_TEXT if _is_text_type(c.type) else 2) * c.nbytes for c in columns), 0)
        features = Features.from_arrow_schema((parts[0].schema if parts else schema).with_metadata(schema.metadata))
        table = pa.Table.from_batches(parts) if parts else pa.table({})
        return Dataset(table, info=DatasetInfo(features=Features({name: features[name] for name in table.column_names})))


def _is_text_type(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_plain(kind: Any) -> bool:
    """Whether a cell is one value, of which the file holds all bytes, or a word of a list of such values."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type) and not types.is_dictionary(kind.value_type)
    simple = (types.is_primitive, types.is_binary, types.is_large_binary, types.is_null, types.is_decimal)
    return _is_text_type(kind) or any(check(kind) for check in simple)


def _is_image(kind: Any) -> bool:
    import pyarrow as pa

    fields = {kind.field(k).name: kind.field(k).type for k in range(kind.num_fields)} if pa.types.is_struct(kind) else {}
    return (
        set(fields) == {"bytes", "path"}
        and not any(map(pa.types.is_dictionary, fields.values()))
        and all(map(_is_plain, fields.values()))
    )


@dataclass(frozen=True)
class _Columns:
    """Names of the columns of images and classes, and of patients and splits where there are some."""

    image: str
    label: str
    owner: str | None
    split: str | None


def _columns(tables: Sequence[Any], source: Source) -> _Columns:
    """The columns of all tables. Those that are not read are noted. Raises DataError where they are not clear."""
    from datasets import ClassLabel, Image, Value

    features = {name: feature for table in reversed(tables) for name, feature in table.features.items()}
    images = [k for k, f in features.items() if isinstance(f, Image) or (isinstance(f, dict) and set(f) == {"bytes", "path"})]
    classes = [k for k, f in features.items() if isinstance(f, ClassLabel)]
    numbers = [k for k, f in features.items() if isinstance(f, Value) and "int" in f.dtype and k in _LABELS]
    labels = [k for k in _LABELS if k in classes] or classes or numbers
    if len(images) != 1 or len(labels) != 1:
        got = f"image columns {shown(images) or 'none'} and class columns {shown(labels) or 'none'} of {shown(features, 8)}"
        then = "Keep one of each; class_encode_column makes classes of words, and cast_column(..., Image()) images of bytes."
        raise DataError(f"{source.text} must have one column of images and one of classes. Got {got}. {then}")
    rest = [k for k, f in features.items() if k not in (images[0], labels[0]) and isinstance(f, Value | ClassLabel)]
    owner = owner_column(rest, "the data set", source.findings)
    split = next((k for k in rest if k != owner and "".join(words_of(k)) in SPLIT_WORDS), None)
    split = split or _split_by_cells(tables, [k for k in rest if k != owner])
    if unread := [k for k in features if k not in (images[0], labels[0], owner, split)]:
        source.findings.note(f"columns of the data set were not read: {shown(unread)}")
    return _Columns(images[0], labels[0], owner, split)


def _split_by_cells(tables: Sequence[Any], columns: Sequence[str]) -> str | None:
    """The one column of another name most of whose different cells are names of splits, in every table."""

    def cells(column: str) -> list[str]:
        return [cell for t in tables if column in t.features for cell in map(str, dict.fromkeys(_decoded(t, column)))]

    found = [column for column in columns if _is_text(tables, column) and mostly_splits(cells(column))]
    return found[0] if len(found) == 1 else None


def _is_text(tables: Sequence[Any], column: str) -> bool:
    features = [table.features[column] for table in tables if column in table.features]
    return all(hasattr(feature, "names") or getattr(feature, "dtype", None) == "string" for feature in features)


def _decoded(table: Any, column: str) -> list[Any]:
    """The cells, numbers of classes as their names: a number means something with the list of that table only."""
    names = getattr(table.features[column], "names", None)
    return [names[cell] if names and isinstance(cell, int) and cell >= 0 else cell for cell in table[column]]


def _class_names(table: Any, column: str) -> tuple[str, ...] | None:
    names = getattr(table.features[column], "names", None)
    return tuple(map(class_text, map(str, names))) if names else None


def _shard(name: str, key: str, table: Any, columns: _Columns, source: Source) -> RawSplit:
    """The rows of one table. Raises DataError where it lacks a column that the first one has."""
    from datasets import Image

    image, label, group = columns.image, columns.label, columns.owner
    lacking = [column for column in (image, label, group) if column and column not in table.features]
    if lacking:
        raise DataError(f"every split must have the same columns. Got no {shown(lacking)} in {printable(key)}. Add them.")
    pile, bad = Pile(source), []
    for index, row in enumerate(table.select_columns([image]).cast_column(image, Image(decode=False))):
        try:
            content = _content(row[image])
            pile.add(open_picture(io.BytesIO(content), source), f"{name} row {index}", 0)
        except Unreadable as error:
            bad.append(f"{name} row {index} ({error})" if str(error) else f"{name} row {index}")
    if bad:
        then = "Repair the rows, or save the data set with its images inside."
        source.findings.problem("every image", f"a {FORMATS} inside the data set", shown(bad), then)
    array = np.zeros((len(table), 8, 8), np.uint8) if bad else pile.array(source.findings)
    groups = None if group is None else np.array(_decoded(table, group), object)
    return RawSplit(name, array, np.array(table[label]), groups, class_names=_class_names(table, label))


def _joined(name: str, shards: list[RawSplit], source: Source) -> RawSplit:
    """Shards of one split, their classes matched by name."""
    if len(shards) == 1:
        return shards[0]
    shards, names = by_name(shards, None, source.findings)
    arrays = one_colour([s.images if s.images.ndim == 4 else s.images[..., None] for s in shards], source.findings)
    if len({(images.shape[1:], images.dtype) for images in arrays}) > 1:
        got = shown(f"{images.shape[1]} x {images.shape[2]} of {images.dtype}" for images in arrays)
        source.findings.problem("all images", "of one size, channel count and depth", got, "Convert them, or set data.side.")
        arrays = [np.zeros((len(images), 8, 8, 1), np.uint8) for images in arrays]
    groups = None if shards[0].groups is None else np.concatenate([s.groups for s in shards if s.groups is not None])
    return RawSplit(name, np.concatenate(arrays), np.concatenate([s.labels for s in shards]), groups, class_names=names)


def _content(cell: Any) -> bytes:
    content = cell.get("bytes") if isinstance(cell, dict) else None
    if not isinstance(content, bytes) or not content:
        raise Unreadable
    return content
