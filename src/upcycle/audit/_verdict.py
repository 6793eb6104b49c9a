"""From intervals to one of four words and a sentence that carries the power of the audit. Says what was seen, never
more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from upcycle.audit._controls import Control
from upcycle.audit._statistics import Rate, detectable_auc, records_needed

Word = Literal["LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID"]
MARGIN: Final = 0.55
SCOPE: Final = (
    "This is an average-record, population-level attack without canaries or shadow pipelines: "
    "it cannot certify the worst-case records."
)


@dataclass(frozen=True)
class Verdict:
    """The word for one target and the sentence that must stand beside it."""

    target: str
    verdict: Word
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """All that a verdict rests on. `primary` and `teacher`: AUC of the primary attack on the target and on the teacher
    (None: no teacher was given); `best_attack`, `best_auc`, `best_p`: the smallest Holm-adjusted p of the target's
    `attacks` attacks; `units`: independent records or groups among members and non-members, which set the power."""

    target: str
    primary: Rate
    teacher: Rate | None
    best_attack: str
    best_auc: float
    best_p: float
    attacks: int
    n_members: int
    n_non_members: int
    units: tuple[int, int]


def judge(evidence: Evidence, controls: Sequence[Control], confidence: float) -> Verdict:
    """The verdict on one target.

    INVALID: a negative control failed. LEAKS: a Holm-adjusted p is below 1 - confidence. NO LEAK FOUND: the upper AUC
    limit of the primary attack is below the margin of 0.55 and the teacher's lower limit is above 0.5. INCONCLUSIVE:
    everything else.
    """
    failed = [c for c in controls if not c.passed]
    if failed:
        return Verdict(evidence.target, "INVALID", f"{_failure(failed)} {SCOPE}")
    power = _power(evidence, confidence)
    if evidence.best_p < 1 - confidence:
        return Verdict(evidence.target, "LEAKS", f"{_leak(evidence)} {power} {SCOPE}")
    shown = evidence.teacher is not None and evidence.teacher.low > 0.5
    if shown and evidence.primary.high < MARGIN:
        return Verdict(evidence.target, "NO LEAK FOUND", f"{_clean(evidence, confidence)} {power} {SCOPE}")
    return Verdict(evidence.target, "INCONCLUSIVE", f"{_open(evidence, confidence, shown)} {power} {SCOPE}")


def _failure(failed: Sequence[Control]) -> str:
    named = "; ".join(
        f"{c.control} ({c.target}, {c.attack}) gave AUC {c.auc:.3f} [{c.auc_low:.3f}, {c.auc_high:.3f}]" for c in failed
    )
    return (
        f"{len(failed)} control(s) that must hold 0.5 did not: {named}. Members and non-members differ without any "
        "model, or the records are not independent: draw membership by coin flip inside one pool, per group, and "
        "audit again."
    )


def _leak(e: Evidence) -> str:
    return (
        f"Membership shows: {e.best_attack} reached AUC {e.best_auc:.3f} (Holm-adjusted {_p(e.best_p)} over "
        f"{e.attacks} attacks); the primary loss threshold gave {e.primary}."
    )


def _clean(e: Evidence, confidence: float) -> str:
    return (
        f"The primary loss threshold gave AUC {e.primary} ({confidence:.0%} interval), below the margin of {MARGIN}; "
        f"none of {e.attacks} attacks was significant (smallest Holm-adjusted {_p(e.best_p)})."
    )


def _open(e: Evidence, confidence: float, shown: bool) -> str:
    start = f"The primary loss threshold gave AUC {e.primary} ({confidence:.0%} interval)"
    reasons = []
    if e.primary.high >= MARGIN:
        reasons.append(f"the upper limit is not below the margin of {MARGIN}: {_records_for_limit(e, confidence)}")
    if not shown:
        reasons.append(_records_for_teacher(e, confidence))
    return f"{start}; smallest Holm-adjusted {_p(e.best_p)}. Open because {', and '.join(reasons)}."


def _records_for_limit(e: Evidence, confidence: float) -> str:
    ideal, n = records_needed(MARGIN - 0.5, confidence), min(e.n_members, e.n_non_members)
    if n < ideal:
        return f"about {ideal} members and {ideal} non-members are needed (now {e.n_members} and {e.n_non_members})"
    if e.primary.value < MARGIN:
        return f"about {records_needed(MARGIN - e.primary.value, confidence)} of each are needed at this AUC"
    return "no number of records brings a limit below the estimate"


def _records_for_teacher(e: Evidence, confidence: float) -> str:
    if e.teacher is None:
        return "no teacher was given as the positive control, so the audit has not shown that it sees a leak"
    start = f"the audit did not see the teacher leak (AUC {e.teacher})"
    if e.teacher.value <= 0.5:
        return f"{start}, and at that AUC no number of records would show one"
    return f"{start}: about {records_needed(e.teacher.value - 0.5, confidence)} of each are needed to show it"


def _power(e: Evidence, confidence: float) -> str:
    least = detectable_auc(*e.units, (1 - confidence) / e.attacks)
    seen = "it had no teacher to be tried on" if e.teacher is None else f"the same audit saw AUC {e.teacher} on the teacher"
    return (
        f"Power: {seen}; with {e.n_members} members and {e.n_non_members} non-members it finds an attack of AUC "
        f"{least:.3f} or more in 80 % of audits."
    )


def _p(value: float) -> str:
    return "p < 1e-12" if value < 1e-12 else f"p = {value:.2g}"
