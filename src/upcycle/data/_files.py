"""Readers: each turns a path into raw splits, or says why not."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from upcycle.data._normalise import Findings, RawSplit
from upcycle.errors import DataError

NAMES = {"train": "train", "val": "validation", "test": "test"}
_GROUP_KEYS = ("patient_ids", "groups")
_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg"}
Raw = tuple[list[RawSplit], tuple[str, ...] | None]
"""Splits named train, validation, test, or one named `all`; class names where the source has some."""


def read_npz(path: Path, findings: Findings) -> Raw:
    """Keys `{train,val,test}_images` and `_labels` as in MedMNIST, or `images` and `labels`; group ids optional."""
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {key: _array(file, key, path) for key in _relevant(file.files)}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError) as error:
        if isinstance(error, ValueError) and "pickle" in str(error).lower():
            raise DataError(
                f"{path} must be plain arrays. Got Python objects, which would run code. Save numbers only."
            ) from None
        raise DataError(f"{path} must be a readable .npz. Got a damaged or foreign file. Copy it again.") from None
    found = [raw for prefix in ("train", "val", "test", "") if (raw := _npz_split(arrays, prefix, findings))]
    if not found and not findings.problems:
        findings.problem(
            f"{path.name}",
            "an .npz with train_images or images",
            ", ".join(arrays) or "no such key",
            "See the quick start.",
        )
    return found, None


def _relevant(keys: list[str]) -> list[str]:
    ends = ("images", "labels", *_GROUP_KEYS)
    prefixes = ("train_", "val_", "test_", "")
    return [key for key in keys if any(key == prefix + end for prefix in prefixes for end in ends)]


def _array(file: Any, key: str, path: Path) -> np.ndarray:
    array: np.ndarray = file[key]
    if array.dtype.hasobject:
        raise ValueError(f"pickle in {path}")
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


def read_folder(path: Path, findings: Findings, groups: dict[str, str] | None) -> Raw:
    """Class folders of PNG or JPEG, or train/val/test folders of them; classes are sorted by name."""
    parts = {NAMES[name]: path / name for name in NAMES if (path / name).is_dir()}
    roots = parts if "train" in parts else {"all": path}
    classes = sorted({d.name for root in roots.values() for d in root.iterdir() if d.is_dir()})
    if not classes:
        raise DataError(f"{path} must hold one folder per class. Got none. See the quick start.")
    return [_folder_split(name, root, path, classes, findings, groups) for name, root in roots.items()], tuple(classes)


def _folder_split(
    name: str, root: Path, base: Path, classes: list[str], findings: Findings, groups: dict[str, str] | None
) -> RawSplit:
    images, labels, ids, unreadable = [], [], [], []
    for label, class_name in enumerate(classes):
        for file in _images_in(root / class_name):
            try:
                images.append(_open_image(file, findings))
            except (OSError, SyntaxError, ValueError):
                unreadable.append(str(file.relative_to(base)))
                continue
            labels.append(label)
            ids.append(str(file.relative_to(base)))
    if unreadable:
        shown = ", ".join(unreadable[:5]) + (f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else "")
        findings.problem("every image", "readable", shown, "Repair or remove them.")
    owners = None if groups is None else _owners(ids, groups, findings)
    return RawSplit(name, _stack(images, ids, findings), np.array(labels, np.int64), owners)


def _images_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(f for f in folder.rglob("*") if f.suffix.lower() in _IMAGE_SUFFIXES)


def _open_image(path: Path, findings: Findings) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        if image.mode in ("L", "RGB") or image.mode.startswith("I"):
            return np.asarray(image)
        if image.mode == "1":
            return np.asarray(image.convert("L"))
        findings.note(f"{image.mode} images were converted to RGB")
        return np.asarray(image.convert("RGB"))


def _stack(images: list[np.ndarray], ids: list[str], findings: Findings) -> np.ndarray:
    shapes = [image.shape for image in images]
    if len(set(shapes)) > 1:
        odd = next(k for k, shape in enumerate(shapes) if shape != shapes[0])
        findings.problem(
            "all images",
            f"of one size and channel count, as {ids[0]} {shapes[0]}",
            f"{ids[odd]} {shapes[odd]}",
            "Convert them.",
        )
        return np.zeros((len(images), 8, 8), np.uint8)
    if not images:
        return np.zeros((0, 8, 8), np.uint8)
    stacked = np.stack(images)
    return stacked.clip(0, 65535).astype(np.uint16) if stacked.dtype.itemsize > 1 else stacked


def _owners(ids: list[str], groups: dict[str, str], findings: Findings) -> np.ndarray:
    missing = [name for name in ids if name not in groups]
    if missing:
        findings.problem("the groups file", "complete", f"no row for {missing[0]} ({len(missing)} missing)", "Add them.")
    return np.array([groups.get(name, "") for name in ids])


def read_idx(path: Path, findings: Findings) -> Raw:
    """IDX files as MNIST and Fashion-MNIST have them, gzipped or not: train-*, t10k-*."""
    splits = []
    for prefix, name in (("train", "train"), ("t10k", "test")):
        arrays = [_idx(next(iter(path.glob(f"{prefix}-{kind}*")), None)) for kind in ("images-idx3", "labels-idx1")]
        if arrays[0] is None or arrays[1] is None:
            findings.problem("the IDX folder", "complete", f"no {prefix} images or labels", "Add the file.")
        else:
            splits.append(RawSplit(name, arrays[0], arrays[1]))
    return splits, None


def _idx(path: Path | None) -> np.ndarray | None:
    if path is None:
        return None
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            head = file.read(4)
            sides = np.frombuffer(file.read(4 * head[3]), ">i4").astype(int)
            return np.frombuffer(file.read(), np.uint8).reshape(sides)
    except (OSError, EOFError, ValueError, IndexError, zlib.error):
        raise DataError(f"{path} must be a readable IDX file. Got a damaged one. Copy it again.") from None
