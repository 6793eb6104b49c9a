"""Every margin, level and share of the error by which audits are judged, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from upcycle.errors import AuditInputError

Statistic = Literal["AUC", "TPR@1%FPR"]
FPR: Final = 0.01  # at which true positive rates are judged
LOW_FPR: Final = 0.001  # at which they are shown too
CHANCE: Final[Mapping[str, float]] = MappingProxyType({"AUC": 0.5, "TPR@1%FPR": FPR})
MARGINS: Final[Mapping[str, float]] = MappingProxyType({"AUC": 0.55, "TPR@1%FPR": 0.03})


@dataclass(frozen=True)
class Rule:
    """By what an audit is judged. Shares of the error add up to 1.

    Attributes:
        confidence: level of every interval; the error of a verdict LEAKS is 1 - confidence.
        spent: part of the error below which an adjusted p says LEAKS; the rest is room for approximations.
        primary: share of the error of the primary endpoint.
        kin: share of the primary attack's other statistics and populations, together.
        others: share of all other tests of the target, together.
        control_error: how often a kind of negative control fails by chance.
        run: share of the run's own audit where it is judged together with shadow pipelines of its recipe.
        power: probability with which "could have seen" is said.
    """

    confidence: float = 0.95
    spent: float = 0.8
    primary: float = 0.5
    kin: float = 0.25
    others: float = 0.25
    control_error: float = 0.001
    run: float = 0.25
    power: float = 0.8

    @property
    def error(self) -> float:
        """How often LEAKS is said at most where nothing leaks."""
        return 1 - self.confidence

    @property
    def level(self) -> float:
        """Below which adjusted p LEAKS is said."""
        return self.spent * self.error


@dataclass(frozen=True)
class Endpoint:
    """The one figure a verdict is read from, declared before any score is seen: which statistic of which attack on
    which records. NO LEAK FOUND needs its upper limit below `margin`."""

    statistic: Statistic
    attack: str
    population: str = "clean"

    def __post_init__(self) -> None:
        if self.statistic not in CHANCE:
            raise AuditInputError(f"statistic must be one of {', '.join(CHANCE)}. Got {self.statistic!r}. Declare one.")

    @property
    def chance(self) -> float:
        """The value of an attack that knows nothing."""
        return CHANCE[self.statistic]

    @property
    def margin(self) -> float:
        """0.55 for the AUC, 3 % for the TPR at 1 % FPR."""
        return MARGINS[self.statistic]

    def __str__(self) -> str:
        return f"{self.statistic} of the {self.attack} attack on {self.population} records"
