"""p-values of several attacks, adjusted so that the chance of any false alarm stays at its declared rate (Holm 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

PRIMARY_SHARE: Final = 0.5


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
