"""The true positive rate at a low false positive rate: resolvable or refused, exact limits, by record or by group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.statistics._binomial import lower_limit, upper_limit
from upcycle.audit.statistics._checks import check_scores
from upcycle.audit.statistics._values import NotResolvable, Rate
from upcycle.errors import AuditInputError

LEAST_FALSE_POSITIVES: Final = 3.0


@dataclass(frozen=True)
class SplitRates:
    """Both rates at a threshold that neither was used to choose: a record is called a member where score >
    `threshold`."""

    threshold: float
    tpr: Rate
    fpr: Rate


def tpr_at_fpr(
    scores: np.ndarray, members: np.ndarray, fpr: float, confidence: float = 0.95, groups: np.ndarray | None = None
) -> Rate | NotResolvable:
    """Share of members found at a false positive rate of `fpr`; NotResolvable below three expected false positives.

    `value`: the largest TPR whose empirical, block-tied FPR is <= fpr. `low`, `high` hold for the TPR at the *true*
    FPR, after the choice of the threshold: `low` counts members above a non-member order statistic whose true FPR is <=
    fpr, `high` above one whose true FPR is >= fpr (each with error alpha/4, by the Beta law of order statistics, free
    of the scores' law and conservative under ties), then takes the one-sided Clopper-Pearson limit over the members
    (error alpha/4). So each limit alone errs with at most (1 - confidence) / 2, and `low` > fpr is evidence of a leak.
    Thresholds depend on non-members only, hence the binomial over the members is exact.

    With `groups` (n,) counts shrink to Kish's effective number of groups (`effective_number`), as if the records of a
    group always fell on the same side of a threshold: safe whatever their correlation, and three false positives must
    then come from three groups.
    """
    scores, members = check_scores(scores, members)
    outside, inside = np.sort(scores[~members])[::-1], scores[members]
    n, m = len(outside), len(inside)
    n_free, m_free = _free(groups, members)
    if n_free * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        unit = "non-members" if groups is None else "independent groups of non-members"
        return NotResolvable(fpr, math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9), unit)
    tail = (1 - confidence) / 4
    strict, loose = order_statistics(n, n_free, fpr, tail)

    def found(position: int) -> int:
        """Members above the position-th largest non-member; all of them past the last."""
        return m if position > n else int((inside > outside[position - 1]).sum())

    low = lower_limit(found(strict) * m_free / m, m_free, tail) if strict else 0.0
    high = upper_limit(found(loose) * m_free / m, m_free, tail)
    return Rate(found(math.floor(n * fpr + 1e-9) + 1) / m, low, high)


def tpr_p_value(scores: np.ndarray, members: np.ndarray, fpr: float, groups: np.ndarray | None = None) -> float:
    """p of "members are found at `fpr` no more often than non-members"; 1 where `fpr` is not resolvable.

    Without groups it is exact: were membership exchangeable, the number of members ahead of a given non-member order
    statistic would be negative hypergeometric. With groups it is the smallest error at which the group-aware lower
    limit exceeds `fpr`.
    """
    scores, members = check_scores(scores, members)
    if groups is not None:
        return _p_by_limits(scores, members, fpr, groups)
    outside, m = np.sort(scores[~members])[::-1], int(members.sum())
    n = len(outside)
    if n * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        return 1.0
    position = math.floor(n * fpr + 1e-9) + 1
    ahead = int((scores[members] > outside[position - 1]).sum())
    return tail_ahead(ahead, m, position, n)


def tail_ahead(ahead: int, members: int, position: int, non_members: int) -> float:
    """P(at least `ahead` members score above the position-th largest non-member) where membership is exchangeable:
    negative hypergeometric, which is beta-binomial with the Beta law of the order statistic."""
    from scipy.special import betaln, gammaln

    if ahead <= 0:
        return 1.0
    k = np.arange(ahead, members + 1)
    choose = gammaln(members + 1) - gammaln(k + 1) - gammaln(members - k + 1)
    rest = non_members - position + 1
    law = np.exp(choose + betaln(k + position, members - k + rest) - betaln(position, rest))
    return min(float(law.sum()), 1.0)


def split_rates(scores: np.ndarray, members: np.ndarray, fpr: float, *, seed: int, confidence: float = 0.95) -> SplitRates:
    """Threshold from a random half of the non-members at `fpr`, both rates from everybody else.

    Each limit is one-sided Clopper-Pearson with error (1 - confidence) / 2. Raises AuditInputError where the
    calibration half expects fewer than three false positives.
    """
    scores, members = check_scores(scores, members)
    outside = np.random.default_rng([seed, *b"split"]).permutation(scores[~members])
    half = len(outside) // 2
    if half * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        needed = 2 * math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9)
        raise AuditInputError(
            f"non-members must number at least {needed} for a split threshold at {fpr:g}. Got {len(outside)}. "
            "Hold more records out or use a larger rate."
        )
    chosen, judged = np.sort(outside[:half])[::-1], outside[half:]
    threshold = float(chosen[math.floor(half * fpr + 1e-9)])
    tail = (1 - confidence) / 2
    return SplitRates(threshold, _rate(scores[members] > threshold, tail), _rate(judged > threshold, tail))


def effective_number(groups: np.ndarray) -> float:
    """Kish's effective number of groups n^2 / (sum of squared sizes): the number of groups where all are equally
    large."""
    _, sizes = np.unique(groups, return_counts=True)
    return float(len(groups) ** 2 / (sizes.astype(np.float64) ** 2).sum())


def _rate(hits: np.ndarray, tail: float) -> Rate:
    count, n = int(hits.sum()), len(hits)
    return Rate(count / n, lower_limit(count, n, tail), upper_limit(count, n, tail))


def _free(groups: np.ndarray | None, members: np.ndarray) -> tuple[float, float]:
    """Effective numbers of independent non-members and members."""
    if groups is None:
        return float((~members).sum()), float(members.sum())
    groups = np.asarray(groups)
    if groups.shape != members.shape:
        raise AuditInputError(f"groups must have shape {members.shape}. Got {groups.shape}. Give one group per record.")
    return effective_number(groups[~members]), effective_number(groups[members])


def order_statistics(n: int, free: float, fpr: float, error: float) -> tuple[int, int]:
    """Positions among n descending non-members whose exceedance probability is surely <= fpr (0: none is) and surely >
    fpr.

    The exceedance of the j-th largest of n independent ones is Beta(j, n - j + 1); with `free` < n of them the counts
    scale by free / n.
    """
    from scipy.special import betainc

    position = np.arange(1, n + 1)
    above = (position - 1) * free / n
    strict = int((betainc(above + 1, free - above, fpr) >= 1 - error).sum())
    reached = position * free / n
    loose = int((betainc(reached, free - reached + 1, fpr) > error).sum()) + 1
    return strict, loose


def _p_by_limits(scores: np.ndarray, members: np.ndarray, fpr: float, groups: np.ndarray) -> float:
    """The smallest one-sided error whose lower limit exceeds `fpr`, by bisection on its logarithm; 1 where none does."""

    def shows(error: float) -> bool:
        rate = tpr_at_fpr(scores, members, fpr, 1 - 2 * error, groups)
        return isinstance(rate, Rate) and rate.low > fpr

    low, high = math.log(1e-12), math.log(0.5)
    if not shows(math.exp(high)):
        return 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if shows(math.exp(middle)) else (middle, high)
    return math.exp(high)
