"""Reading a synthetic set back, in any format it left in: images one after the other, none larger than it says."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from upcycle._bounded import one_line
from upcycle._npz import NotPlainArrays, read_arrays
from upcycle.errors import ReleaseError
from upcycle.release._material import FORMATS, Format

Shape = tuple[int, int, int]
_LARGEST: Final = 64  # bytes a pixel and channel of a PNG, with its header: what a tar member may have


def formats_in(folder: Path) -> list[Format]:
    """The formats in which `folder` (synthetic/) holds the set."""
    return [form for form in FORMATS if (folder / ("synthetic.npz" if form == "npz" else form)).exists()]


def read_images(form: Format, folder: Path, shape: Shape) -> Iterator[np.ndarray]:
    """uint8 images `shape` (side, side, channels) in their order. Raises ReleaseError for anything else."""
    readers: dict[Format, Callable[[Path, Shape], Iterator[np.ndarray]]] = {
        "npz": _npz,
        "folders": _folders,
        "webdataset": _webdataset,
        "parquet": _parquet,
    }
    try:
        yield from readers[form](folder, shape)
    except (NotPlainArrays, OSError, ValueError, KeyError, tarfile.TarError, Image.DecompressionBombError) as error:
        raise ReleaseError(
            f"synthetic set must be whole as {form}. Got {one_line(error, 120)}. Get the release again."
        ) from error


def _npz(folder: Path, shape: Shape) -> Iterator[np.ndarray]:
    found = read_arrays(folder / "synthetic.npz")[0]
    images, labels, soft = (found[f"train_{name}"] for name in ("images", "labels", "soft_labels"))
    if images.dtype != np.uint8 or images.size != len(images) * np.prod(shape) or not len(images) == len(labels) == len(soft):
        raise ValueError(f"arrays {images.dtype} {images.shape}, {labels.shape} and {soft.shape}")
    yield from images.reshape(-1, *shape)


def _folders(folder: Path, shape: Shape) -> Iterator[np.ndarray]:
    for path in sorted((folder / "folders").rglob("*.png"), key=lambda path: path.name):
        yield _png(path.read_bytes(), shape)


def _webdataset(folder: Path, shape: Shape) -> Iterator[np.ndarray]:
    for path in sorted((folder / "webdataset").glob("*.tar")):
        with tarfile.open(path) as shard:
            for member in shard:
                if member.name.endswith(".png") and member.isfile():
                    if member.size > _LARGEST * np.prod(shape) + 1_000:
                        raise ValueError(f"{member.name} of {member.size:,} bytes")
                    file = shard.extractfile(member)
                    yield _png(b"" if file is None else file.read(), shape)


def _parquet(folder: Path, shape: Shape) -> Iterator[np.ndarray]:
    import pyarrow.parquet as pq

    for path in sorted((folder / "parquet").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(256, columns=["image"]):
                yield from (_png(found["bytes"], shape) for found in batch.column("image").to_pylist())


def _png(content: bytes, shape: Shape) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if (image.height, image.width, len(image.getbands())) != shape:
            raise ValueError(f"an image of {image.width} x {image.height} and {len(image.getbands())} channels")
        return np.asarray(image).reshape(shape)
