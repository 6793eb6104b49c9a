"""Folders of files: each kind of file says how one is opened, the rest is the same for all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from upcycle.data.readers._classes import is_utf8
from upcycle.data.readers._kinds import kind_of_file
from upcycle.data.readers._label_table import by_table, label_table
from upcycle.data.readers._layout import Entry, Layout, by_folders, note_splits_in_names
from upcycle.data.readers._masks import note_masks
from upcycle.data.readers._owners import may_be_unknown, note_alike, note_owners_in_paths, note_placeholders
from upcycle.data.readers._patients import Patients
from upcycle.data.readers._picture import FORMATS, Unreadable, open_picture, without_warnings_of_size
from upcycle.data.readers._raw import Findings, RawImages, RawSplit, Source, shown
from upcycle.data.readers._stack import Pile, SketchPile
from upcycle.errors import printable


@dataclass(frozen=True)
class Opened:
    """What one file holds: images (h, w) or (h, w, 3), and the words that name whose they are, None where it does not say."""

    images: Sequence[np.ndarray]
    owner: tuple[str, ...] | None = None


@dataclass(frozen=True)
class FileKind:
    """`kind` is picture, volume or scan; `called` as in error lines; `open` raises Unreadable."""

    kind: Literal["picture", "volume", "scan"]
    called: str
    open: Callable[[str, Source], Opened]


def layout(root: Path, findings: Findings) -> Layout:
    """The files of `root` by its labels.csv, or else by its class folders."""
    table = label_table(root)
    return by_folders(root, findings) if table is None else by_table(root, table, findings)


def read_files(source: Source, kind: FileKind) -> RawImages:
    """Every file of `kind` in the folder, as its class folders or its labels.csv say; other images are a problem.

    Groups are those of the table, or patients as numbers (`Patients`) where files name them or hold several images each.
    """
    found = layout(source.folder(), source.findings)
    root = str(source.path)
    kinds = [kind_of_file(f"{root}/{entry.name}") for entry in found.entries]
    _report_foreign([(entry.name, k) for entry, k in zip(found.entries, kinds, strict=True) if k != kind.kind], kind, source)
    entries = [entry for entry, k in zip(found.entries, kinds, strict=True) if k == kind.kind]
    _check_names(entries, source.findings)
    _check_classes(found, source.findings)
    shelf = _Shelf(source, kind)
    with without_warnings_of_size():
        splits = [shelf.split(name, [entry for entry in entries if entry.split == name]) for name in found.splits]
    if shelf.unreadable:
        allowed = f"a readable {kind.called}"
        source.findings.problem("every image", allowed, shown(shelf.unreadable), "Repair or remove them.")
    if not entries:
        name, others = printable(source.path.name), shown(entry.name for entry in found.entries)
        got = f"none, but {others}" if others else "none"
        source.findings.problem(name, f"a folder of {kind.called} files", got, "See docs/data.md.")
    note_splits_in_names(found.entries, source.findings)
    note_masks([entry.name for entry in entries], found.class_names, source.findings)
    grouped = _grouped(splits, entries, found.owned, shelf, source.findings)
    return RawImages(grouped, found.class_names, kind=kind.kind)


def _grouped(splits: list[RawSplit], entries: list[Entry], owned: bool, shelf: _Shelf, findings: Findings) -> list[RawSplit]:
    """Groups by the table, by the files' own ids, or by file where files hold several images; else none."""
    if owned:
        owner = {entry.name: entry.owner for entry in entries}
        if shelf.named:
            findings.note("the patients of labels.csv replaced those that the files name")
        return [replace(split, groups=np.array([owner[name] for name in split.names or ()], object)) for split in splits]
    if not shelf.named:
        if shelf.kind.kind == "scan" and entries:
            findings.note("no file names a patient: images were not grouped")
        note_owners_in_paths([entry.name for entry in entries], len({(e.split, e.label) for e in entries}), findings)
    elif shelf.unnamed:
        findings.note(f"{shelf.unnamed} files name no patient: each counts as a separate patient")
    if shelf.named:
        shelf.note_odd_ids()
    single = len({n for s in splits for n in s.names or ()}) == sum(len(s.labels) for s in splits)
    return [replace(split, groups=None) for split in splits] if single and not shelf.named else splits


