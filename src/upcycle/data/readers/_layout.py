"""Which file of a folder is of which class and split: by class folders, or by a labels.csv."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from upcycle.data.readers._classes import class_text, in_order
from upcycle.data.readers._raw import Findings, shown
from upcycle.data.readers._split_names import SPLITS, UNCLEAR, note_odd_splits, parse_split, split_of, splits_of, words_of
from upcycle.data.readers._walk import Walk
from upcycle.errors import DataError, printable

LABELS = "labels.csv"
_NAMELESS = {  # words that number parts of a collection
    *("fold", "folds", "cv", "site", "center", "centre", "cohort", "partition", "group", "hospital", "clinic", "institution"),
    *("tr", "te", "ts", "tst", "vl", "va", "learn", "learning", "evaluate", "internal", "external", "public", "private"),
    *("set", "subset", "part", "split", "batch", "dataset", "data", "database", "collection", "source", "scanner", "round"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its split, the number of its class, its name relative to the folder, and its owner if a table says so."""

    split: str
    label: int
    name: str
    owner: str = ""


@dataclass(frozen=True)
class Layout:
    """What a folder holds; `splits` are all that it has, also empty ones; `owned` whether a table names owners."""

    splits: tuple[str, ...]
    class_names: tuple[str, ...]
    entries: tuple[Entry, ...]
    owned: bool = False


@dataclass(frozen=True)
class _Part:
    """A folder that is a class, or a part of one: `folder` relative to the root."""

    split: str
    label: str
    folder: str


def by_folders(root: Path, findings: Findings) -> Layout:
    """One folder per class; or such folders below train, val and test; or train, val and test folders below each class."""
    walk, before = Walk(root), len(findings.problems)
    tops = _tops(walk, findings)
    if len(findings.problems) > before and not tops:
        walk.report(findings)
        raise DataError(*findings.problems)
    parts = [_Part(split, class_text(name), f"{top}/{name}") for top, split in tops.items() for name in walk.folders(top)]
    if not tops:
        parts = _without_splits(walk, findings)
    classes = in_order(part.label for part in parts)
    if not classes:
        walk.report(findings)
        if findings.problems:
            raise DataError(*findings.problems)
        raise DataError(
            f"{printable(str(root))} must hold one folder per class, or a labels.csv. Got neither. See docs/data.md."
        )
    numbers = {name: k for k, name in enumerate(classes)}
    parts.sort(key=lambda part: (SPLITS.index(part.split), numbers[part.label], part.folder))
    entries = tuple(Entry(p.split, numbers[p.label], name) for p in parts for name in walk.files(p.folder))
    _note_loose(walk, ["", *tops], findings)
    _refuse_hidden_splits(entries, {part.folder for part in parts}, findings)
    _note_spellings(parts, findings)
    walk.report(findings)
    used = {part.split for part in parts} | set(tops.values())
    return Layout(tuple(split for split in SPLITS if split in used), tuple(classes), entries)


def _tops(walk: Walk, findings: Findings) -> dict[str, str]:
    """Folder -> split for the folders in the root that are splits; empty where they are classes.

    A folder named train that holds images and no folders is a class, if other folders are none of splits.
    """
    names = walk.folders("")
    found = splits_of(names)
    known = {name: split for name, split in found.items() if split in SPLITS}
    trains = [name for name, split in known.items() if split == "train"]
    strangers = [name for name in names if name not in known]
    deep = {name for name in names if walk.folders(name)}
    if trains and (set(trains) & deep or not strangers):
        _check_tops(known, strangers, deep, findings)
        return {name: split for name, split in known.items() if name in deep}
    misnamed = [
        name for name in names if found[name] in ("validation", "test", UNCLEAR) or (found[name] == "train" and name in deep)
    ]
    if misnamed:
        got = (
            f"{shown(misnamed)} next to {shown(sorted(set(names) - set(misnamed)))}"
            if set(names) - set(misnamed)
            else f"{shown(misnamed)} only"
        )
        findings.problem(
            "folders",
            "one per class, or a train folder with val and test next to it",
            got,
            "Rename them, or name the classes in a labels.csv.",
        )
    elif trains:
        findings.note(f"folder {shown(trains)} was taken for a class: it holds images and no folders")
    return {}


