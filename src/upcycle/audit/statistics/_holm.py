"""Many tests, one error: Holm's step-down method, plain and with weights."""

from __future__ import annotations

import numpy as np


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
