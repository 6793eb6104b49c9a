"""The student beside DP-SGD of equal accuracy (Aerni et al. 2024): what one audit finds of both, and what is proven of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from upcycle.audit.pipelines import ACCURACY, Shadows
from upcycle.audit.statistics import clopper_pearson
from upcycle.audit.verdict import AuditRow

DP_MODEL: Final = "DP-SGD, noise "
"""How a pipeline names such a model among its variants; the noise multiplier follows. The fact "epsilon of ..." is its own."""


@dataclass(frozen=True)
class DpComparator:
    """The DP-SGD model whose accuracy is nearest to the student's. `epsilon` at delta = 1 / members, per record, mean of the
    pipelines; accuracies are fractions of real records left out; `comparable`: within the student's accuracy interval. The
    canaries' true-positive rates at 1 % false positives are [rate, low, high], None where not resolvable."""

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

    @property
    def sentence(self) -> str:
        """Both models in words, with what limits the comparison."""
        limits = f"[{self.student_accuracy_low:.3f}, {self.student_accuracy_high:.3f}]"
        near = "Within" if self.comparable else "No DP-SGD model came within"
        reached = f"{self.model} (epsilon {self.epsilon:.3g} at delta 1/members) reached {self.accuracy:.3f}"
        return (
            f"{near} the student's accuracy {self.student_accuracy:.3f} {limits}"
            f"{', ' if self.comparable else '; the nearest, '}{reached}. Canaries found at 1 % false positives: "
            f"{_told(self.canary_tpr_at_1pct)} by DP-SGD, {_told(self.student_canary_tpr_at_1pct)} by the student."
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "sentence": self.sentence}


def dp_comparator(rows: Sequence[AuditRow], facts: Mapping[str, float], pipelines: int) -> DpComparator | None:
    """The comparison in an audit's rows and facts; None where there is no student or no DP-SGD model.

    The accuracy interval is Clopper-Pearson's over the real records that some pipeline left out, each counted once.
    """
    names = [row.target for row in rows if row.target.startswith(DP_MODEL)]
    accuracy = {name: facts[f"{ACCURACY}{name}"] for name in dict.fromkeys([*names, "student"]) if _known(name, facts)}
    if not names or "student" not in accuracy:
        return None
    student = accuracy.pop("student")
    nearest = min(accuracy, key=lambda name: abs(accuracy[name] - student))
    planted = sum(value for name, value in facts.items() if name.startswith("canaries, "))
    judged = round((facts["records"] - planted) * (1.0 if pipelines > 1 else 0.5))
    limits = clopper_pearson(round(student * judged), judged)
    return DpComparator(
        nearest,
        float(nearest.removeprefix(DP_MODEL)),
        facts[f"epsilon of {nearest}"],
        accuracy[nearest],
        student,
        limits.low,
        limits.high,
        limits.low <= accuracy[nearest] <= limits.high,
        _canaries(rows, nearest),
        _canaries(rows, "student"),
    )


def _known(name: str, facts: Mapping[str, float]) -> bool:
    return f"{ACCURACY}{name}" in facts


def _canaries(rows: Sequence[AuditRow], target: str) -> tuple[float, float, float] | None:
    """The primary attack on the target's canaries."""
    row = next((r for r in rows if r.target == target and r.primary and r.population == "canary"), None)
    if row is None or row.tpr_at_1pct is None or row.tpr_at_1pct_low is None or row.tpr_at_1pct_high is None:
        return None
    return row.tpr_at_1pct, row.tpr_at_1pct_low, row.tpr_at_1pct_high


def _told(rate: tuple[float, float, float] | None) -> str:
    return "not resolvable" if rate is None else f"{rate[0]:.3f} [{rate[1]:.3f}, {rate[2]:.3f}]"


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
    found = []
    for name, without in shadows.without_canaries.items():
        whole = shadows.facts[name]
        both = float(whole[: len(without)].mean()), float(without.mean())
        spread = float(np.std(whole, ddof=1)) if len(whole) > 1 else None
        found.append(CanaryCost(name.removeprefix(ACCURACY), len(without), *both, spread))
    return tuple(found)
