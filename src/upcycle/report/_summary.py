"""The first screen: three numbers with intervals, and the verdict in words for a reader with two minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upcycle.report._audit_json import AttackRow, Interval, limits

_WIDTH, _LEFT, _RIGHT = 300, 74, 292  # of a strip, in its own units


@dataclass(frozen=True)
class Mark:
    """One interval on a strip; x positions in the strip's units."""

    model: str
    x: float
    low: float
    high: float


@dataclass(frozen=True)
class Strip:
    """Intervals over a common scale with a reference line (None: there is none in sight)."""

    marks: tuple[Mark, ...]
    reference: float | None
    reference_label: str


@dataclass(frozen=True)
class Card:
    """One headline number. Without evidence `value` is a dash and the note says what is missing."""

    label: str
    value: str
    interval: str
    note: str
    strip: Strip | None = None


@dataclass(frozen=True)
class Verdict:
    """The word of the audit; `kind` is good, bad or unsure; what it says in plain words, and what to do; the audits whose word
    it is, "pipelines", "run" or both."""

    word: str
    kind: str
    plain: str
    advice: str
    sentence: str
    brought_by: tuple[str, ...] = ("run",)


_VERDICTS = {
    "LEAKS": (
        "bad",
        "Whoever has a record and the student's answers can tell, better than by chance, whether it was used for training.",
        "do not release this student as it is. Look at the attacks below; "
        "docs/howto/strong-privacy.md says what gives away less.",
    ),
    "NO LEAK FOUND": (
        "good",
        "The attacks that were run found nothing in the student, although the same attacks find a model that must leak.",
        "this is a reason to release, not a decision: read what the verdict does not mean.",
    ),
    "INCONCLUSIVE": (
        "unsure",
        "The attacks found nothing in the student, but they might have missed a leak.",
        "treat the leakage as unknown, not as absent. The audit's own words say what evidence is missing.",
    ),
    "INVALID": (
        "bad",
        "The audit failed a check of itself. Its numbers say nothing about the student.",
        "do not use or quote the leakage numbers. Find out why the control failed, and audit again.",
    ),
}
_OF = {"accuracy": " of accuracy", "balanced": " of balanced accuracy", "auroc": " of AUROC"}
_NOT_AUDITED = (
    "unsure",
    "No audit was run, so nothing is known about what the student reveals.",
    "audit the student before anything leaves.",
)


def verdict(audit: Mapping[str, Any] | None) -> Verdict:
    """The audit's word, explained. An unknown word is shown as unsure and without advice."""
    if not audit:
        return Verdict("NOT AUDITED", *_NOT_AUDITED, sentence="")
    word = str(audit.get("verdict", "INVALID"))
    kind, plain, advice = _VERDICTS.get(word, ("unsure", "", ""))
    return Verdict(word, kind, plain, advice, str(audit.get("sentence", "")), _brought_by(audit, word))


def _brought_by(audit: Mapping[str, Any], word: str) -> tuple[str, ...]:
    """Of two audits those that say the word of both; both where neither does, since then each keeps it open."""
    sides = audit.get("merged")
    if not isinstance(sides, Mapping):
        return ("run",)
    both = ("pipelines", "run")
    said = {side: found.get("at_its_share") for side in both if isinstance(found := sides.get(side), Mapping)}
    return tuple(side for side in both if said.get(side) == word) or both


def confidence(audit: Mapping[str, Any] | None) -> float:
    """Level of the intervals, 0.95 where the audit does not say."""
    plan = (audit or {}).get("plan")
    found = plan.get("confidence") if isinstance(plan, Mapping) else None
    return float(found) if isinstance(found, int | float) and 0 < found < 1 else 0.95


def cards(
    accuracies: Mapping[str, Any],
    gaps: Mapping[str, Any],
    leaks: Mapping[str, AttackRow],
    level: float,
    invalid: bool,
    by_class: Mapping[str, Any] | None = None,
) -> list[Card]:
    """Always three: accuracy, gap, leakage. `gaps`: objective -> (value, low, high), the run's own first; `leaks`: target ->
    its primary attack. Where classes are uneven, by `by_class`, the first is the balanced accuracy."""
    uneven = by_class is not None and bool(by_class["uneven"])
    return [
        _balanced(by_class, accuracies, level) if by_class is not None and uneven else _accuracy(accuracies, level, by_class),
        _gap(gaps, level),
        _leakage(leaks, level, invalid),
    ]


