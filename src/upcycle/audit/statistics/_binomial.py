"""Exact binomial limits (Clopper & Pearson 1934) and intervals of accuracies."""

import math

import numpy as np

from upcycle.audit.statistics._values import Interval, normal_or_t_quantile
from upcycle.errors import AuditInputError


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The exact two-sided binomial interval: each limit errs with (1 - confidence) / 2."""
    if not 0 <= successes <= trials or trials < 1:
        raise AuditInputError(f"successes must be in 0..trials with trials >= 1. Got {successes} of {trials}. Count again.")
    tail = (1 - confidence) / 2
    return Interval(lower_limit(successes, trials, tail), upper_limit(successes, trials, tail))


def lower_limit(successes: float, trials: float, error: float) -> float:
    """One-sided exact lower limit of a probability; wrong with probability `error`. Effective counts may be
    fractions."""
    from scipy.special import betaincinv

    return float(betaincinv(successes, trials - successes + 1, error)) if successes > 0 else 0.0


def upper_limit(successes: float, trials: float, error: float) -> float:
    """One-sided exact upper limit of a probability; wrong with probability `error`. Effective counts may be
    fractions."""
    from scipy.special import betaincinv

    return float(betaincinv(successes + 1, trials - successes, 1 - error)) if successes < trials else 1.0


def accuracy_interval(correct: np.ndarray, confidence: float = 0.95) -> Interval:
    """Clopper-Pearson limits of the accuracy, fractions. `correct` bool (n,): was the test image classified rightly."""
    hits = _check_correct(correct)
    return clopper_pearson(int(hits.sum()), len(hits), confidence)


def paired_difference_interval(correct_a: np.ndarray, correct_b: np.ndarray, confidence: float = 0.95) -> Interval:
    """Limits of accuracy of a minus accuracy of b on the same images, fractions (Newcombe 1998, paired, method 10).

    Wilson limits of both accuracies, joined by square-and-add with their continuity-corrected correlation.
    """
    a, b = _check_correct(correct_a), _check_correct(correct_b)
    if len(a) != len(b):
        raise AuditInputError(f"both classifiers must be scored on the same images. Got {len(a)} and {len(b)}. Pair them.")
    n = len(a)
    both, only_a, only_b, none = (int(x.sum()) for x in (a & b, a & ~b, ~a & b, ~a & ~b))
    p, q = (both + only_a) / n, (both + only_b) / n
    (p_low, p_high), (q_low, q_high) = _wilson(p, n, confidence), _wilson(q, n, confidence)
    phi = _correlation(both, only_a, only_b, none)
    down = _square_and_add(p - p_low, q_high - q, phi)
    up = _square_and_add(p_high - p, q - q_low, phi)
    return Interval(p - q - down, p - q + up)


def _square_and_add(a: float, b: float, phi: float) -> float:
    return math.sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))


def _correlation(both: int, only_a: int, only_b: int, none: int) -> float:
    margins = (both + only_a) * (only_b + none) * (both + only_b) * (only_a + none)
    if margins == 0:
        return 0.0
    product = float(both * none - only_a * only_b)
    if product > 0:
        product = max(product - (both + only_a + only_b + none) / 2, 0.0)
    return product / math.sqrt(margins)


def _wilson(p: float, n: int, confidence: float) -> tuple[float, float]:
    z = normal_or_t_quantile(0.5 + confidence / 2, None)
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max((centre - half) / (1 + z * z / n), 0.0), min((centre + half) / (1 + z * z / n), 1.0)


def _check_correct(correct: np.ndarray) -> np.ndarray:
    hits = np.asarray(correct)
    if hits.ndim != 1 or len(hits) == 0 or hits.dtype.kind != "b":
        raise AuditInputError(
            f"correct must be booleans of shape (n,), n >= 1. Got {hits.dtype} {hits.shape}. Compare with labels."
        )
    return hits
