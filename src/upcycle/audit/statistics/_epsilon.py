"""Lower bounds on epsilon that stay valid after the threshold was chosen: exact binomials with a split or a corrected
threshold (Nasr et al. 2021, arXiv:2101.04535), and Gaussian differential privacy (Dong et al. 2019, arXiv:1905.02383).

Records are taken as independent given the model; `_one_run` needs no such assumption. Where units hold several records, their
scores are averaged, and the bound speaks about removing a whole unit.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.statistics._binomial import lower_limit, upper_limit
from upcycle.audit.statistics._clusters import effective_trials
from upcycle.audit.statistics._scores import Scores
from upcycle.audit.statistics._tpr import tpr_at_fpr
from upcycle.audit.statistics._values import NotResolvable
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


def epsilon_split(s: Scores, *, seed: int, confidence: float = 0.95, delta: float = 0.0) -> EpsilonBound:
    """The bound at the threshold that is best on a random half of both sides, read off the other half.

    A threshold lies half-way between a non-member's score and the next larger one of that half, so that a gap between members
    and non-members is not given away.
    """
    inside, outside = _sides(s, 4)
    rng = np.random.default_rng([seed, *b"split"])
    inside, outside = rng.permutation(inside), rng.permutation(outside)
    m, n = len(inside) // 2, len(outside) // 2
    grid = _between(_thresholds(outside[:n]), np.concatenate([inside[:m], outside[:n]]))
    tail = (1 - confidence) / 2
    best = int(np.argmax(_bounds(_above(inside[:m], grid), m, _above(outside[:n], grid), n, tail, delta)))
    found, false = int((inside[m:] > grid[best]).sum()), int((outside[n:] > grid[best]).sum())
    sizes = len(inside) - m, len(outside) - n
    low = epsilon_from_counts(found, sizes[0], false, sizes[1], confidence=confidence, delta=delta)
    return EpsilonBound("split", low, epsilon_cap(*sizes, confidence=confidence, delta=delta), confidence, delta)


def epsilon_simultaneous(s: Scores, *, confidence: float = 0.95, delta: float = 0.0) -> EpsilonBound:
    """The best bound over at most 16 thresholds, with Bonferroni's correction for all of them.

    The thresholds are order statistics of the non-members at ranks fixed by their number alone; given those the members
    above are binomial, and the true FPR above an order statistic is Beta: both limits stay exact after the choice. A
    grid over all observed scores, or over the corners of the observed ROC, would not have that.
    """
    inside, outside = _sides(s, 2)
    m, n = len(inside), len(outside)
    grid = _thresholds(outside)
    each = 1 - (1 - confidence) / THRESHOLDS
    bounds = _bounds(_above(inside, grid), m, _ranks(n), n, (1 - each) / 2, delta)
    return EpsilonBound("simultaneous", float(bounds.max()), epsilon_cap(m, n, confidence=each, delta=delta), confidence, delta)


def gaussian_bound(s: Scores, *, confidence: float = 0.95) -> GaussianBound:
    """mu low = max over the same corrected thresholds of z(TPR low) - z(FPR high), at least 0 (Nasr et al. 2023,
    arXiv:2302.07956)."""
    from scipy.special import ndtri

    inside, outside = _sides(s, 2)
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


def pooled_epsilon(s: Scores, fpr: float, confidence: float = 0.95) -> EpsilonBound:
    """log(TPR low / fpr) at delta 0, at least 0, from several runs: the mechanism is not epsilon-DP for any epsilon below it.

    `tpr_at_fpr` counts members above a non-member order statistic whose true false positive rate is at most `fpr`, not `fpr`
    among the non-members at hand: the error of that choice and the members' binomial each take (1 - confidence) / 4, so the
    bound errs with at most (1 - confidence) / 2. `cap`: what finding every member would have given, with scores that depend on
    each other as these do; 0 where these effective non-members cannot show a rate of `fpr`.
    """
    error, nothing = (1 - confidence) / 4, EpsilonBound("pooled", 0.0, 0.0, confidence, 0.0)
    found = tpr_at_fpr(s, fpr, confidence)
    if isinstance(found, NotResolvable):
        return nothing
    members, outside = effective_trials(s, fpr)
    if (1 - fpr) ** int(outside) > error:
        return nothing
    low, cap = (math.log(max(rate, fpr) / fpr) for rate in (found.low, lower_limit(members, members, error)))
    return EpsilonBound("pooled", low, cap, confidence, 0.0)


_LEAST_TO_SPLIT: Final = 4  # units a side: two to choose the threshold, two to count


def epsilon_bound(s: Scores, fpr: float, *, seed: int, confidence: float = 0.95) -> EpsilonBound:
    """`epsilon_split` of one run; `pooled_epsilon` of several. Fewer than four units a side show none."""
    if s.single and min(s.sides) < _LEAST_TO_SPLIT:
        return EpsilonBound("split", 0.0, 0.0, confidence, 0.0)
    return epsilon_split(s, seed=seed, confidence=confidence) if s.single else pooled_epsilon(s, fpr, confidence)


def by_unit(s: Scores) -> tuple[np.ndarray, np.ndarray]:
    """One mean score float64 and one flag bool per unit of a single run."""
    if s.independent:
        return s.values, s.members
    sizes = np.bincount(s.units)
    return np.bincount(s.units, weights=s.values) / sizes, np.bincount(s.units, weights=s.members) > 0


def _sides(s: Scores, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of members and of non-members, by unit."""
    scores, members = by_unit(s)
    if min(members.sum(), (~members).sum()) < least:
        raise AuditInputError(
            f"members must hold at least {least} records or groups on each side. Got {members.sum()} members and "
            f"{(~members).sum()} non-members. Hold more records out."
        )
    return scores[members], scores[~members]


def _ranks(n: int) -> np.ndarray:
    """At most 16 false-positive counts among n non-members, evenly spread in log; 0 first."""
    return np.unique(np.round(np.geomspace(1, max(0.75 * n, 1), THRESHOLDS)).astype(np.int64)) - 1


def _thresholds(outside: np.ndarray) -> np.ndarray:
    """The non-member scores above which lie `_ranks` of the others."""
    return np.asarray(np.sort(outside)[::-1][_ranks(len(outside))])


def _between(thresholds: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Every threshold moved half-way towards the next larger of the `known` scores, where there is one."""
    known = np.unique(known)
    place = np.searchsorted(known, thresholds, side="right")
    return np.where(place < len(known), (thresholds + known[np.minimum(place, len(known) - 1)]) / 2, thresholds)


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
