"""Which file of a folder is of which class and split: by class folders, or by a labels.csv."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from upcycle.data.readers._raw import NAMES, Findings
from upcycle.data.readers._stack import shown
from upcycle.data.readers._table import read_table
from upcycle.errors import DataError

LABELS = "labels.csv"


_SPLITS = NAMES | {"validation": "validation", "valid": "validation", "": "all"}  # as people write them in a table


@dataclass(frozen=True)
class Entry:
    """One file: its split, the number of its class, and its name relative to the folder."""

    split: str
    label: int
    file: Path
    name: str


@dataclass(frozen=True)
class Layout:
    """What a folder holds; `splits` are all that it has, also empty ones."""

    splits: tuple[str, ...]
    class_names: tuple[str, ...]
    entries: tuple[Entry, ...]


def layout(root: Path, findings: Findings) -> Layout:
    """The files of `root` by its labels.csv, or else by its class folders; classes are sorted by name."""
    return _by_table(root, findings) if (root / LABELS).is_file() else _by_folders(root, findings)


def files_below(folder: Path) -> Iterator[Path]:
    """Files in order of name; not those that systems and editors hide."""
    if folder.is_dir():
        inside = (f for f in folder.rglob("*") if not any(map(_hidden, f.relative_to(folder).parts)))
        yield from sorted(f for f in inside if f.is_file())


def _by_folders(root: Path, findings: Findings) -> Layout:
    """One folder per class, or train, val and test folders of them."""
    roots = _roots(root, findings)
    classes = sorted({folder.name for part in roots.values() for folder in _folders(part)})
    if not classes:
        raise DataError(f"{root} must hold one folder per class, or a labels.csv. Got neither. See docs/data.md.")
    entries = [
        Entry(split, label, file, file.relative_to(root).as_posix())
        for split, part in roots.items()
        for label, name in enumerate(classes)
        for file in files_below(part / name)
    ]
    return Layout(tuple(roots), tuple(classes), tuple(entries))


def _roots(path: Path, findings: Findings) -> dict[str, Path]:
    """Split -> its folder. A folder named train that holds images and no folders is a class."""
    names = [folder.name for folder in _folders(path)]
    if "train" in names and (any(_folders(path / "train")) or set(names) <= set(NAMES)):
        beside = [name for name in names if name not in NAMES]
        if beside:
            findings.note(f"folders beside train, val and test were not read: {shown(beside)}")
        return {NAMES[name]: path / name for name in NAMES if name in names}
    if names and set(names) <= {"val", "test"}:
        raise DataError(f"{path} must hold a train folder. Got {' and '.join(names)} only. Add it.")
    return {"all": path}


def _folders(path: Path) -> Iterator[Path]:
    """Folders in order of name; not those that systems and editors hide."""
    yield from sorted(f for f in path.iterdir() if f.is_dir() and not _hidden(f.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _by_table(root: Path, findings: Findings) -> Layout:
    """labels.csv: a header line, then file, class and, if there is a third column, split."""
    rows = [(r[0].replace("\\", "/").removeprefix("./"), r[1], r[2] if len(r) > 2 else "") for r in _rows(root)]
    outside = [name for name, _, _ in rows if not _is_inside(root, name)]
    if outside:
        findings.problem(f"files in {LABELS}", "inside the folder", shown(outside), "Use names relative to the folder.")
    rows = [row for row in rows if row[0] not in set(outside)]
    _check_rows(root, rows, findings)
    classes = sorted({label for _, label, _ in rows}, key=_by_number)
    numbers = {name: k for k, name in enumerate(classes)}
    rows = sorted({row[0]: row for row in rows if (root / row[0]).is_file()}.values())
    entries = tuple(Entry(_SPLITS.get(s.lower(), "all"), numbers[label], root / name, name) for name, label, s in rows)
    _note_unlisted(root, entries, findings)
    used = {entry.split for entry in entries}
    return Layout(tuple(s for s in ("train", "validation", "test", "all") if s in used), tuple(classes), entries)


def _by_number(text: str) -> tuple[int, str]:
    """Whole numbers in their order, then words in theirs."""
    return (int(text) if text.isdecimal() and len(text) < 10 else 10**9, text)


def _rows(root: Path) -> list[list[str]]:
    return read_table(root / LABELS, "labels", "file,class")


def _is_inside(root: Path, name: str) -> bool:
    """Neither absolute nor upwards, nor through a link that leads out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or Path(name).is_absolute() or "\0" in name:
        return False
    return (root / name).resolve().is_relative_to(root.resolve())


def _check_rows(root: Path, rows: list[tuple[str, str, str]], findings: Findings) -> None:
    by_name: dict[str, set[tuple[str, str]]] = {}
    for name, label, split in rows:
        by_name.setdefault(name, set()).add((label, split))
    twice = [name for name, found in by_name.items() if len(found) > 1]
    if twice:
        findings.problem(LABELS, "clear on every file", f"two rows that differ for {shown(twice)}", "Keep one row each.")
    absent = [name for name in by_name if not (root / name).is_file()]
    if absent:
        findings.problem(f"files in {LABELS}", "there", f"no {shown(absent)}", "Check the names below the header line.")
    blank = [name for name, label, _ in rows if not label]
    if blank:
        findings.problem(LABELS, "filled in", f"no class for {shown(blank)}", "Add them or remove the rows.")
    odd = sorted({split for _, _, split in rows if split.lower() not in _SPLITS})
    if odd:
        findings.problem(f"splits in {LABELS}", "train, val or test", shown(odd), "Rename them.")


def _note_unlisted(root: Path, entries: tuple[Entry, ...], findings: Findings) -> None:
    listed = {entry.name for entry in entries} | {LABELS}
    others = [name for f in files_below(root) if (name := f.relative_to(root).as_posix()) not in listed]
    if others:
        findings.note(f"files without a row in {LABELS} were left out: {shown(others)}")
