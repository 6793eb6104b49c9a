"""One line of an audit: an attack on a target with its statistics, and one control with what it must show."""

from __future__ import annotations

from dataclasses import dataclass

from upcycle.audit.statistics import NotResolvable, Rate


@dataclass(frozen=True)
class Control:
    """One control attack. A negative control passes where its AUC interval holds 0.5, the positive one where it lies
    above 0.5."""

    control: str
    target: str
    attack: str
    auc: float
    auc_low: float
    auc_high: float
    passed: bool


@dataclass(frozen=True)
class AuditRow:
    """One attack on one target. Rates are fractions with two-sided limits; a TPR that cannot be resolved is None and
    its note says how many non-members it needs. `p_value` is that of "AUC at most 0.5", `tpr_p_value` that of "TPR at
    most 1 % at 1 % FPR"; the `_holm` ones are adjusted over all tests on this target, the primary endpoint having half
    of the error. `epsilon_low`: lower bound by a split threshold, 95 % of its own; `epsilon_cap`: the most that so few
    records could have shown."""

    target: str
    threat_model: str
    population: str
    attack: str
    primary: bool
    n_members: int
    n_non_members: int
    auc: float
    auc_low: float
    auc_high: float
    tpr_at_1pct: float | None
    tpr_at_1pct_low: float | None
    tpr_at_1pct_high: float | None
    tpr_at_1pct_note: str | None
    tpr_at_01pct: float | None
    tpr_at_01pct_low: float | None
    tpr_at_01pct_high: float | None
    tpr_at_01pct_note: str | None
    p_value: float
    p_holm: float
    tpr_p_value: float | None
    tpr_p_holm: float | None
    epsilon_low: float
    epsilon_cap: float

    def statistic(self, name: str) -> Rate | NotResolvable:
        """The endpoint statistic "AUC" or "TPR@1%FPR" with its limits."""
        if name == "AUC":
            return Rate(self.auc, self.auc_low, self.auc_high)
        if self.tpr_at_1pct is None or self.tpr_at_1pct_low is None or self.tpr_at_1pct_high is None:
            _, number, unit = str(self.tpr_at_1pct_note).split(" ", 2)
            return NotResolvable(0.01, int(number), unit)
        return Rate(self.tpr_at_1pct, self.tpr_at_1pct_low, self.tpr_at_1pct_high)
