"""Where synthetic images go: one sink per format. Each takes batches as they are drawn and keeps none of them in memory."""

import csv
import io
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from upcycle.release._material import Format

SHARD_IMAGES: Final = 10_000


@dataclass(frozen=True)
class Batch:
    """Images `first`, `first` + 1, ... of the set: uint8 (n, side, side, channels), int64 (n,), float16 (n, classes)."""

    first: int
    images: np.ndarray
    labels: np.ndarray
    soft_labels: np.ndarray


@dataclass(frozen=True)
class Layout:
    """What a sink must know before the first batch: the number of images, their shape and the classes."""

    count: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    shard_images: int = SHARD_IMAGES

    @property
    def shards(self) -> int:
        return -(-self.count // self.shard_images)


Write = Callable[[Batch], None]


def open_sink(form: Format, folder: Path, layout: Layout) -> AbstractContextManager[Write]:
    """A context whose value writes batches in the format `form` into `folder`; the files are whole when it ends."""
    return {"npz": _npz, "folders": _folders, "webdataset": _webdataset, "parquet": _parquet}[form](folder, layout)


@contextmanager
def _npz(folder: Path, layout: Layout) -> Iterator[Write]:
    """`synthetic.npz` with MedMNIST keys: train_images uint8 (n, side, side[, 3]), train_labels int64 (n, 1) and
    train_soft_labels float16 (n, classes). A zip takes one entry at a time, so the labels wait in separate files."""
    side = layout.image_shape[:2] if layout.image_shape[2] == 1 else layout.image_shape
    entries: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
        "train_images": (np.dtype(np.uint8), (layout.count, *side)),
        "train_labels": (np.dtype(np.int64), (layout.count, 1)),
        "train_soft_labels": (np.dtype(np.float16), (layout.count, len(layout.class_names))),
    }
    waiting = {name: folder / f"{name}.partial" for name in entries}
    with _files(waiting) as opened:

        def write(batch: Batch) -> None:
            for name, values in zip(entries, (batch.images, batch.labels, batch.soft_labels), strict=True):
                opened[name].write(np.ascontiguousarray(values, entries[name][0]).data)

        yield write
    with zipfile.ZipFile(folder / "synthetic.npz", "w") as archive:
        for name, (dtype, shape) in entries.items():
            _add_array(archive, f"{name}.npy", dtype, shape, waiting[name])
            waiting[name].unlink()


@contextmanager
def _files(paths: dict[str, Path]) -> Iterator[dict[str, io.BufferedWriter]]:
    opened = {name: path.open("wb") for name, path in paths.items()}
    try:
        yield opened
    finally:
        for file in opened.values():
            file.close()


def _add_array(archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], values: Path) -> None:
    """An .npy entry with the bytes of the file `values`; its date is fixed, so equal arrays make equal files."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(entry, "w", force_zip64=True) as target, values.open("rb") as source:
        np.lib.format.write_array_header_1_0(target, header)
        shutil.copyfileobj(source, target, 1 << 20)


def class_folder(label: int, name: str) -> str:
    """A folder name for a class on every file system: its number and what is harmless of its name."""
    return f"{label:03d}_{re.sub(r'[^A-Za-z0-9-]+', '_', name)[:40].strip('_')}".rstrip("_")


def png(image: np.ndarray) -> bytes:
    """PNG bytes without a time or any other text of a uint8 image (side, side, 1 or 3)."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def _folders(folder: Path, layout: Layout) -> Iterator[Write]:
    """`folders/CLASS/NUMBER.png` and `folders/metadata.csv`: file_name, class number, one column of soft label per class."""
    root = folder / "folders"
    names = [class_folder(label, name) for label, name in enumerate(layout.class_names)]
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
    with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file_name", "class", *[f"soft_{label}" for label in range(len(names))]])

        def write(batch: Batch) -> None:
            for k, (image, label, soft) in enumerate(zip(batch.images, batch.labels, batch.soft_labels, strict=True)):
                name = f"{names[label]}/{batch.first + k:08d}.png"
                (root / name).write_bytes(png(image))
                table.writerow([name, int(label), *_rounded(soft)])

        yield write


def _rounded(soft: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in soft]


@contextmanager
def _webdataset(folder: Path, layout: Layout) -> Iterator[Write]:
    """`webdataset/synthetic-SHARD.tar`, each sample NUMBER.png, NUMBER.cls (class number) and NUMBER.json (soft labels)."""
    root = folder / "webdataset"
    root.mkdir(parents=True, exist_ok=True)
    with _shards(layout.shard_images, lambda shard: tarfile.open(root / f"synthetic-{shard:06d}.tar", "w")) as shard_of:

        def write(batch: Batch) -> None:
            for k, (image, label, soft) in enumerate(zip(batch.images, batch.labels, batch.soft_labels, strict=True)):
                number = batch.first + k
                facts = json.dumps({"label": int(label), "soft_labels": _rounded(soft)})
                shard = shard_of(number)
                _add_member(shard, f"{number:08d}.png", png(image))
                _add_member(shard, f"{number:08d}.cls", str(int(label)).encode())
                _add_member(shard, f"{number:08d}.json", facts.encode())

        yield write


def _add_member(shard: tarfile.TarFile, name: str, payload: bytes) -> None:
    entry = tarfile.TarInfo(name)  # owner, group and time stay zero
    entry.size = len(payload)
    shard.addfile(entry, io.BytesIO(payload))


@contextmanager
def _shards(size: int, start: Callable[[int], Any]) -> Iterator[Callable[[int], Any]]:
    """A function from the number of an image to the open shard it belongs to; numbers must rise."""
    current: list[tuple[int, Any]] = []

    def shard_of(number: int) -> Any:
        shard = number // size
        if not current or current[0][0] != shard:
            close()
            current.append((shard, start(shard)))
        return current[0][1]

    def close() -> None:
        while current:
            current.pop()[1].close()

    try:
        yield shard_of
    finally:
        close()


@contextmanager
def _parquet(folder: Path, layout: Layout) -> Iterator[Write]:
    """`parquet/train-SHARD-of-SHARDS.parquet` with columns image (PNG bytes), label and soft_labels, and the features that the
    `datasets` library reads. Needs extra `parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = folder / "parquet"
    root.mkdir(parents=True, exist_ok=True)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [("image", image), ("label", pa.int64()), ("soft_labels", pa.list_(pa.float32()))]
    schema = pa.schema(fields, metadata={"huggingface": _features(layout.class_names)})

    def start(shard: int) -> Any:
        return pq.ParquetWriter(root / f"train-{shard:05d}-of-{layout.shards:05d}.parquet", schema)

    with _shards(layout.shard_images, start) as shard_of:

        def write(batch: Batch) -> None:
            for rows in _by_shard(batch, layout.shard_images):
                columns = {
                    "image": [{"bytes": png(image), "path": None} for image in batch.images[rows]],
                    "label": batch.labels[rows],
                    "soft_labels": list(batch.soft_labels[rows].astype(np.float32)),
                }
                shard_of(batch.first + rows.start).write_table(pa.table(columns, schema))

        yield write


def _by_shard(batch: Batch, size: int) -> list[slice]:
    """The rows of a batch, cut where a shard ends."""
    count = len(batch.labels)
    cuts = [cut - batch.first for cut in range((batch.first // size + 1) * size, batch.first + count, size)]
    return [slice(start, stop) for start, stop in zip([0, *cuts], [*cuts, count], strict=True)]


def _features(class_names: Sequence[str]) -> str:
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(class_names), "_type": "ClassLabel"},
        "soft_labels": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "List"},
    }
    return json.dumps({"info": {"features": features}})
