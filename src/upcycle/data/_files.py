"""Readers of files of arrays: each turns a path into raw splits, or says why not."""

from __future__ import annotations

import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from upcycle.data._normalise import NAMES, Findings, Raw, RawSplit
from upcycle.errors import DataError

_GROUP_KEYS = ("patient_ids", "groups")
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, OverflowError),
)  # what zipfile and NumPy raise on a damaged, encrypted or foreign file


def read_npz(path: Path, findings: Findings) -> Raw:
    """Keys `{train,val,test}_images` and `_labels` as in MedMNIST, or `images` and `labels`; group ids optional."""
    try:
        with path.open("rb") as handle:  # opened here, as NumPy leaves its own handle open when the archive is damaged
            if not zipfile.is_zipfile(handle):
                raise ValueError("not a zip archive")
            handle.seek(0)
            with np.load(handle, allow_pickle=False) as file:
                keys = list(file.files)
                arrays = {key: _array(file, key, path) for key in keys if key in _known_keys()}
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:80].rstrip(".") or type(error).__name__
        raise DataError(f"{path} must be a readable .npz. Got a damaged or foreign file ({reason}). Copy it again.") from None
    unread = [key for key in keys if key.endswith(("images", "labels")) and key not in arrays]
    if unread:
        findings.note(f"keys of the .npz were not read: {', '.join(unread[:5])}")
    found = [raw for prefix in ("train", "val", "test", "") if (raw := _npz_split(arrays, prefix, findings))]
    if not found and not findings.problems:
        got = ", ".join(keys[:5]) or "an empty file"
        findings.problem(path.name, "an .npz with train_images or images", got, "See the quick start.")
    return found, None


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


def read_digits() -> Raw:
    """scikit-learn's 1,797 handwritten digits, 8x8, from its own installation."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return [RawSplit("all", images, digits.target.astype(np.int64))], tuple(map(str, range(10)))


def holds_idx(path: Path) -> bool:
    """Whether the folder holds IDX images; some unpackers write `images.idx3` for `images-idx3`."""
    return any(path.glob("*images?idx3-ubyte*"))


def read_idx(path: Path, findings: Findings) -> Raw:
    """IDX files as MNIST and Fashion-MNIST have them, gzipped or not: train-*, t10k-*."""
    splits = []
    for prefix, name in (("train", "train"), ("t10k", "test")):
        kinds = (("images?idx3", 3), ("labels?idx1", 1))
        found = [(next(iter(sorted(path.glob(f"{prefix}-{kind}-ubyte*"))), None), axes) for kind, axes in kinds]
        arrays = [None if file is None else _idx(file, axes, findings) for file, axes in found]
        if any(file is None for file, _ in found):
            findings.problem("the IDX folder", "complete", f"no {prefix} images or labels", "Add the file.")
        if arrays[0] is not None and arrays[1] is not None:
            splits.append(RawSplit(name, arrays[0], arrays[1]))
    return splits, None


def _idx(path: Path, axes: int, findings: Findings) -> np.ndarray | None:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            if file.read(4) != bytes([0, 0, 8, axes]):  # 8 stands for unsigned bytes
                raise ValueError
            sides = np.frombuffer(file.read(4 * axes), ">i4").astype(int)
            return np.frombuffer(file.read(), np.uint8).reshape(sides)
    except (OSError, EOFError, ValueError, zlib.error):
        findings.problem(path.name, "a readable IDX file of bytes", "a damaged or foreign one", "Copy it again.")
        return None
