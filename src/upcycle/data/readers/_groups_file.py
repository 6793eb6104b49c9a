"""The groups file: a table of images and the patients they are of, for every kind of input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from upcycle.data.readers._classes import EMPTY
from upcycle.data.readers._owners import owner_column
from upcycle.data.readers._raw import Findings, RawSplit, shown
from upcycle.data.readers._table import FILE_WORDS, FileNames, Table, file_key, read_table
from upcycle.errors import DataError, printable


@dataclass(frozen=True)
class Owners:
    """Image -> patient as a groups file has it: images by file name relative to the folder, by bare name, or by row number."""

    by_image: dict[str, str]


def read_groups(path: Path, findings: Findings) -> Owners:
    """The owners of a groups file. Its columns are known by their names or, where there are two, by their place."""
    table = read_table(path, "groups", "image,patient", findings)
    image, patient = _columns(table, findings)
    if unread := table.others([image, patient]):
        findings.note(f"columns of the groups file were not read: {shown(unread)}")
    pairs = [(_key(text), owner) for text, owner in zip(table.cells(image), table.cells(patient), strict=True)]
    owners = dict(pairs)
    empty = [name for name, owner in pairs if owner.casefold() in EMPTY]
    if empty:
        findings.problem("the groups file", "filled in", f"no patient for {empty[0]} ({len(empty)} such rows)", "Add them.")
    twice = sorted({name for name, owner in pairs if owners[name] != owner})
    if twice:
        got = f"{twice[0]} with two patients ({len(twice)} such images)"
        findings.problem("the groups file", "clear on every image", got, "Keep one row each.")
    return Owners(owners)


def _columns(table: Table, findings: Findings) -> tuple[str, str]:
    """Names of the columns of images and patients. Raises DataError where they are not clear."""
    two = len(table.header) == 2
    heard = Findings()
    patient = owner_column(table.header, "the groups file", heard)
    rest = table.others([patient])
    image = next((c for c in [table.named(FILE_WORDS)] if c != patient), None)
    if two:  # what is not named is told by what is, or else by place
        first, second = table.header
        if patient is None:
            patient = first if image == second else second
            heard = Findings([], [f"images were grouped by {patient} of the groups file, which does not sound like a patient"])
        image = second if patient == first else first
    elif image is None and patient is not None and len(rest) == 1:
        image = rest[0]
    for note in heard.notes:
        findings.note(note)
    if image is None or patient is None:
        got = shown(table.header, 8)
        raise DataError(f"columns of the groups file must be named image and patient. Got {printable(got)}. Rename them.")
    return image, patient


def _key(text: str) -> str:
    """Names as the readers write them: slashes forward, row numbers without leading zeros."""
    text = file_key(text)
    return str(int(text)) if text.isascii() and text.isdigit() and len(text) < 20 else text


def owners_of(ids: list[str], groups: Owners, findings: Findings) -> np.ndarray:
    """The patient of every image; images without a row are a problem."""
    given, names = groups.by_image, FileNames(dict.fromkeys(ids))
    found = {name: {given[name]} for name in ids if name in given}
    several = []
    for key, owner in given.items():
        meant = [] if key in found else names.find(key)
        several += [key] if len(meant) > 1 else []
        for name in meant:
            found.setdefault(name, set()).add(owner)
    if several:
        got = f"several images called {shown(several)}"
        findings.problem("the groups file", "clear on every image", got, "Write their folders too.")
    missing = [name for name in ids if name not in found]
    if missing:
        got = f"no row for {missing[0]} ({len(missing)} missing)"
        findings.problem("the groups file", "complete, below one header line", got, "Add them.")
    torn = [name for name, owners in found.items() if len(owners) > 1]
    if torn:
        findings.problem("the groups file", "clear on every image", f"{torn[0]} with two patients", "Keep one row each.")
    surplus = len(given) - sum(1 for key in given if key in found or names.find(key))
    if surplus:
        findings.note(f"{surplus} rows of the groups file name no image of the data")
    return np.array([min(found.get(name, {name})) or name for name in ids], dtype=object)


def owned(raws: Sequence[RawSplit], groups: Owners, findings: Findings) -> list[RawSplit]:
    """The splits with the patients of the groups file: by the names of the images, or by row number where they have none."""
    if any(raw.groups is not None for raw in raws):
        findings.note("the groups file replaced the group ids of the data")
    counts = [len(raw.images) if raw.images.ndim else 0 for raw in raws]
    starts = [sum(counts[:k]) for k in range(len(counts) + 1)]  # rows are counted over train, validation, test
    ids = [list(raw.names or map(str, range(a, a + n))) for raw, a, n in zip(raws, starts, counts, strict=False)]
    owners = owners_of([name for part in ids for name in part], groups, findings)
    ends = np.cumsum([len(part) for part in ids])
    return [replace(raw, groups=owners[end - len(part) : end]) for raw, part, end in zip(raws, ids, ends, strict=True)]
