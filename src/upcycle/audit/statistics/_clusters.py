"""Variances of sums whose parts depend on each other: within units, within pairs of pipelines, or both.

A record is scored once per pipeline, and complementary pipelines share their coins, so pooled scores are dependent in two ways
(two-way clustering: Cameron, Gelbach & Miller 2011). Binomial limits use the effective number of trials that such a variance
leaves (Korn & Graubard 1998).
"""

import math

import numpy as np

from upcycle._distinct import distinct
from upcycle.audit.statistics._scores import Scores


def effective_number(units: np.ndarray) -> float:
    """Kish's effective number of units, n^2 / (sum of squared sizes): their number where all are equally large."""
    sizes = np.bincount(np.unique(units, return_inverse=True)[1]).astype(np.float64)
    return float(len(units) ** 2 / (sizes**2).sum())


def clustered(parts: np.ndarray, clusters: np.ndarray) -> float:
    """Variance of the sum of centred `parts` (n,) when only whole `clusters` int (n,) are independent."""
    sums = np.bincount(clusters, weights=parts)[np.bincount(clusters) > 0]
    return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1))


def two_way_error(s: Scores, parts: np.ndarray) -> float:
    """Standard error of the sum of `parts`, dependent within units and within pairs of pipelines."""
    by_unit, by_pair = clustered(parts, s.units), clustered(parts, s.pairs)
    both = clustered(parts, s.units * (int(s.pairs.max()) + 1) + s.pairs)
    return math.sqrt(max(by_unit, by_pair, by_unit + by_pair - both, 0.0))


def effective_trials(s: Scores, fpr: float) -> tuple[float, float]:
    """How many independent members and non-members would scatter as these do around the threshold that a share `fpr` of the
    non-members exceeds.

    Independent entries count in full. Units of one run count by Kish's number, as if all of a unit always fell on one side of
    the threshold: safe whatever their correlation. Over several runs the dependence is measured.
    """
    m, n = int(s.members.sum()), int((~s.members).sum())
    if s.independent:
        return float(m), float(n)
    if s.single:
        return effective_number(s.units[s.members]), effective_number(s.units[~s.members])
    at = np.sort(s.outside)[::-1][math.floor(n * fpr + 1e-9)]
    share = float((s.inside > at).mean())
    return m / _design_effect(s, s.members, share), n / _design_effect(s, ~s.members, fpr)


def _design_effect(s: Scores, side: np.ndarray, share: float) -> float:
    """How much the dependence widens the variance of a share of one `side` bool (n,), at least 1.

    Measured where between a tenth and nine tenths of the side lie above, also for a smaller or larger `share`: there are too
    few events beyond, and dependence fades in the tails.
    """
    return design_effect_above(s, side, float(np.quantile(s.values[side], 1 - min(max(share, 0.1), 0.9))))


def design_effect_above(s: Scores, side: np.ndarray, threshold: float) -> float:
    """How much the dependence widens the variance of the share of one `side` bool (n,) above `threshold`, at least 1."""
    hits, count = s.values > threshold, int(side.sum())
    found = float(hits[side].mean())
    plain = found * (1 - found) / count
    if plain <= 0:  # tied scores: nothing to measure it on, so take the records, not the pairs, as trials
        return max(count / len(distinct(s.units[side])), 1.0)
    return max(two_way_error(s, np.where(side, (hits - found) / count, 0.0)) ** 2 / plain, 1.0)
