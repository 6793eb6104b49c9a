"""Lower bounds on epsilon that stay valid after the threshold was chosen: exact binomials with a split or a corrected
threshold (Nasr et al. 2021, arXiv:2101.04535), and Gaussian differential privacy (Dong et al. 2019, arXiv:1905.02383).

Records are taken as independent given the model; `_one_run` needs no such assumption. With groups the unit is the group:
its records' scores are averaged, and the bound speaks about removing a whole group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.statistics._binomial import lower_limit, upper_limit
from upcycle.audit.statistics._checks import check_scores
from upcycle.errors import AuditInputError

THRESHOLDS: Final = 16


@dataclass(frozen=True)
class EpsilonBound:
    """With probability `confidence` the mechanism is not (epsilon, delta)-DP for any epsilon below `low`. `cap`: what a
    perfect attack would have given on as many records, the most this audit can say."""

    method: str
    low: float
    cap: float
    confidence: float
    delta: float


@dataclass(frozen=True)
class GaussianBound:
    """With probability `confidence` the mechanism is not mu-GDP for any mu below `mu`."""

    mu: float
    confidence: float

    def epsilon(self, delta: float) -> float:
        """The epsilon of exactly mu-GDP at `delta`: a lower bound only for a mechanism that is Gaussian."""
        return gaussian_epsilon(self.mu, delta)


def epsilon_from_counts(
    found: int, members: int, false: int, non_members: int, *, confidence: float = 0.95, delta: float = 0.0
) -> float:
    """log((TPR low - delta) / FPR high), at least 0, for a threshold fixed beforehand.

    `found` of `members` and `false` of `non_members` were called members; either limit is exact and takes half the
    error 1 - confidence.
    """
    return float(_bounds(np.array([found]), members, np.array([false]), non_members, (1 - confidence) / 2, delta)[0])


def epsilon_cap(members: int, non_members: int, *, confidence: float = 0.95, delta: float = 0.0) -> float:
    """What `epsilon_from_counts` gives a perfect attack: the largest bound so few records can carry."""
    return epsilon_from_counts(members, members, 0, non_members, confidence=confidence, delta=delta)


def epsilon_split(
    scores: np.ndarray,
    members: np.ndarray,
    *,
    seed: int,
    confidence: float = 0.95,
    delta: float = 0.0,
    groups: np.ndarray | None = None,
) -> EpsilonBound:
    """The bound at the threshold that is best on a random half of both sides, read off the other half."""
    inside, outside = _sides(scores, members, groups, 4)
    rng = np.random.default_rng([seed, *b"split"])
    inside, outside = rng.permutation(inside), rng.permutation(outside)
    m, n = len(inside) // 2, len(outside) // 2
    grid = _thresholds(outside[:n])
    tail = (1 - confidence) / 2
    best = int(np.argmax(_bounds(_above(inside[:m], grid), m, _above(outside[:n], grid), n, tail, delta)))
    found, false = int((inside[m:] > grid[best]).sum()), int((outside[n:] > grid[best]).sum())
    sizes = len(inside) - m, len(outside) - n
    low = epsilon_from_counts(found, sizes[0], false, sizes[1], confidence=confidence, delta=delta)
    return EpsilonBound("split", low, epsilon_cap(*sizes, confidence=confidence, delta=delta), confidence, delta)


def epsilon_simultaneous(
    scores: np.ndarray,
    members: np.ndarray,
    *,
    confidence: float = 0.95,
    delta: float = 0.0,
    groups: np.ndarray | None = None,
) -> EpsilonBound:
    """The best bound over at most 16 thresholds, with Bonferroni's correction for all of them.

    The thresholds are order statistics of the non-members at ranks fixed by their number alone; given those the members
    above are binomial, and the true FPR above an order statistic is Beta: both limits stay exact after the choice. A
    grid over all observed scores, or over the corners of the observed ROC, would not have that.
    """
    inside, outside = _sides(scores, members, groups, 2)
    m, n = len(inside), len(outside)
    grid = _thresholds(outside)
    each = 1 - (1 - confidence) / THRESHOLDS
    bounds = _bounds(_above(inside, grid), m, _ranks(n), n, (1 - each) / 2, delta)
    return EpsilonBound("simultaneous", float(bounds.max()), epsilon_cap(m, n, confidence=each, delta=delta), confidence, delta)


def gaussian_bound(
    scores: np.ndarray, members: np.ndarray, *, confidence: float = 0.95, groups: np.ndarray | None = None
) -> GaussianBound:
    """mu low = max over the same corrected thresholds of z(TPR low) - z(FPR high), at least 0 (Nasr et al. 2023,
    arXiv:2302.07956)."""
    from scipy.special import ndtri

    inside, outside = _sides(scores, members, groups, 2)
    m, n = len(inside), len(outside)
    tail = (1 - confidence) / (2 * THRESHOLDS)
    tpr, fpr = _limits(_above(inside, _thresholds(outside)), m, _ranks(n), n, tail)
    usable = (tpr > 0) & (fpr < 1)
    return GaussianBound(float(np.max(ndtri(tpr[usable]) - ndtri(fpr[usable]), initial=0.0)), confidence)


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon for which mu-GDP implies (epsilon, delta)-DP (Dong et al. 2019, corollary 2.13)."""
    if not 0 < delta < 1 or mu < 0:
        raise AuditInputError(f"mu must be >= 0 and delta between 0 and 1. Got {mu} and {delta}. Use delta below 1/n.")
    from scipy.optimize import brentq

    if mu == 0 or gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    high = 1.0
    while gaussian_delta(mu, high) > delta:
        high *= 2
    return float(brentq(lambda epsilon: gaussian_delta(mu, epsilon) - delta, 0.0, high, xtol=1e-10))


