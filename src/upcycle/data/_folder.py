"""Folders of PNG and JPEG: one folder per class, or train, val and test folders of them."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from upcycle.data._groups import owners_of
from upcycle.data._normalise import NAMES, Findings, Raw, RawSplit
from upcycle.errors import DataError

_READ = {".png", ".jpg", ".jpeg"}
_OTHER_IMAGES = {".bmp", ".dcm", ".dicom", ".gif", ".heic", ".jp2", ".nii", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}


def read_folder(path: Path, findings: Findings, groups: dict[str, str] | None) -> Raw:
    """Class folders of PNG or JPEG, or train/val/test folders of them; classes are sorted by name."""
    roots = _roots(path, findings)
    classes = sorted({folder.name for root in roots.values() for folder in _folders(root)})
    if not classes:
        raise DataError(f"{path} must hold one folder per class. Got none. See the quick start.")
    raws = [_split(name, root, path, classes, findings, groups) for name, root in roots.items()]
    return raws, tuple(classes)


def _roots(path: Path, findings: Findings) -> dict[str, Path]:
    """Split -> its folder. A folder named train that holds images and no folders is a class."""
    names = [folder.name for folder in _folders(path)]
    if "train" in names and (any(_folders(path / "train")) or set(names) <= set(NAMES)):
        beside = [name for name in names if name not in NAMES]
        if beside:
            findings.note(f"folders beside train, val and test were not read: {_shown(beside)}")
        return {NAMES[name]: path / name for name in NAMES if name in names}
    if names and set(names) <= {"val", "test"}:
        raise DataError(f"{path} must hold a train folder. Got {' and '.join(names)} only. Add it.")
    return {"all": path}


def _folders(path: Path) -> Iterator[Path]:
    """Folders in order of name; not those that systems and editors hide."""
    yield from sorted(f for f in path.iterdir() if f.is_dir() and not _hidden(f.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        inside = (f for f in folder.rglob("*") if not any(map(_hidden, f.relative_to(folder).parts)))
        yield from sorted(f for f in inside if f.is_file())


def _split(
    name: str, root: Path, base: Path, classes: list[str], findings: Findings, groups: dict[str, str] | None
) -> RawSplit:
    images, labels, ids, unreadable, foreign = [], [], [], [], []
    for label, class_name in enumerate(classes):
        for file in _files(root / class_name):
            shown = file.relative_to(base).as_posix()
            if file.suffix.lower() not in _READ:
                foreign.append(shown)
                continue
            image = _open(file, findings)
            if image is None:
                unreadable.append(shown)
                continue
            images.append(image)
            labels.append(label)
            ids.append(shown)
    if unreadable:
        findings.problem("every image", "readable", _shown(unreadable), "Repair or remove them.")
    _report_foreign(foreign, findings)
    owners = None if groups is None else owners_of(ids, groups, findings)
    return RawSplit(name, _stack(images, ids, findings), np.array(labels, np.int64), owners)


def _report_foreign(files: list[str], findings: Findings) -> None:
    """Images of a kind that is not read are refused, as leaving them out would change the data; other files are noted."""
    pictures = [name for name in files if Path(name).suffix.lower() in _OTHER_IMAGES]
    if pictures:
        findings.problem("every image", "PNG or JPEG", _shown(pictures), "Convert or remove them.")
    others = [name for name in files if name not in set(pictures)]
    if others:
        findings.note(f"files that are no images were left out: {_shown(others)}")


def _open(path: Path, findings: Findings) -> np.ndarray | None:
    """Pixels (h, w) or (h, w, 3), or None if the file is no whole image."""
    from PIL import Image

    damaged = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
    try:
        with Image.open(path) as image:
            if image.mode in ("L", "RGB") or image.mode.startswith("I"):
                return np.asarray(image)
            if image.mode == "1":
                return np.asarray(image.convert("L"))
            findings.note(f"{image.mode} images were converted to RGB")
            # Pillow wants a palette with transparency to pass through RGBA
            through = image.convert("RGBA") if "transparency" in image.info else image
            return np.asarray(through.convert("RGB"))
    except (*damaged, Image.DecompressionBombError):
        return None


def _stack(images: list[np.ndarray], ids: list[str], findings: Findings) -> np.ndarray:
    if not images:
        return np.zeros((0, 8, 8), np.uint8)
    kinds = [_kind(image) for image in images]
    usual = Counter(kinds).most_common(1)[0][0]
    odd = [f"{name} ({kind})" for name, kind in zip(ids, kinds, strict=True) if kind != usual]
    if odd:
        allowed = f"of one size, channel count and depth, as most are ({usual})"
        findings.problem("all images", allowed, _shown(odd), "Convert or remove them.")
        return np.zeros((len(images), 8, 8), np.uint8)  # a stand-in, so that the other checks can go on
    stacked = np.stack(images)
    return stacked.clip(0, 65535).astype(np.uint16) if stacked.dtype.itemsize > 1 else stacked


def _kind(image: np.ndarray) -> str:
    colour = "RGB" if image.ndim == 3 else "grey"
    return f"{image.shape[0]} x {image.shape[1]} {colour} {16 if image.dtype.itemsize > 1 else 8}-bit"


def _shown(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
