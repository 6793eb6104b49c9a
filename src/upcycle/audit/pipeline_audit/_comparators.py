"""The student next to DP-SGD of equal accuracy (Aerni et al. 2024): what one audit finds of both, and what is proven of one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from upcycle.audit.pipeline_audit._facts import AuditFacts
from upcycle.audit.pipelines import Shadows
from upcycle.audit.statistics import Rate, clopper_pearson
from upcycle.audit.verdict import Row


@dataclass(frozen=True)
class DpComparator:
    """The DP-SGD model whose accuracy is nearest to the student's. Accuracies are fractions of real records left out.

    Attributes:
        model: its name.
        noise: multiplier of the clip norm.
        epsilon: at delta = 1 / members, per record, mean of the pipelines.
        accuracy: of the DP-SGD model.
        student_accuracy: of the student.
        student_accuracy_low: lower limit.
        student_accuracy_high: upper limit.
        comparable: whether `accuracy` is within the limits of the student's.
        canary_tpr_at_1pct: share of canaries found at 1 % false positives, [rate, low, high]; None where not resolvable.
        student_canary_tpr_at_1pct: the same of the student.
        sentence: the comparison in words.
    """

    model: str
    noise: float
    epsilon: float
    accuracy: float
    student_accuracy: float
    student_accuracy_low: float
    student_accuracy_high: float
    comparable: bool
    canary_tpr_at_1pct: tuple[float, float, float] | None
    student_canary_tpr_at_1pct: tuple[float, float, float] | None

    sentence: str


def dp_comparator(rows: Sequence[Row], facts: AuditFacts, pipelines: int) -> DpComparator | None:
    """The comparison in an audit's rows and facts; None where there is no student or no DP-SGD model.

    The accuracy interval is Clopper-Pearson's over the real records that some pipeline left out, each counted once.
    """
    known = {name: facts.accuracy[name] for name in facts.by_dp_sgd if name in facts.accuracy}
    if not known or "student" not in facts.accuracy:
        return None
    student = facts.accuracy["student"]
    nearest = min(known, key=lambda name: abs(known[name] - student))
    judged = round(facts.real * (1.0 if pipelines > 1 else 0.5))
    limits, private = clopper_pearson(round(student * judged), judged), facts.by_dp_sgd[nearest]
    comparable = limits.low <= known[nearest] <= limits.high
    theirs, ours = _canaries(rows, nearest), _canaries(rows, "student")
    near = "Within" if comparable else "No DP-SGD model came within"
    return DpComparator(
        nearest,
        private.noise,
        private.epsilon,
        known[nearest],
        student,
        limits.low,
        limits.high,
        comparable,
        _triple(theirs),
        _triple(ours),
        f"{near} the student's accuracy {Rate(student, *limits)}{', ' if comparable else '; the nearest, '}{nearest} (epsilon "
        f"{private.epsilon:.3g} at delta 1/members) reached {known[nearest]:.3f}. Canaries found at 1 % false positives: "
        f"{theirs or 'not resolvable'} by DP-SGD, {ours or 'not resolvable'} by the student.",
    )


def _canaries(rows: Sequence[Row], target: str) -> Rate | None:
    """The primary attack on the target's canaries."""
    row = next((r for r in rows if r.part.name == target and r.primary and r.population == "canary"), None)
    return row.tpr_at_1pct if row is not None and isinstance(row.tpr_at_1pct, Rate) else None


def _triple(rate: Rate | None) -> tuple[float, float, float] | None:
    return None if rate is None else (rate.value, rate.low, rate.high)


@dataclass(frozen=True)
class CanaryCost:
    """Mean accuracies of a classifier, fractions of the real records that its pipeline was not given, in `pipelines` that ran
    twice with the same members and seed; `spread`: the standard deviation of `with_canaries` over all pipelines of the audit,
    which have other members and seeds, None of a single one: differences below it say nothing."""

    classifier: str
    pipelines: int
    with_canaries: float
    without_canaries: float
    spread: float | None


def canary_costs(shadows: Shadows) -> tuple[CanaryCost, ...]:
    """One for every classifier; none where no pipeline ran without canaries."""
    plain, found = shadows.without_canaries, []
    for name in plain[0] if plain else ():
        whole = np.array([facts.accuracy[name] for facts in shadows.facts])
        both = float(whole[: len(plain)].mean()), float(np.mean([accuracies[name] for accuracies in plain]))
        found.append(CanaryCost(name, len(plain), *both, float(np.std(whole, ddof=1)) if len(whole) > 1 else None))
    return tuple(found)
