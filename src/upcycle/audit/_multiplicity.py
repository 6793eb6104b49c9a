"""Many endpoints, one error: the primary endpoint declared beforehand, and Holm's step-down method for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from upcycle.audit._inputs import AuditInputError

Statistic = Literal["AUC", "TPR@1%FPR"]
_CHANCE: Final[dict[str, float]] = {"AUC": 0.5, "TPR@1%FPR": 0.01}
_MARGINS: Final[dict[str, float]] = {"AUC": 0.55, "TPR@1%FPR": 0.03}
PRIMARY_SHARE: Final = 0.5
_SPENT: Final = 0.8  # of the error; the rest is room for approximations: p-values of the AUC are normal, not exact


@dataclass(frozen=True)
class Endpoint:
    """The one figure a verdict is read from, declared before any score is seen: which statistic of which attack on
    which records. NO LEAK FOUND needs its upper limit below `margin`."""

    statistic: Statistic
    attack: str
    population: str = "clean"

    def __post_init__(self) -> None:
        if self.statistic not in _CHANCE:
            raise AuditInputError(f"statistic must be one of {', '.join(_CHANCE)}. Got {self.statistic!r}. Declare one.")

    @property
    def chance(self) -> float:
        """The value of an attack that knows nothing."""
        return _CHANCE[self.statistic]

    @property
    def margin(self) -> float:
        """0.55 for the AUC, 3 % for the TPR at 1 % FPR."""
        return _MARGINS[self.statistic]

    def __str__(self) -> str:
        return f"{self.statistic} of the {self.attack} attack on {self.population} records"


def leak_level(confidence: float) -> float:
    """Below which adjusted p an audit of scores says LEAKS: four fifths of the error 1 - confidence, so that false alarms stay
    within it although the p-values of the AUC are approximations (0.04 for 0.95)."""
    return _SPENT * (1 - confidence)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values, in the order given: all below alpha may be rejected with family-wise error
    alpha."""
    p = np.asarray(p_values, dtype=np.float64)
    return weighted_holm(p, np.ones(len(p)))


def weighted_holm(p_values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Holm's method with weights (Holm 1979, section 4): a larger weight buys a larger share of the error."""
    p, weights = np.asarray(p_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    ratio = p / weights
    order = np.argsort(ratio, kind="stable")
    left = np.cumsum(weights[order][::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(ratio[order] * left), 1.0)
    return adjusted


def adjust(primary: float, others: Sequence[float]) -> tuple[float, np.ndarray]:
    """Adjusted p of the primary endpoint and of the others: half the error is the primary's, the rest shares the other
    half, and what is not needed is passed on (weighted Holm), so that any of them below alpha is an error once in 1 /
    alpha audits."""
    if not others:
        return primary, np.empty(0)
    weights = np.full(len(others) + 1, (1 - PRIMARY_SHARE) / len(others))
    weights[0] = PRIMARY_SHARE
    adjusted = weighted_holm(np.array([primary, *others]), weights)
    return float(adjusted[0]), adjusted[1:]
