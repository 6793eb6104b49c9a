"""Folders of files: each kind of file says how one is opened, the rest is the same for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from upcycle.data.readers._layout import LABELS, Entry, files_below, layout
from upcycle.data.readers._patients import Patients
from upcycle.data.readers._picture import open_picture
from upcycle.data.readers._raw import RawImages, RawSplit, Source
from upcycle.data.readers._stack import fitted, shown, stacked

PICTURES = {".png", ".jpg", ".jpeg"}


VOLUMES = {".nii", ".nii.gz"}


SCANS = {".dcm", ".dicom"}


_OTHER_IMAGES = {".bmp", ".gif", ".heic", ".jp2", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}


_LOOKED_AT = 1000  # files, to find out what a folder holds


@dataclass(frozen=True)
class Opened:
    """What one file holds: images (h, w) or (h, w, 3), and the words that name whose they are, None where it does not say."""

    images: Sequence[np.ndarray]
    owner: tuple[str, ...] | None = None


class Unreadable(Exception):
    """One file cannot be used; the text says why, in a few words."""


@dataclass(frozen=True)
class FileKind:
    """`kind` is picture, volume or scan; `called` as in error lines; `open` raises Unreadable."""

    kind: str
    called: str
    open: Callable[[Path, Source], Opened]


def kind_of_file(path: Path) -> str:
    """picture, volume, scan, other image, or "" for a file that is no image. A scan is also known by its first bytes."""
    name = path.name.lower()
    suffix = ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix
    for kind, suffixes in (("picture", PICTURES), ("volume", VOLUMES), ("scan", SCANS), ("other image", _OTHER_IMAGES)):
        if suffix in suffixes:
            return kind
    return "scan" if name != "dicomdir" and _starts_as_dicom(path) else ""


def _starts_as_dicom(path: Path) -> bool:
    """The four letters after the preamble of 128 bytes (DICOM PS3.10, 7.1)."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def kind_of_folder(path: Path) -> str:
    """The kind of image most of a folder's files are of; picture where it holds none."""
    kinds = Counter(kind_of_file(file) for file in islice(files_below(path), _LOOKED_AT))
    return max(("picture", "volume", "scan"), key=lambda kind: kinds[kind])


def read_files(source: Source, kind: FileKind) -> RawImages:
    """Every file of `kind` in the folder, as its class folders or its labels.csv say; other images are a problem.

    Groups are patients as numbers (`Patients`), given where files name patients or hold several images each.
    """
    found = layout(source.path, source.findings)
    kinds = {entry: kind_of_file(entry.file) for entry in found.entries}
    _report_foreign([(e.name, k) for e, k in kinds.items() if k != kind.kind], kind, source)
    shelf = _Shelf(source, kind)
    splits = [shelf.split(name, [e for e in kinds if e.split == name and kinds[e] == kind.kind]) for name in found.splits]
    if shelf.unreadable:
        allowed = f"a readable {kind.called}"
        source.findings.problem("every image", allowed, shown(shelf.unreadable), "Repair or remove them.")
    if not splits:
        source.findings.problem(source.path.name, f"a folder of {kind.called} files", "none", "See docs/data.md.")
    if not shelf.named and len({n for s in splits for n in s.names or ()}) == sum(len(s.labels) for s in splits):
        splits = [replace(split, groups=None) for split in splits]
    elif shelf.named and shelf.unnamed:
        source.findings.note(f"{len(shelf.unnamed)} files name no patient: each counts as a patient of its own")
    return RawImages(splits, found.class_names)


class _Shelf:
    """Opens files split by split, and keeps what can only be said at the end."""

    def __init__(self, source: Source, kind: FileKind) -> None:
        self.source, self.kind = source, kind
        self.patients = Patients()
        self.unreadable: list[str] = []
        self.named = False  # whether any file named a patient
        self.unnamed: list[str] = []

    def split(self, name: str, entries: list[Entry]) -> RawSplit:
        """The files of one split; those that cannot be read are kept in `unreadable`."""
        images: list[np.ndarray] = []
        labels, names, groups = [], [], []
        for entry in entries:
            try:
                opened = self.kind.open(entry.file, self.source)
            except Unreadable as error:
                self.unreadable.append(f"{entry.name} ({error})" if str(error) else entry.name)
                continue
            count = len(opened.images)
            images += [fitted(image, self.source.settings.side) for image in opened.images]
            labels += [entry.label] * count
            names += [entry.name] * count
            groups += [self._number(opened.owner, entry.name)] * count
        array = stacked(images, names, self.source.findings)
        return RawSplit(name, array, np.array(labels, np.int64), np.array(groups, np.int64), tuple(names))

    def _number(self, owner: tuple[str, ...] | None, name: str) -> int:
        if owner is None:
            self.unnamed.append(name)
            return self.patients.number("file", name)
        self.named = True
        return self.patients.number("patient", *owner)


def _report_foreign(files: list[tuple[str, str]], kind: FileKind, source: Source) -> None:
    """Images of a kind that is not read are refused, as leaving them out would change the data; other files are noted."""
    pictures = [name for name, found in files if found]
    if pictures:
        source.findings.problem("every image", kind.called, shown(pictures), "Convert or remove them.")
    others = [name for name, found in files if not found and name != LABELS]
    if others:
        source.findings.note(f"files that are no images were left out: {shown(others)}")


def read_pictures(source: Source) -> RawImages:
    """PNG and JPEG files."""
    return read_files(source, FileKind("picture", "PNG or JPEG", _open_picture))


def _open_picture(path: Path, source: Source) -> Opened:
    image = open_picture(path, source.findings)
    if image is None:
        raise Unreadable
    return Opened([image])
