"""Some of many points, spread over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Point = TypeVar("Point")


def sampled(points: Sequence[Point], most: int | None) -> list[Point]:
    """Every one of `points`, or `most` of them at equal distances."""
    if most is None or len(points) <= most:
        return list(points)
    return [points[round(k * (len(points) - 1) / max(most - 1, 1))] for k in range(most)]