def _check_tops(known: dict[str, str], strangers: list[str], deep: set[str], findings: Findings) -> None:
    flat = [name for name in known if name not in deep]
    if flat:
        then = "Sort their images into class folders, or move them away."
        findings.problem("folders of splits", "made of one folder per class", f"none in {shown(flat)}", then)
    unclear = [name for name in strangers if parse_split(name)]
    if unclear:
        findings.problem("folders next to train", "called val or test", shown(unclear), "Rename or move them.")
    others = [name for name in strangers if name not in unclear]
    if others:
        findings.note(f"folders next to train, val and test were not read: {shown(others)}")
    note_odd_splits(known, findings)
    for split, count in Counter(known.values()).items():
        if count > 1:
            findings.note(f"several folders were read as {split}: {shown(n for n, s in known.items() if s == split)}")


def _without_splits(walk: Walk, findings: Findings) -> list[_Part]:
    """Every folder in the root is a class; folders in all of them that are called train, val and test are splits."""
    names = walk.folders("")
    below = {name: walk.folders(name) for name in names}
    if len(names) == 1:
        _refuse_wrapper(walk, names[0], below[names[0]])
    inner = {name: splits_of(folders) for name, folders in below.items()}
    every = [split for found in inner.values() for split in found.values()]
    if "train" in every and all(split in SPLITS for split in every) and all(inner.values()) and not any(map(walk.loose, names)):
        findings.note("train, val and test folders were found below the classes")
        return [_Part(str(s), class_text(name), f"{name}/{f}") for name, found in inner.items() for f, s in found.items()]
    _suspect(names, below, findings)
    return [_Part("all", class_text(name), name) for name in names]


def _refuse_wrapper(walk: Walk, name: str, below: list[str]) -> None:
    """Raise DataError for one folder alone: it holds the classes, or a table names them."""
    table = next((f for f in walk.loose("") if f.lower().endswith((".csv", ".tsv", ".xls", ".xlsx", ".json"))), None)
    holds = f", which holds {shown(below)}" if below else ""
    then = f"Give {name} itself" if below else "Add folders"
    named = f", or save {table} as labels.csv if it names the classes" if table else ", or name the classes in a labels.csv"
    raise DataError(
        f"data must hold one folder per class. Got one folder, {printable(name + holds)}. {printable(then + named)}."
    )


def _suspect(names: list[str], below: dict[str, list[str]], findings: Findings) -> None:
    """Several folders that hold the same folders may be splits, sites or folds that are called something else."""
    shared = set.intersection(*(set(folders) for folders in below.values())) if below else set()
    if len(names) < 2 or len(shared) < 2:
        return
    if all(_is_nameless(name) for name in names):
        got = f"{shown(names)}, which hold the same folders ({shown(sorted(shared), 3)})"
        findings.problem(
            "folders", "one per class, or train, val and test", got, "Rename them, or merge them into class folders."
        )
    else:
        findings.note(
            f"{shown(names)} were taken for the classes, although they hold the same folders ({shown(sorted(shared), 3)}): "
            "if those are the classes, call the folders above them train, val and test"
        )


def _is_nameless(name: str) -> bool:
    return all(word.isdigit() or len(word) == 1 or word in _NAMELESS for word in words_of(name))


def _note_loose(walk: Walk, folders: list[str], findings: Findings) -> None:
    loose = [name for folder in folders for name in walk.loose(folder)]
    if loose:
        findings.note(f"{len(loose)} files outside the class folders were left out: {shown(loose)}")


def _refuse_hidden_splits(entries: tuple[Entry, ...], folders: set[str], findings: Findings) -> None:
    """Folders called train or test below a class would be poured together without a word."""
    below = {entry.name.rpartition("/")[0] for entry in entries}
    inside = {
        word for path in below for top in folders if path.startswith(f"{top}/") for word in path[len(top) + 1 :].split("/")
    }
    splits = sorted(word for word in inside if split_of(word))
    if splits:
        then = "Move them to the top of the data, or rename them."
        findings.problem("folders below a class", "parts of that class", f"splits ({shown(splits)})", then)


_SPLIT_IN_NAME = re.compile(r"(?:^|[\W_\d])(train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)(?=[\W_\d]|$)", re.IGNORECASE)


def note_splits_in_names(entries: tuple[Entry, ...], findings: Findings) -> None:
    """Say it where files are called after splits but lie together."""
    stems = [entry.name.rpartition("/")[2].rpartition(".")[0] for entry in entries if entry.split == "all"]
    told = {found.split for stem in stems if _SPLIT_IN_NAME.search(stem) and (found := parse_split(stem))}
    if "train" in told and len(told) > 1:
        findings.note(
            "files are called after train and test, but no split was read from their names: use folders or a labels.csv"
        )


def _note_spellings(parts: list[_Part], findings: Findings) -> None:
    names = {word for part in parts for word in part.folder.split("/")}
    if len(names) > len({class_text(name) for name in names}):
        findings.note("class folders whose names are the same letters stored in two ways were read as one class")
