"""One rule for classes: their names, their order, and numbers that mean something only with their own list of names."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from upcycle.data.readers._raw import Findings, RawSplit, shown

_STEERING = {"Cc", "Cs", "Zl", "Zp", "Cn"}  # categories of characters that are no text: controls, halves, line ends
_BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNKNOWN = {"unknown", "unk", "unlabeled", "unlabelled", "undefined", "missing", "n/a", "na", "?", "-", "todo", "tbd"}
_COPY = re.compile(r"copy of (.+)|(.+?)(?: ?\(\d+\)| ?-? ?copy(?: ?\(\d+\))?)", re.IGNORECASE)  # as systems call them
EMPTY = {"", "nan", "nat", "<na>", "null", "#n/a"}  # what tables hold where nothing was filled in


def class_text(name: str) -> str:
    """`name` as it is compared and stored: NFC, without spaces at the ends. Systems store the same letters in several ways."""
    return unicodedata.normalize("NFC", name).strip()


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once; whole numbers in their order, then words in theirs."""
    return sorted(set(names), key=lambda name: (int(name) if name.isdecimal() and len(name) < 10 else 10**9, name))


def check_class_names(names: Sequence[str], findings: Findings) -> None:
    """Names that are no printable text, or given twice, are a problem; names that differ little are noted."""
    known = set(names)
    bad = [name for name in names if not is_text(name)]
    if bad:
        got = shown(name.encode("utf-8", "backslashreplace").decode() for name in bad)
        findings.problem("class names", "printable text in UTF-8", got, "Rename them.")
    if len(known) < len(names):
        twice = [name for name, times in Counter(names).items() if times > 1]
        findings.problem("class names", "all different", f"{shown(twice)} twice", "Rename or merge them.")
    blank = [name for name in names if name.casefold() in EMPTY]
    if blank:
        got = shown(map(repr, blank))
        findings.problem("class names", "filled in", f"{got}, as tables have it for nothing", "Fill in or remove those rows.")
    plain = {name: _plain(name) for name in names}
    alike = Counter(plain.values())
    if odd := [name for name in plain if alike[plain[name]] > 1]:
        findings.note(f"names of classes differ in case, spaces or marks only: {shown(odd)}")
    if copies := [name for name in names if (told := _COPY.fullmatch(name)) and (told[1] or told[2]) in known]:
        findings.note(f"names of classes look like those of copies of others, and count as classes: {shown(copies)}")
    if mixed := [name for name in names if len(_alphabets(name)) > 1]:
        findings.note(f"names of classes mix letters of several alphabets, which may look alike: {shown(mixed)}")
    if nameless := [name for name in names if name.casefold() in _UNKNOWN]:
        findings.note(f"classes are called {shown(map(repr, nameless))}: images of no known class count as one class")
    if several := [
        name for name in names if "|" in name or any(part.strip() in known for part in re.split("[;,+&]", name)[1:])
    ]:
        findings.note(f"names of classes look like several labels of one image, and count as classes: {shown(several)}")


def _plain(name: str) -> str:
    """The same for names that differ in case, width, spaces or marks only, and for one number written in two ways."""
    text = unicodedata.normalize("NFKC", name).casefold()
    try:
        return f"{float(text):g}"
    except ValueError:
        return "".join(filter(str.isalnum, text)) or name


def _alphabets(name: str) -> set[str]:
    """LATIN, GREEK, CYRILLIC ... of the letters of `name`."""
    return {unicodedata.name(c, "?").split()[0] for c in name if c.isalpha()} & {"LATIN", "GREEK", "CYRILLIC"}


def is_text(name: str) -> bool:
    """Whether `name` can be written as UTF-8 and printed without steering a terminal."""
    return not any(c in _BIDI or unicodedata.category(c) in _STEERING for c in name)


def is_utf8(name: str) -> bool:
    """Whether `name` can be written as UTF-8: names of files may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def by_name(
    splits: Sequence[RawSplit], class_names: Sequence[str] | None, findings: Findings
) -> tuple[list[RawSplit], tuple[str, ...] | None]:
    """The splits with labels that count in one list of names, and that list; None where no names are known.

    A split with its own names is mapped by them. If only some splits have names, numbers cannot be compared: a problem.
    """
    own = [split for split in splits if split.class_names is not None]
    if not own:
        _check_count(splits, class_names, findings)
        return list(splits), None if class_names is None else tuple(class_names)
    for split in own:
        if twice := sorted(name for name, times in Counter(split.class_names).items() if times > 1):
            findings.problem(f"class names of {split.name}", "all different", f"{shown(twice)} twice", "Rename or merge them.")
    if len(own) < len(splits) and class_names is None:
        bare = [split.name for split in splits if split.class_names is None]
        findings.problem("class names", "given for every split or for none", f"none for {shown(bare)}", "Add them.")
        return list(splits), None
    lists = [split.class_names or tuple(class_names or ()) for split in splits]
    every = tuple(dict.fromkeys(name for names in ([class_names] if class_names else []) + lists for name in names))
    if any(names != every[: len(names)] for names in lists):
        findings.note("splits number their classes differently: labels were matched by the names of the classes")
    return [
        replace(s, labels=_renumbered(s, names, every, findings), class_names=None)
        for s, names in zip(splits, lists, strict=True)
    ], every


def _check_count(splits: Sequence[RawSplit], class_names: Sequence[str] | None, findings: Findings) -> None:
    whole = [labels for split in splits if (labels := np.asarray(split.labels)).dtype.kind in "iu" and labels.size]
    highest = max((int(labels.max()) for labels in whole), default=0)
    if class_names and highest >= len(class_names):
        got = f"{len(class_names)} for labels up to {highest}"
        findings.problem("class names", "one for each label", got, "Name every class.")


def _renumbered(split: RawSplit, names: Sequence[str], every: Sequence[str], findings: Findings) -> np.ndarray:
    labels: np.ndarray = np.asarray(split.labels)
    if not np.issubdtype(labels.dtype, np.integer):
        return labels
    outside = labels[(labels < 0) | (labels >= len(names))]
    if outside.size:
        got = f"{outside.ravel()[0]} for {len(names)} names"
        findings.problem(f"{split.name} labels", "numbers of its class names", got, "Number the classes 0, 1, 2 ...")
        return labels
    places = {name: place for place, name in enumerate(every)}
    numbers: np.ndarray = np.array([places[name] for name in names], np.int64)
    return np.asarray(numbers[labels])
