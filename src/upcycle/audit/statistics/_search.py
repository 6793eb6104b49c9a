"""Searches for the place at which an answer changes from no to yes."""

from __future__ import annotations

from collections.abc import Callable


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