class _Shelf:
    """Opens files split by split, and keeps what can only be said at the end."""

    def __init__(self, source: Source, kind: FileKind) -> None:
        self.source, self.kind = source, kind
        self.patients = Patients()
        self.unreadable: list[str] = []
        self.named = False  # whether any file named a patient
        self.images: Counter[int] = Counter()  # of each patient
        self.odd: dict[int, str] = {}  # ids that may stand for unknown
        self.unnamed = 0

    def split(self, name: str, entries: list[Entry]) -> RawSplit:
        """The files of one split; those that cannot be read are kept in `unreadable`."""
        pile = Pile(self.source) if self.source.keep else SketchPile(self.source)
        labels, names, groups, root = [], [], [], str(self.source.path)
        for entry in entries:
            try:
                opened = self.kind.open(f"{root}/{entry.name}", self.source)
            except Unreadable as error:
                self.unreadable.append(f"{entry.name} ({error})" if str(error) else entry.name)
                continue
            owner = self._number(opened.owner)
            size = os.stat(f"{root}/{entry.name}").st_size  # noqa: PTH116, a Path for each of a million files takes longer
            packed = size // max(len(opened.images), 1)
            self.images[owner] += len(opened.images)
            for image in opened.images:
                pile.add(image, entry.name, packed)
                labels.append(entry.label)
                names.append(entry.name)
                groups.append(owner)
        array = pile.array(self.source.findings)
        numbers = np.array(groups, np.int64)
        return RawSplit(name, array, np.array(labels, np.int64), numbers, tuple(names), sketch=pile.sketch)

    def _number(self, owner: tuple[str, ...] | None) -> int:
        if owner is None:
            self.unnamed += 1
            return self.patients.another()
        self.named = True
        number = self.patients.number("patient", *owner)
        if may_be_unknown(owner[-1]):  # any other id is of a person, and is not kept
            self.odd[number] = owner[-1]
        return number

    def note_odd_ids(self) -> None:
        """Say which ids stand for unknown patients, and how many differ from another in their spelling only."""
        note_placeholders(
            {self.odd.get(number, f"patient {number}"): count for number, count in self.images.items()}, self.source.findings
        )
        note_alike(self.patients.alike(), self.source.findings)


def _check_names(entries: list[Entry], findings: Findings) -> None:
    """File names that are no UTF-8 cannot be written into a report, hours later."""
    bad = [entry.name for entry in entries if not is_utf8(entry.name)]
    if bad:
        findings.problem("names of files and folders", "UTF-8", shown(bad), "Rename them.")


def _check_classes(found: Layout, findings: Findings) -> None:
    """A class without a file is said here, next to what else is wrong with the files."""
    full = {entry.label for entry in found.entries}
    for name in [name for label, name in enumerate(found.class_names) if full and label not in full]:
        findings.problems.append(
            printable(f"every class must hold images. Got no image of class {name}. Add some or remove the class.")
        )


def _report_foreign(files: list[tuple[str, str]], kind: FileKind, source: Source) -> None:
    """Images of a kind that is not read are refused, as leaving them out would change the data; other files are noted."""
    images = [name for name, found in files if found not in ("", "plain")]
    if images:
        got = f"{len(images)} of another kind: {shown(images)}" if len(images) > 5 else shown(images)
        source.findings.problem("every image", kind.called, got, "Convert or remove them.")
    for wanted, what in (("plain", "that are no images"), ("", "of a kind that is not known")):
        others = [name for name, found in files if found == wanted]
        if others:
            source.findings.note(f"{len(others)} files {what} were left out: {shown(others)}")


def _open_picture(path: str, source: Source) -> Opened:
    return Opened([open_picture(path, source)])


PICTURE: Final = FileKind("picture", FORMATS, _open_picture)


def read_pictures(source: Source) -> RawImages:
    """PNG, JPEG and the other formats of `open_picture`."""
    return read_files(source, PICTURE)
