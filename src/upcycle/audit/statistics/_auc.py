"""ROC and AUC with ties moved as blocks, DeLong's interval and the Mann-Whitney p, by record or by group."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from upcycle.audit.statistics._checks import check_scores
from upcycle.audit.statistics._values import Rate, below, expit, quantile
from upcycle.errors import AuditInputError


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Step ends of the ROC, one per distinct score: `fpr`, `tpr` from (0, 0) to (1, 1), both non-decreasing;
    `thresholds` decreasing from +inf: a record is called a member where score >= threshold."""

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


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
    variance, sides = auc_variance(scores, members, groups)
    alpha = 1 - confidence
    if variance < 1e-20:
        other = 1 - (alpha / 2) ** (1 / sides)
        half = other / 2 if 0 < value < 1 else other
        return Rate(value, max(value - half, 0.0), min(value + half, 1.0))
    z = quantile(1 - alpha / 2, None if groups is None else sides - 1)
    centre, half = math.log(value / (1 - value)), z * math.sqrt(variance) / (value * (1 - value))
    return Rate(value, expit(centre - half), expit(centre + half))


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
        return below(-excess / math.sqrt(spread))
    grouped, sides = auc_variance(scores, members, groups)
    alone, _ = auc_variance(scores, members, None)
    effect = max(grouped / alone, 1.0) if alone > 0 else 1.0
    return below(-excess / math.sqrt(spread * effect), sides - 1)


def null_deviation(n_members: int, n_non_members: int) -> float:
    """Standard deviation of the AUC of an attack that knows nothing, without ties."""
    return math.sqrt((n_members + n_non_members + 1) / (12 * n_members * n_non_members))


def auc_variance(scores: np.ndarray, members: np.ndarray, groups: np.ndarray | None) -> tuple[float, int]:
    """DeLong's variance of the AUC, and the number of independent units (records or groups) on the smaller side."""
    joint = midranks(scores)
    m, n = int(members.sum()), int((~members).sum())
    above = (joint[members] - midranks(scores[members])) / n
    under = 1 - (joint[~members] - midranks(scores[~members])) / m
    if groups is None:
        return float(above.var(ddof=1) / m + under.var(ddof=1) / n), min(m, n)
    groups = np.asarray(groups)
    inside, k = _group_variance(above, groups[members])
    outside, j = _group_variance(under, groups[~members])
    return inside + outside, min(k, j)


def _group_variance(parts: np.ndarray, groups: np.ndarray) -> tuple[float, int]:
    """Variance of the mean of `parts` when only whole groups are independent, and the number of groups."""
    _, inverse = np.unique(groups, return_inverse=True)
    sums = np.bincount(inverse, weights=parts - parts.mean())
    if len(sums) < 2:
        raise AuditInputError("groups must number at least 2 on each side. Got 1. Give more groups or none.")
    return float((sums**2).sum() / len(parts) ** 2 * len(sums) / (len(sums) - 1)), len(sums)
