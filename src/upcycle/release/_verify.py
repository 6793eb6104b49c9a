"""What whoever receives a release can find out about it by themselves: no private file is needed, and nothing in it is run."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from upcycle._bounded import OWN, one_line, read_json
from upcycle._checksums import check_sums, files
from upcycle._files import sha256
from upcycle.audit import check_released_audit
from upcycle.audit.copies import COMPARED, DistanceHistogram
from upcycle.errors import ReleaseError, UpcycleError, printable
from upcycle.release._exports import ONNX, PROGRAM, Comparer, program_answers
from upcycle.release._gate import MISSING, meaning_of
from upcycle.release._sources import formats_in, read_images
from upcycle.release._student import FACTS, RESIDUAL, WEIGHTS, Student, load_student
from upcycle.release._synthetic import DISTANCES

Word = Literal["fine", "look", "wrong", "not checked"]
WRONG_EXIT: Final = 3
_LOOK, _COPIES = 0.05, 0.001  # p-values of "members are no nearer to the set than held-out records"


@dataclass(frozen=True)
class Finding:
    """One check: its name, one word, and what was found."""

    check: str
    word: Word
    text: str


@dataclass(frozen=True)
class Verification:
    """All checks of a release."""

    folder: Path
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> bool:
        """Is anything not as it left?"""
        return any(found.word == "wrong" for found in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        found = [asdict(finding) for finding in self.findings]
        return {"schema_version": 1, "kind": "verification", "folder": str(self.folder), "wrong": self.wrong, "findings": found}

    def lines(self) -> list[str]:
        """What to print."""
        return [printable(f"{found.word:11} {found.check:10} {found.text}") for found in self.findings]


def verify_release(folder: str | Path) -> Verification:
    """Check a release folder: checksums, formats, evidence, and the set against its published distances. Raises ReleaseError
    for a folder that is no release."""
    root = Path(folder)
    if not (root / "audit.json").is_file():
        raise ReleaseError(f"release must be a folder with an audit.json. Got {root}. Give the folder that you received.")
    checks: tuple[tuple[str, Callable[[Path], Iterator[Finding]]], ...] = (
        ("checksums", _checksums),
        ("evidence", _evidence),
        ("student", _student),
        ("synthetic", _synthetic),
    )
    return Verification(root, tuple(found for name, check in checks for found in _told(name, check, root)))


def _told(name: str, check: Callable[[Path], Iterator[Finding]], root: Path) -> Iterator[Finding]:
    """What the check finds; whatever is not as upcycle writes it is wrong, in its own words."""
    try:
        yield from check(root)
    except UpcycleError as error:
        yield from (Finding(name, "wrong", problem) for problem in error.problems)


def _checksums(root: Path) -> Iterator[Finding]:
    check_sums(root)
    yield Finding("checksums", "fine", f"{len(files(root))} files are as they left, and no other is there")


def _evidence(root: Path) -> Iterator[Finding]:
    audit = _read(root / "audit.json")
    verdict = str(audit.get("verdict", MISSING))
    try:
        if verdict != MISSING:
            check_released_audit(audit)
    except ValueError as error:
        text = f"audit.json is not one that this version writes: {one_line(error, 160)}"
        yield Finding("evidence", "wrong", text)
    risk = f" Risk accepted: {audit['accepted_risk']}" if "accepted_risk" in audit else ""
    word: Word = "fine" if verdict == "NO LEAK FOUND" else "look"
    yield Finding("evidence", word, f"{verdict}. {meaning_of(verdict)}{risk}")
    judged, weights = (audit.get("judged") or {}).get("student"), root / "student" / WEIGHTS
    if judged is not None and weights.is_file():
        same = judged == sha256(weights)
        yield Finding("judged", "fine" if same else "wrong", f"the audit judged {'this' if same else 'another'} student")


def _student(root: Path) -> Iterator[Finding]:
    facts = root / "student" / FACTS
    if not facts.is_file():
        yield Finding("student", "look", "there is none: nothing was released")
        return
    if _read(facts).get("network") != RESIDUAL:
        yield Finding("student", "not checked", "a network of the sender's own: load_student needs its factory")
        return
    student = load_student(root)
    yield Finding("student", "fine", f"{WEIGHTS} loads; {len(student.class_names)} classes")
    yield from _programs(student, root / "student")


def _programs(student: Student, folder: Path) -> Iterator[Finding]:
    size = _read(folder / FACTS)
    compare = Comparer(student, (size["channels"], size["size"], size["size"]))
    for name in (PROGRAM, ONNX):
        if not (folder / name).is_file():
            continue
        if name == ONNX and find_spec("onnxruntime") is None:
            yield Finding("student", "not checked", f"{name}: onnxruntime is not installed")
            continue
        found = compare(name, program_answers(folder / name))
        yield Finding("student", "fine", f"{name} answers as the student does, to {found.max_abs_difference:.1g}")


def _synthetic(root: Path) -> Iterator[Finding]:
    folder = root / "synthetic"
    facts = _read(root / "student" / FACTS) if (root / "student" / FACTS).is_file() else {}
    found = formats_in(folder) if facts else []
    if not found:
        yield Finding("synthetic", "not checked", "there is no synthetic set")
        return
    shape = (int(facts["size"]), int(facts["size"]), int(facts["channels"]))
    counts, first = set[int](), np.empty((0, *shape), np.uint8)
    for form in found:
        if form == "parquet" and find_spec("pyarrow") is None:
            yield Finding("synthetic", "not checked", "parquet: pyarrow is not installed")
            continue
        images = read_images(form, folder, shape)
        first = np.stack([*islice(images, COMPARED)] or [np.zeros(shape, np.uint8)])
        counts.add(len(first) + sum(1 for _ in images))
        yield Finding("synthetic", "fine", f"{form}: {max(counts):,} images load")
    if len(counts) > 1:
        yield Finding("synthetic", "wrong", f"formats hold different numbers of images: {sorted(counts)}")
    yield from _told("distances", lambda path: _distances(path, first), folder)


def _distances(folder: Path, first: np.ndarray) -> Iterator[Finding]:
    """Are members nearer to the set than records that no model saw, by the histogram that left with it?"""
    if not (folder / DISTANCES).is_file():
        yield Finding("distances", "not checked", "none were published: few private records, or an older release")
        return
    found = DistanceHistogram.from_json(_read(folder / DISTANCES))
    if not found.belongs_to(first):
        yield Finding("distances", "wrong", "the published distances were not measured against this set")
        return
    p = found.p_value
    word: Word = "wrong" if p < _COPIES else "look" if p < _LOOK else "fine"
    nearer = "no nearer to the set than" if word == "fine" else "nearer to the set than"
    counted = found.least(found.members), found.least(found.held_out)
    text = f"{counted[0]} {found.counted_in} the generator learned from lie {nearer} {counted[1]} unseen ones"
    limits = f"(p = {p:.2g}, {len(found.edges) + 1} bins); this can show copies, not rule them out"
    yield Finding("distances", word, f"{text} {limits}")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path, OWN)
    except (ValueError, OSError) as error:
        reason = one_line(error, 120)
        raise ReleaseError(f"{path.name} must be JSON. Got {reason}. Get the release again.") from error
    if not isinstance(found, dict):
        raise ReleaseError(f"{path.name} must be a JSON object. Got {type(found).__name__}. Get the release again.")
    return found
