"""Readers of files of arrays: each turns a path into raw splits, or says why not."""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from upcycle._npz import DAMAGED
from upcycle.data.readers._raw import NAMES, Findings, RawImages, RawSplit, Source
from upcycle.errors import DataError

_GROUP_KEYS = ("patient_ids", "groups")


def read_npz(source: Source) -> RawImages:
    """Keys `{train,val,test}_images` and `_labels` as in MedMNIST, or `images` and `labels`; group ids optional."""
    path, findings = source.path, source.findings
    try:
        with path.open("rb") as handle:  # opened here, as NumPy leaves its own handle open when the archive is damaged
            if not zipfile.is_zipfile(handle):
                raise ValueError("not a zip archive")
            with zipfile.ZipFile(handle) as archive:
                _refuse_bomb(archive, path)
            handle.seek(0)
            with np.load(handle, allow_pickle=False) as file:
                keys = list(file.files)
                arrays = {key: _array(file, key, path) for key in keys if key in _known_keys()}
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:80].rstrip(".") or type(error).__name__
        raise DataError(f"{path} must be a readable .npz. Got a damaged or foreign file ({reason}). Copy it again.") from None
    unread = [key for key in keys if key.endswith(("images", "labels")) and key not in arrays]
    if unread:
        findings.note(f"keys of the .npz were not read: {', '.join(unread[:5])}")
    found = [raw for prefix in ("train", "val", "test", "") if (raw := _npz_split(arrays, prefix, findings))]
    if not found and not findings.problems:
        got = ", ".join(keys[:5]) or "an empty file"
        findings.problem(path.name, "an .npz with train_images or images", got, "See docs/data.md.")
    return RawImages(found)


def _refuse_bomb(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise DataError before anything is unpacked that is far larger than its file, and ValueError for a header that lies.

    NumPy allocates what an array's header claims before it reads the first byte.
    """
    members = [m for m in archive.infolist() if m.filename.removesuffix(".npy") in _known_keys()]
    check_unpacked(path, sum(m.file_size for m in members), path.stat().st_size)
    for member in members:
        with archive.open(member) as file:
            header = _npy_header(file)
            if (
                header
                and not header[1].hasobject
                and math.prod(header[0]) * header[1].itemsize + file.tell() != member.file_size
            ):
                raise ValueError(f"{member.filename} does not hold the array it claims")


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type of the array in `file`, read up to its first value; None for a member that is no array."""
    start = file.read(8)
    if start[:6] != np.lib.format.MAGIC_PREFIX:
        return None
    reading = np.lib.format.read_array_header_1_0 if start[6:] == b"\x01\x00" else np.lib.format.read_array_header_2_0
    shape, _, dtype = reading(file)
    return shape, dtype


def check_unpacked(path: Path, unpacked: int, packed: int) -> None:
    """Raise DataError if a file would grow to more than 256 MB and more than 200 times its size."""
    if unpacked > 2**28 and unpacked > 200 * packed:
        got = f"one of {packed / 1e6:.1f} MB that would unpack to {unpacked / 1e9:.1f} GB"
        raise DataError(f"{path} must be a file of images. Got {got}, which looks like a bomb. Save it without compression.")


def _known_keys() -> set[str]:
    return {prefix + end for prefix in ("train_", "val_", "test_", "") for end in ("images", "labels", *_GROUP_KEYS)}


def _array(file: Any, key: str, path: Path) -> np.ndarray:
    try:
        array = file[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{path} must be plain arrays. Got Python objects in {key}, which would run code. Save numbers only."
        ) from None
    if not isinstance(array, np.ndarray):  # NumPy hands over the bytes of a member that is no array
        raise ValueError(f"{key} is no array")
    return array


def _npz_split(arrays: dict[str, np.ndarray], prefix: str, findings: Findings) -> RawSplit | None:
    start = f"{prefix}_" if prefix else ""
    images, labels = arrays.get(f"{start}images"), arrays.get(f"{start}labels")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = f"{start}{'images' if images is None else 'labels'}"
        findings.problem("the .npz", f"complete: {start}images and {start}labels", f"no {missing}", "Add it.")
        return None
    groups = next((arrays[start + key] for key in _GROUP_KEYS if start + key in arrays), None)
    return RawSplit(NAMES.get(prefix, "all"), images, labels, groups)


def read_digits(_: Source) -> RawImages:
    """scikit-learn's 1,797 handwritten digits, 8x8, from its own installation."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return RawImages([RawSplit("all", images, digits.target.astype(np.int64))], tuple(map(str, range(10))), "digits")


def holds_idx(path: Path) -> bool:
    """Whether the folder holds IDX images; some unpackers write `images.idx3` for `images-idx3`."""
    return path.is_dir() and any(path.glob("*images?idx3-ubyte*"))


def read_idx(source: Source) -> RawImages:
    """IDX files as MNIST and Fashion-MNIST have them, gzipped or not: train-*, t10k-*."""
    path, findings = source.path, source.findings
    splits = []
    for prefix, name in (("train", "train"), ("t10k", "test")):
        kinds = (("images?idx3", 3), ("labels?idx1", 1))
        found = [(next(iter(sorted(path.glob(f"{prefix}-{kind}-ubyte*"))), None), axes) for kind, axes in kinds]
        arrays = [None if file is None else _idx(file, axes, findings) for file, axes in found]
        if any(file is None for file, _ in found):
            findings.problem("the IDX folder", "complete", f"no {prefix} images or labels", "Add the file.")
        if arrays[0] is not None and arrays[1] is not None:
            splits.append(RawSplit(name, arrays[0], arrays[1]))
    return RawImages(splits)


def _idx(path: Path, axes: int, findings: Findings) -> np.ndarray | None:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            if file.read(4) != bytes([0, 0, 8, axes]):  # 8 stands for unsigned bytes
                raise ValueError
            sides = np.frombuffer(file.read(4 * axes), ">u4").tolist()
            count = math.prod(sides)
            check_unpacked(path, count, path.stat().st_size)
            content = file.read(count + 1)  # one more than claimed shows a file that goes on
            return np.frombuffer(content, np.uint8).reshape(sides)
    except (OSError, EOFError, ValueError, zlib.error, OverflowError):
        findings.problem(path.name, "a readable IDX file of bytes", "a damaged or foreign one", "Copy it again.")
        return None
