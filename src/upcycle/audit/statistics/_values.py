"""The value types that carry limits."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


def least_count(enough: Callable[[int], bool], most: int) -> int | None:
    """The least n in 1..`most` with enough(n), which must be about monotone; None where there is none."""
    low, high = 0, 1
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def last_true(holds: Callable[[float], bool], low: float, high: float, tolerance: float) -> float:
    """The largest value in low..high at which `holds`, which must change once from true to false and be true at `low`."""
    if holds(high):
        return high
    while high - low > tolerance:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class Rate:
    """An estimate and the limits of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Interval(NamedTuple):
    """Limits of an interval, fractions."""

    low: float
    high: float


@dataclass(frozen=True)
class NotResolvable:
    """A rate that these non-members cannot show: fewer than three expected false positives."""

    fpr: float
    needs_non_members: int
    unit: str = "non-members"

    def __str__(self) -> str:
        return f"needs {self.needs_non_members} {self.unit}"


def expit(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def normal_or_t_quantile(probability: float, freedom: float | None) -> float:
    """Quantile of Student's t with `freedom` degrees, or of the standard normal for None."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if freedom is None else stdtrit(freedom, probability))


def normal_or_t_below(value: float, freedom: float | None) -> float:
    """P(X <= value) of Student's t with `freedom` degrees, or of the standard normal for None."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(value) if freedom is None else stdtr(freedom, value))
