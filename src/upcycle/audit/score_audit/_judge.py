"""From intervals to one of four words and a sentence that carries the power of the audit. Says what was seen, never
more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from upcycle.audit.statistics import (
    PRIMARY_SHARE,
    NotResolvable,
    Rate,
    detectable_auc,
    detectable_tpr,
    records_for_margin,
    records_needed,
)
from upcycle.audit.verdict import Control, Endpoint, Verdict, leak_level

MARGIN: Final = 0.55


_SCOPES: Final = {
    "clean": (
        "This is an average-record, population-level attack without canaries or shadow pipelines: "
        "it cannot certify the worst-case records."
    ),
    "": "It speaks of these records and these attacks: it cannot certify others.",
}


@dataclass(frozen=True)
class Finding:
    """The endpoint with the smallest adjusted p, its estimate, and that p."""

    endpoint: Endpoint
    value: float
    p: float


@dataclass(frozen=True)
class Evidence:
    """All that a verdict rests on. `primary` and `teacher`: the declared endpoint on the target and on the teacher
    (None: no teacher was given); `best`: the surest finding of `tests` tests that share one error; `units`: independent
    records or groups among members and non-members, which set the power; `own`: were the attacks run by this package."""

    target: str
    endpoint: Endpoint
    primary: Rate | NotResolvable
    teacher: Rate | NotResolvable | None
    best: Finding
    tests: int
    n_members: int
    n_non_members: int
    units: tuple[int, int]
    own: bool = True

    @property
    def shown(self) -> bool:
        """Was the teacher seen to leak by more than the margin?"""
        return isinstance(self.teacher, Rate) and self.teacher.low > self.endpoint.margin

    @property
    def named(self) -> str:
        """The endpoint in a sentence: which attack, which statistic."""
        return f"the primary {self.endpoint.attack} gave {self.endpoint.statistic}"


def judge(evidence: Evidence, controls: Sequence[Control], confidence: float) -> Verdict:
    """The verdict on one target.

    INVALID: a negative control failed. LEAKS: an adjusted p is below `leak_level(confidence)`, four fifths of the error
    1 - confidence. NO LEAK FOUND: the upper limit of the primary endpoint is below its margin and the teacher's
    lower limit is above it. INCONCLUSIVE: everything else.
    """
    scope = _SCOPES["clean" if evidence.own and evidence.endpoint.population == "clean" else ""]
    failed = [c for c in controls if not c.passed]
    if failed:
        line = f"INVALID: {len(failed)} control(s) failed"
        return Verdict(evidence.target, "INVALID", f"{_failure(failed)} {scope}", line)
    power = f"{_power(evidence, confidence)} {scope}"
    if evidence.best.p < leak_level(confidence):
        return Verdict(evidence.target, "LEAKS", f"{_leak(evidence)} {power}", "LEAKS")
    clean = isinstance(evidence.primary, Rate) and evidence.primary.high < evidence.endpoint.margin
    if evidence.shown and clean:
        seen = f"{evidence.endpoint.statistic} >= {_detectable(evidence, confidence):.3f}"
        line = f"NO LEAK FOUND, could have seen {seen}"
        return Verdict(evidence.target, "NO LEAK FOUND", f"{_clean(evidence, confidence)} {power}", line)
    reasons = _reasons(evidence, confidence, clean)
    line = f"INCONCLUSIVE, needs {' and '.join(need for need, _ in reasons)}"
    return Verdict(evidence.target, "INCONCLUSIVE", f"{_open(evidence, confidence, reasons)} {power}", line)


def _failure(failed: Sequence[Control]) -> str:
    named = "; ".join(
        f"{c.control} ({c.target}, {c.attack}) gave AUC {c.auc:.3f} [{c.auc_low:.3f}, {c.auc_high:.3f}]" for c in failed
    )
    return (
        f"{len(failed)} control(s) that must contain 0.5 did not: {named}. Members and non-members differ without any "
        "model, or the records are not independent: draw membership by coin flip inside one pool, per group, and "
        "audit again."
    )


def _leak(e: Evidence) -> str:
    best = e.best
    return (
        f"Membership shows: {best.endpoint.attack} reached {best.endpoint.statistic} {best.value:.3f} (Holm-adjusted "
        f"{_p(best.p)} over {e.tests} tests); {e.named} {e.primary}."
    )


def _clean(e: Evidence, confidence: float) -> str:
    return (
        f"{e.named[0].upper()}{e.named[1:]} {e.primary} ({confidence:.0%} interval), below the margin of "
        f"{e.endpoint.margin}; none of {e.tests} tests showed a leak ({_smallest(e, confidence)})."
    )


def _open(e: Evidence, confidence: float, reasons: list[tuple[str, str]]) -> str:
    start = f"{e.named[0].upper()}{e.named[1:]} {e.primary} ({confidence:.0%} interval)"
    told = ", and ".join(text for _, text in reasons)
    return f"{start}; {_smallest(e, confidence)}. Open because {told}."


def _smallest(e: Evidence, confidence: float) -> str:
    return f"smallest Holm-adjusted {_p(e.best.p)}, LEAKS needs less than {leak_level(confidence):.2g}"


def _reasons(e: Evidence, confidence: float, clean: bool) -> list[tuple[str, str]]:
    """What is missing, in few words and in more."""
    reasons = []
    if not clean:
        needs = _for_limit(e, confidence)
        reasons.append((needs, f"the upper limit is not below the margin of {e.endpoint.margin}: it needs {needs}"))
    if not e.shown:
        reasons.append(_for_teacher(e, confidence))
    return reasons


def _for_limit(e: Evidence, confidence: float) -> str:
    """What brings the upper limit below the margin."""
    if isinstance(e.primary, NotResolvable):
        return str(e.primary).removeprefix("needs ")
    tpr = e.endpoint.statistic != "AUC"
    distance = e.endpoint.margin - e.endpoint.chance
    ideal = (
        records_for_margin(e.endpoint.margin, e.endpoint.chance, confidence) if tpr else records_needed(distance, confidence)
    )
    assert ideal is not None  # the margin lies above chance
    kind = "records" if e.units == (e.n_members, e.n_non_members) else "groups"
    if min(e.units) < ideal:
        now = f"now {e.units[0]} and {e.units[1]}"
        return f"about {ideal} members and {ideal} non-members, counted in {kind} ({now})"
    if tpr or e.primary.value >= e.endpoint.margin:
        return "a model that gives less away: at this estimate no number of records brings the limit below the margin"
    return f"about {records_needed(e.endpoint.margin - e.primary.value, confidence)} {kind} on each side at this AUC"


def _for_teacher(e: Evidence, confidence: float) -> tuple[str, str]:
    """What the positive control lacks."""
    if e.teacher is None:
        return "a teacher", "no teacher was given as the positive control, so the audit has not shown that it sees a leak"
    start = f"the audit did not see the teacher leak by more than the margin ({e.endpoint.statistic} {e.teacher})"
    if isinstance(e.teacher, NotResolvable):
        return str(e.teacher).removeprefix("needs "), start
    if e.teacher.value <= e.endpoint.margin:
        needs = "a stronger attack or canaries"
        return needs, f"{start}, and at that estimate no number of records would show one: it needs {needs}"
    if e.endpoint.statistic != "AUC":
        return "more records", f"{start}: more records are needed to show it"
    more = f"about {records_needed(e.teacher.value - e.endpoint.margin, confidence)} records on each side for the teacher"
    return more, f"{start}: it needs {more}"


def _detectable(e: Evidence, confidence: float) -> float:
    alpha = leak_level(confidence) * (PRIMARY_SHARE if e.tests > 1 else 1.0)
    if e.endpoint.statistic == "AUC":
        return detectable_auc(*e.units, alpha)
    return detectable_tpr(*e.units, e.endpoint.chance, alpha)


def _power(e: Evidence, confidence: float) -> str:
    seen = (
        "it had no teacher to be tried on"
        if e.teacher is None
        else f"the same audit saw {e.endpoint.statistic} {e.teacher} on the teacher"
    )
    return (
        f"Power: {seen}; with {e.n_members} members and {e.n_non_members} non-members it finds an attack of "
        f"{e.endpoint.statistic} {_detectable(e, confidence):.3f} or more in 80 % of audits."
    )


def _p(value: float) -> str:
    return "p < 1e-12" if value < 1e-12 else f"p = {value:.2g}"