def _balanced(by_class: Mapping[str, Any], accuracies: Mapping[str, Any], level: float) -> Card:
    """Balanced accuracy with the worst class's recall; the plain accuracy stands in the note, next to the largest class."""
    known = _known(by_class["balanced_accuracy"])
    value, low, high = (100 * number for number in known["student"])
    name, recall = str(by_class["worst_class"]["student"][0]), 100 * float(by_class["worst_class"]["student"][1])
    plain = _known(accuracies).get("student")
    note = f"Of {name}, its worst class, the student finds {recall:.1f} %. {_largest(by_class)}"
    if plain is not None:
        note += f" The student is right for {100 * plain[0]:.1f} %."
    shown: dict[str, Interval] = {name: known[name] for name in ("student", "baseline") if name in known}
    interval = f"{percent(level)} interval {low:.1f} to {high:.1f} %; classes are uneven, so this is the mean over classes"
    return Card("Student balanced accuracy", f"{value:.1f} %", interval, f"{_never(by_class)}{note}", strip(shown))


def _largest(by_class: Mapping[str, Any]) -> str:
    return f"Always answering {by_class['largest']} would be right for {100 * float(by_class['largest_share']):.1f} %."


def _never(by_class: Mapping[str, Any]) -> str:
    never = by_class["never_answered"].get("student") or ()
    return f"The student never answers {', '.join(map(str, never))}. " if never else ""


def _accuracy(accuracies: Mapping[str, Any], level: float, by_class: Mapping[str, Any] | None = None) -> Card:
    label, known = "Student accuracy on real test images", _known(accuracies)
    student, baseline = known.get("student"), known.get("baseline")
    if student is None:
        return Card(label, "–", "not measured", "This run has no student that was tested.")
    note = "There is no baseline for comparison."
    if baseline is not None:
        value, low, high = (100 * number for number in baseline)
        note = f"The same network trained on the private images, the baseline: {value:.1f} % ({low:.1f} to {high:.1f})."
    note = note if by_class is None else f"{_never(by_class)}{note} {_largest(by_class)}"
    shown: dict[str, Interval] = {name: known[name] for name in ("student", "baseline") if name in known}
    value, low, high = (100 * number for number in student)
    return Card(label, f"{value:.1f} %", f"{percent(level)} interval {low:.1f} to {high:.1f} %", note, strip(shown))


def _gap(gaps: Mapping[str, Any], level: float) -> Card:
    (objective, shown), *others = gaps.items()
    label, gap = f"Gap to the baseline, in points{_OF[objective]}", limits(shown)
    if gap is None:
        return Card(label, "–", "not measured", "Student and baseline were not both tested.")
    value, low, high = gap
    note = "The interval contains zero: no difference was shown."
    if high < 0:
        note = "The student is below the baseline."
    if low > 0:
        note = "The student is above the baseline."
    interval = f"{percent(level)} interval {signed(low)} to {signed(high)}"
    also = [_also(name, found) for name, other in others if (found := limits(other)) is not None]
    return Card(label, signed(value), interval, " ".join([note, *also]), strip({"student": gap}, 0.0, "baseline"))


def _also(objective: str, gap: Interval) -> str:
    value, low, high = gap
    return f"Points{_OF[objective]}: {signed(value)} ({signed(low)} to {signed(high)})."


def _leakage(leaks: Mapping[str, AttackRow], level: float, invalid: bool) -> Card:
    label = "Leakage of the student, attack AUC"
    known = {name: row.auc for name, row in leaks.items() if row.auc is not None and name in ("student", "teacher")}
    if "student" not in known:
        return Card(label, "–", "not measured", "The student was not attacked.")
    value, low, high = known["student"]
    note = (
        f"Given one used and one unused record, the attack picks the used one {100 * value:.0f} times in 100; 50 is guessing."
    )
    if "teacher" in known:
        note += " The teacher, which never leaves: {:.3f} ({:.3f} to {:.3f}).".format(*known["teacher"])
    if invalid:
        note = "Not to be used: a control of the audit failed."
    shown: dict[str, Interval] = {name: known[name] for name in ("student", "teacher") if name in known}
    interval = f"{percent(level)} interval {low:.3f} to {high:.3f}"
    return Card(label, f"{value:.3f}", interval, note, strip(shown, 0.5, "guessing"))


def _known(values: Mapping[str, Any]) -> dict[str, Interval]:
    found = {name: limits(tuple(value)) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def percent(level: float) -> str:
    """A share in per cent, as in "95 %"."""
    return f"{100 * level:g} %"


def signed(value: float) -> str:
    """Two digits with a sign; a true minus."""
    return f"{value:+.2f}".replace("-", "−")


def strip(intervals: Mapping[str, Sequence[float]], reference: float | None = None, label: str = "") -> Strip:
    """The intervals over one scale that also holds the reference."""
    ends = [number for values in intervals.values() for number in values] + ([] if reference is None else [reference])
    low, high = min(ends), max(ends)
    room = 0.08 * (high - low) or 1.0

    def place(number: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (number - low + room) / (high - low + 2 * room), 2)

    marks = tuple(Mark(name, *(place(number) for number in values)) for name, values in intervals.items())
    return Strip(marks, None if reference is None else place(reference), label)