def gaussian_delta(mu: float, epsilon: float) -> float:
    """The delta at which mu-GDP implies (epsilon, delta)-DP (Dong et al. 2019, corollary 2.13)."""
    from scipy.special import log_ndtr

    first = float(log_ndtr(mu / 2 - epsilon / mu))
    return math.exp(first) * -math.expm1(min(epsilon + float(log_ndtr(-mu / 2 - epsilon / mu)) - first, 0.0))


def epsilon_credible(found: int, members: int, false: int, non_members: int, *, confidence: float = 0.95) -> float:
    """The lower end of the one-sided credible interval of log(TPR / FPR) under Jeffreys priors (after Zanella-Beguelin
    et al. 2022, arXiv:2206.05199). For information beside a bound, never in its place."""
    from scipy.optimize import brentq
    from scipy.special import betaincc, betaincinv

    shares = (np.arange(4000) + 0.5) / 4000
    fpr = betaincinv(false + 0.5, non_members - false + 0.5, shares)

    def surely(epsilon: float) -> float:
        tpr = np.minimum(fpr * math.exp(epsilon), 1.0)
        return float(betaincc(found + 0.5, members - found + 0.5, tpr).mean()) - confidence

    return float(brentq(surely, 0.0, 50.0)) if surely(0.0) > 0 else 0.0


def by_group(scores: np.ndarray, members: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """One mean score and one flag per group; the records themselves without groups."""
    if groups is None:
        return scores, members
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    share = np.bincount(inverse, weights=members) / sizes
    mixed = int(((share > 0) & (share < 1)).sum())
    if mixed:
        raise AuditInputError(f"groups must lie wholly on one side. Got {mixed} on both. Flip the coin per group.")
    return np.bincount(inverse, weights=scores) / sizes, share == 1


def _sides(scores: np.ndarray, members: np.ndarray, groups: np.ndarray | None, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of members and of non-members, by group where there are groups."""
    scores, members = by_group(*check_scores(scores, members, least=least), groups)
    scores, members = check_scores(scores, members, least=least)
    return scores[members], scores[~members]


def _ranks(n: int) -> np.ndarray:
    """At most 16 false-positive counts among n non-members, evenly spread in log; 0 first."""
    return np.unique(np.round(np.geomspace(1, max(0.75 * n, 1), THRESHOLDS)).astype(np.int64)) - 1


def _thresholds(outside: np.ndarray) -> np.ndarray:
    """The non-member scores above which lie `_ranks` of the others."""
    return np.asarray(np.sort(outside)[::-1][_ranks(len(outside))])


def _above(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many values exceed each threshold."""
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="right")


def _limits(found: np.ndarray, members: int, false: np.ndarray, non_members: int, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """One-sided lower limits of the TPR and upper limits of the FPR."""
    tpr = np.array([lower_limit(count, members, tail) for count in found])
    fpr = np.array([upper_limit(count, non_members, tail) for count in false])
    return tpr, fpr


def _bounds(found: np.ndarray, members: int, false: np.ndarray, non_members: int, tail: float, delta: float) -> np.ndarray:
    tpr, fpr = _limits(found, members, false, non_members, tail)
    usable = tpr > delta
    return np.where(usable, np.maximum(np.log(np.where(usable, tpr - delta, 1.0) / fpr), 0.0), 0.0)
