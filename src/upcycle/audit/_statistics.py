"""Numbers with intervals from scores and membership: ROC, AUC (DeLong), TPR at low FPR, exact binomials. NumPy and
SciPy only.

Every score is oriented so that higher means "more likely a member". Rates and differences are fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from upcycle.audit._inputs import AuditInputError, check_scores

LEAST_FALSE_POSITIVES: Final = 3.0


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Step ends of the ROC, one per distinct score: `fpr`, `tpr` from (0, 0) to (1, 1), both non-decreasing;
    `thresholds` decreasing from +inf: a record is called a member where score >= threshold."""

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


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
    """A rate that so few non-members cannot show: fewer than three expected false positives."""

    fpr: float
    needs_non_members: int

    def __str__(self) -> str:
        return f"needs {self.needs_non_members} non-members"


def roc(scores: np.ndarray, members: np.ndarray) -> RocCurve:
    """The ROC with tied scores moved as one block, so that no tie is broken in the attack's favour."""
    scores, members = check_scores(scores, members)
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], members[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true, false = np.cumsum(hits)[ends], np.cumsum(~hits)[ends]
    return RocCurve(
        fpr=np.concatenate([[0.0], false / false[-1]]),
        tpr=np.concatenate([[0.0], true / true[-1]]),
        thresholds=np.concatenate([[np.inf], ranked[ends]]),
    )


def auc(scores: np.ndarray, members: np.ndarray) -> float:
    """P(score of a member > score of a non-member) + P(tie) / 2: the Mann-Whitney statistic, O(n log n)."""
    scores, members = check_scores(scores, members)
    m, n = int(members.sum()), int((~members).sum())
    return float((midranks(scores)[members].sum() - m * (m + 1) / 2) / (m * n))


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks 1..n (float64), tied values sharing the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def delong_interval(
    scores: np.ndarray, members: np.ndarray, confidence: float = 0.95, groups: np.ndarray | None = None
) -> Rate:
    """AUC with DeLong's two-sided interval on the logit scale (DeLong 1988; fast midranks: Sun & Xu 2014).

    With `groups` (n,) the variance is that of group sums (Obuchowski 1997) and Student's t replaces the normal. Where
    the variance is zero (AUC exactly 0, 1, or 0.5 with constant scores) the interval is exact and conservative:
    min(members, non-members) disjoint pairs all came out alike, so the share of pairs that do not is below 1 -
    (alpha/2)^(1/pairs).
    """
    scores, members = check_scores(scores, members, least=2)
    value = auc(scores, members)
    variance, sides = _auc_variance(scores, members, groups)
    alpha = 1 - confidence
    if variance < 1e-20:
        other = 1 - (alpha / 2) ** (1 / sides)
        half = other / 2 if 0 < value < 1 else other
        return Rate(value, max(value - half, 0.0), min(value + half, 1.0))
    z = _quantile(1 - alpha / 2, None if groups is None else sides - 1)
    centre, half = math.log(value / (1 - value)), z * math.sqrt(variance) / (value * (1 - value))
    return Rate(value, _expit(centre - half), _expit(centre + half))


def auc_p_value(scores: np.ndarray, members: np.ndarray, groups: np.ndarray | None = None) -> float:
    """One-sided p of "AUC is at most 0.5": Mann-Whitney, normal, with tie and continuity correction; 1 for constant
    scores.

    With `groups` the standard error grows by the design effect of the grouped DeLong variance and the tail is Student's
    t.
    """
    scores, members = check_scores(scores, members, least=2)
    m, n = int(members.sum()), int((~members).sum())
    total = m + n
    _, counts = np.unique(scores, return_counts=True)
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    spread = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
    if spread <= 0:
        return 1.0
    excess = (auc(scores, members) - 0.5) * m * n - 0.5
    if groups is None:
        return _probability(-excess / math.sqrt(spread))
    grouped, sides = _auc_variance(scores, members, groups)
    alone, _ = _auc_variance(scores, members, None)
    effect = max(grouped / alone, 1.0) if alone > 0 else 1.0
    return _probability(-excess / math.sqrt(spread * effect), sides - 1)


def tpr_at_fpr(scores: np.ndarray, members: np.ndarray, fpr: float, confidence: float = 0.95) -> Rate | NotResolvable:
    """Share of members found at a false positive rate of `fpr`; NotResolvable below three expected false positives.

    `value`: the largest TPR whose empirical, block-tied FPR is <= fpr. `low`, `high` hold for the TPR at the *true*
    FPR, after the choice of the threshold: `low` counts members above a non-member order statistic whose true FPR is <=
    fpr, `high` above one whose true FPR is >= fpr (each with error alpha/4, by the Beta law of order statistics, free
    of the scores' law and conservative under ties), then takes the one-sided Clopper-Pearson limit over the members
    (error alpha/4). So each limit alone errs with at most (1 - confidence) / 2, and `low` > fpr is evidence of a leak.
    Thresholds depend on non-members only, hence the binomial over the members is exact; records are taken as
    independent.
    """
    scores, members = check_scores(scores, members)
    outside, inside = np.sort(scores[~members])[::-1], scores[members]
    n, m = len(outside), len(inside)
    if n * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        return NotResolvable(fpr, math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9))
    strict, loose = _order_statistics(n, fpr, (1 - confidence) / 4)

    def found(position: int) -> int:
        """Members above the position-th largest non-member; all of them past the last."""
        return m if position > n else int((inside > outside[position - 1]).sum())

    one_sided = confidence + (1 - confidence) / 2
    low = clopper_pearson(found(strict), m, one_sided).low if strict else 0.0
    high = clopper_pearson(found(loose), m, one_sided).high
    return Rate(found(math.floor(n * fpr + 1e-9) + 1) / m, low, high)


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The exact two-sided binomial interval (Clopper & Pearson 1934): each limit errs with (1 - confidence) / 2."""
    from scipy.special import betaincinv

    if not 0 <= successes <= trials or trials < 1:
        raise AuditInputError(f"successes must be in 0..trials with trials >= 1. Got {successes} of {trials}. Count again.")
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return Interval(low, high)


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


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values, in the order given: all below alpha may be rejected with family-wise error
    alpha."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def aop(accuracy: float, auc: float) -> float:
    """Accuracy Over Privacy with lambda = 2: accuracy / (2 max(auc, 0.5))^2, in the unit of `accuracy`. For comparison,
    never a verdict."""
    return accuracy / (2 * max(auc, 0.5)) ** 2


def null_deviation(n_members: int, n_non_members: int) -> float:
    """Standard deviation of the AUC of an attack that knows nothing, without ties."""
    return math.sqrt((n_members + n_non_members + 1) / (12 * n_members * n_non_members))


def detectable_auc(n_members: int, n_non_members: int, alpha: float, power: float = 0.8) -> float:
    """The AUC that a one-sided test at level `alpha` finds with probability `power`, at most 1."""
    return min(0.5 + (_quantile(1 - alpha) + _quantile(power)) * null_deviation(n_members, n_non_members), 1.0)


def records_needed(distance: float, confidence: float = 0.95, power: float = 0.8) -> int:
    """Records on each side for a two-sided AUC interval to exclude a value at `distance` with probability `power`."""
    z = _quantile(0.5 + confidence / 2) + _quantile(power)
    return math.ceil(z**2 / (6 * distance**2))


def _auc_variance(scores: np.ndarray, members: np.ndarray, groups: np.ndarray | None) -> tuple[float, int]:
    """DeLong's variance of the AUC, and the number of independent units (records or groups) on the smaller side."""
    joint = midranks(scores)
    m, n = int(members.sum()), int((~members).sum())
    above = (joint[members] - midranks(scores[members])) / n
    below = 1 - (joint[~members] - midranks(scores[~members])) / m
    if groups is None:
        return float(above.var(ddof=1) / m + below.var(ddof=1) / n), min(m, n)
    groups = np.asarray(groups)
    inside, k = _group_variance(above, groups[members])
    outside, j = _group_variance(below, groups[~members])
    return inside + outside, min(k, j)


