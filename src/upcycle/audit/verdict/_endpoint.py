"""Many endpoints, one error: the primary endpoint declared beforehand, and Holm's step-down method for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from upcycle.errors import AuditInputError

Statistic = Literal["AUC", "TPR@1%FPR"]


_CHANCE: Final[dict[str, float]] = {"AUC": 0.5, "TPR@1%FPR": 0.01}


_MARGINS: Final[dict[str, float]] = {"AUC": 0.55, "TPR@1%FPR": 0.03}


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