def _group_variance(parts: np.ndarray, groups: np.ndarray) -> tuple[float, int]:
    """Variance of the mean of `parts` when only whole groups are independent, and the number of groups."""
    _, inverse = np.unique(groups, return_inverse=True)
    sums = np.bincount(inverse, weights=parts - parts.mean())
    if len(sums) < 2:
        raise AuditInputError("groups must number at least 2 on each side. Got 1. Give more groups or none.")
    return float((sums**2).sum() / len(parts) ** 2 * len(sums) / (len(sums) - 1)), len(sums)


def _order_statistics(n: int, fpr: float, error: float) -> tuple[int, int]:
    """Positions among n descending non-members whose exceedance probability is surely <= fpr (0: none is) and surely >
    fpr."""
    from scipy.special import bdtr

    counts = np.arange(n + 1)
    at_most = bdtr(counts, n, fpr)  # P(Binomial(n, fpr) <= count)
    # The exceedance of the j-th largest is Beta(j, n-j+1), and P(Beta <= fpr) = P(Binomial >= j).
    strict = int((at_most <= error).sum())
    loose = int((at_most < 1 - error).sum()) + 1
    return strict, loose


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
    z = _quantile(0.5 + confidence / 2)
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max((centre - half) / (1 + z * z / n), 0.0), min((centre + half) / (1 + z * z / n), 1.0)


def _check_correct(correct: np.ndarray) -> np.ndarray:
    hits = np.asarray(correct)
    if hits.ndim != 1 or len(hits) == 0 or hits.dtype.kind != "b":
        raise AuditInputError(
            f"correct must be booleans of shape (n,), n >= 1. Got {hits.dtype} {hits.shape}. Compare with labels."
        )
    return hits


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _quantile(probability: float, degrees: int | None = None) -> float:
    """Quantile of the standard normal, or of Student's t."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if degrees is None else stdtrit(degrees, probability))


def _probability(z: float, degrees: int | None = None) -> float:
    from scipy.special import ndtr, stdtr

    return float(ndtr(z) if degrees is None else stdtr(degrees, z))
