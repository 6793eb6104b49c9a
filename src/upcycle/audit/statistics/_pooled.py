"""Figures with limits for attacks on several pipelines at once. NumPy and SciPy only.

A record is scored once per pipeline, and complementary pipelines share their coins, so pooled scores are dependent in two ways.
Variances are therefore those of sums over records and over pairs of pipelines (two-way clustering, Cameron, Gelbach & Miller
2011); binomial limits use the effective number of trials that such a variance leaves (Korn & Graubard 1998).

An audit uses these and not `two_way_interval`, the bootstrap by record and pipeline, which serves as their check.
The bootstrap's AUC interval is too wide by up to sqrt(3) where neither records nor pipelines matter, which costs power; its TPR
interval leaves out that the threshold is estimated; neither gives a p-value, and both take hundreds of times longer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from upcycle.audit.statistics._auc import auc, auc_p_value, delong_interval, midranks
from upcycle.audit.statistics._binomial import lower_limit, upper_limit
from upcycle.audit.statistics._epsilon import EpsilonBound
from upcycle.audit.statistics._tpr import LEAST_FALSE_POSITIVES, tpr_at_fpr
from upcycle.audit.statistics._values import NotResolvable, Rate, expit
from upcycle.errors import AuditInputError

FPR: Final = 0.01


FEW_PAIRS: Final = 6  # below, a variance between pairs is guesswork


LEAST_PAIRS: Final = 8  # of a record and a pipeline, on each side


@dataclass(frozen=True, eq=False)
class Pool:
    """Scores of a record by a pipeline, all (n,): `scores` float64, `members` bool, `units` the record or group, `pairs` the
    pair of pipelines and `runs` the pipeline that each belongs to, int64 and numbered from 0."""

    scores: np.ndarray
    members: np.ndarray
    units: np.ndarray
    pairs: np.ndarray
    runs: np.ndarray

    @property
    def single(self) -> bool:
        """Is there one pipeline only?"""
        return len(np.unique(self.runs)) < 2

    def take(self, kept: np.ndarray) -> Pool:
        """The entries `kept` bool (n,)."""
        return Pool(*(values[kept] for values in (self.scores, self.members, self.units, self.pairs, self.runs)))

    def ranked(self) -> Pool:
        """The same with scores as shares of their own pipeline below, so that pipelines do not differ in level."""
        scores = np.empty(len(self.scores))
        for run in np.unique(self.runs):
            mine = self.runs == run
            scores[mine] = (midranks(self.scores[mine]) - 0.5) / mine.sum()
        return Pool(scores, self.members, self.units, np.zeros_like(self.pairs), self.runs)


def pool(scores: np.ndarray, members: np.ndarray, units: np.ndarray, pairs: np.ndarray, used: np.ndarray) -> Pool:
    """The entries of `used` bool (records,), from scores and members (pipelines, records), units (records,), pairs
    (pipelines,)."""
    count = int(used.sum())
    return Pool(
        np.asarray(scores[:, used], np.float64).ravel(),
        members[:, used].ravel(),
        np.tile(units[used], len(scores)),
        np.repeat(pairs, count),
        np.repeat(np.arange(len(scores)), count),
    )


def unjudgeable(p: Pool) -> str:
    """Why no figure can come from `p`, or "": too few pairs of record and pipeline, members or non-members that are one record
    or patient, whose luck no interval can tell from a leak, or one score for all, whose ROC is a single point."""
    inside, outside = (len(np.unique(p.units[side])) for side in (p.members, ~p.members))
    if min(p.members.sum(), (~p.members).sum()) < LEAST_PAIRS:
        return f"fewer than {LEAST_PAIRS} pairs of record and pipeline among members or non-members"
    if min(inside, outside) < 2:
        return "a single record or patient among members or non-members"
    if p.scores.min() == p.scores.max():
        return "one score for all, a ROC of one point"
    return ""


def pooled_auc(p: Pool, confidence: float = 0.95) -> tuple[Rate, float]:
    """AUC with its limits, and the one-sided p of "AUC is at most 0.5".

    With fewer than six pairs of pipelines, scores are ranked within each pipeline and only records count as independent: the
    limits are then about these very pipelines, and leave out that the next ones may leak more or less.
    """
    if p.single:
        groups = None if len(np.unique(p.units)) == len(p.units) else p.units
        return delong_interval(p.scores, p.members, confidence, groups), auc_p_value(p.scores, p.members, groups)
    few = len(np.unique(p.pairs)) < FEW_PAIRS
    p = p.ranked() if few else p
    value, parts = auc(p.scores, p.members), _auc_parts(p)
    error = math.sqrt(_clustered(parts, p.units)) if few else _two_way_error(p, parts)
    freedom = len(np.unique(p.units if few else p.pairs)) - 1
    if error < 1e-9:  # constant scores, or perfectly separated ones
        plain = delong_interval(p.scores, p.members, confidence, None)
        return plain, 1.0 if value <= 0.5 else _t_below((0.5 - value) / max((plain.high - plain.low) / 4, 1e-9), freedom)
    tail = _t_quantile(0.5 + confidence / 2, freedom)
    inside = min(max(value, 1e-9), 1 - 1e-9)
    centre, half = math.log(inside / (1 - inside)), tail * error / (inside * (1 - inside))
    return Rate(value, expit(centre - half), expit(centre + half)), _t_below((0.5 - value) / error, freedom)


def pooled_tpr(p: Pool, fpr: float, confidence: float = 0.95) -> Rate | NotResolvable:
    """Share of members found at a false positive rate of `fpr`, with limits that hold after the choice of the threshold.

    As `tpr_at_fpr`, with effective numbers of members and non-members. Each limit errs with at most (1 - confidence) / 2, in
    simulations with effects of records and pipelines far less often; those of a single pair of pipelines are about that pair.
    """
    if p.single and len(np.unique(p.units)) == len(p.units):
        return tpr_at_fpr(p.scores, p.members, fpr, confidence)
    from scipy.special import bdtr

    outside = np.sort(p.scores[~p.members])[::-1]
    n, m = len(outside), int(p.members.sum())
    if n * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        return NotResolvable(fpr, math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9))
    at = outside[math.floor(n * fpr + 1e-9)]
    above = p.scores > at
    m_effective, n_effective = effective_trials(p, fpr)
    error, size = (1 - confidence) / 4, max(int(n_effective), 1)
    at_most = bdtr(np.arange(size + 1), size, fpr)
    strict = math.floor((at_most <= error).sum() / size * n)
    loose = math.ceil(((at_most < 1 - error).sum() + 1) / size * n)

    def found(position: int) -> int:
        return m if position > n else int((p.scores[p.members] > outside[position - 1]).sum())

    low = lower_limit(found(strict) / m * m_effective, m_effective, error) if strict else 0.0
    return Rate(float(above[p.members].mean()), low, upper_limit(found(loose) / m * m_effective, m_effective, error))


def effective_trials(p: Pool, fpr: float) -> tuple[float, float]:
    """How many independent members and non-members would scatter as these do, where a share `fpr` of the non-members is above
    the threshold. Of one pipeline and units of one record each, their numbers."""
    m, n = int(p.members.sum()), int((~p.members).sum())
    if p.single and len(np.unique(p.units)) == len(p.units):
        return float(m), float(n)
    at = np.sort(p.scores[~p.members])[::-1][math.floor(n * fpr + 1e-9)]
    share = float((p.scores[p.members] > at).mean())
    return m / _design_effect(p, p.members, share), n / _design_effect(p, ~p.members, fpr)


def _auc_parts(p: Pool) -> np.ndarray:
    """What each pair adds to the AUC beyond its mean (n,): sums of these have the AUC's variance (DeLong's components)."""
    m, n = int(p.members.sum()), int((~p.members).sum())
    if min(m, n) < 2:
        raise AuditInputError(f"members and non-members must number two or more. Got {m} and {n}. Audit more records.")
    joint, parts = midranks(p.scores), np.empty(len(p.scores))
    above = (joint[p.members] - midranks(p.scores[p.members])) / n
    below = 1 - (joint[~p.members] - midranks(p.scores[~p.members])) / m
    parts[p.members] = (above - above.mean()) / m
    parts[~p.members] = (below - below.mean()) / n
    return parts


def _two_way_error(p: Pool, parts: np.ndarray) -> float:
    """Standard error of the sum of `parts`, dependent within units and within pairs of pipelines."""
    by_unit, by_pair = _clustered(parts, p.units), _clustered(parts, p.pairs)
    both = _clustered(parts, p.units.astype(np.int64) * (int(p.pairs.max()) + 1) + p.pairs)
    return math.sqrt(max(by_unit, by_pair, by_unit + by_pair - both, 0.0))


def _clustered(parts: np.ndarray, clusters: np.ndarray) -> float:
    sums = np.bincount(clusters, weights=parts)[np.bincount(clusters) > 0]
    return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1))


def _design_effect(p: Pool, side: np.ndarray, share: float) -> float:
    """How much the dependence widens the variance of a share of one `side` bool (n,), at least 1.

    Measured where between a tenth and nine tenths of the side lie above, also for a smaller or larger `share`: there are too
    few events beyond, and dependence fades in the tails.
    """
    threshold = np.quantile(p.scores[side], 1 - min(max(share, 0.1), 0.9))
    hits, count = p.scores > threshold, int(side.sum())
    found = float(hits[side].mean())
    plain = found * (1 - found) / count
    if plain <= 0:  # tied scores: nothing to measure it on, so take the records, not the pairs, as trials
        return max(count / len(np.unique(p.units[side])), 1.0)
    return max(_two_way_error(p, np.where(side, (hits - found) / count, 0.0)) ** 2 / plain, 1.0)


def _t_quantile(probability: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def _t_below(value: float, freedom: int) -> float:
    from scipy.special import stdtr

    return float(stdtr(freedom, value))


def pooled_epsilon(p: Pool, found: Rate | NotResolvable, confidence: float = 0.95) -> EpsilonBound:
    """log(TPR low / 0.01) at delta 0, at least 0: the mechanism is not epsilon-DP for any epsilon below it. `found`: the pool's
    TPR at FPR, by `pooled_tpr`.

    `pooled_tpr` counts members above a non-member order statistic whose true false positive rate is at most 1 %, not 1 % among
    the non-members at hand: the error of that choice and the members' binomial each take (1 - confidence) / 4, so the bound
    errs with at most (1 - confidence) / 2. `cap`: what finding every member would have given, with scores that depend on each
    other as these do; 0 where so few effective non-members cannot show a rate of 1 %.
    """
    error, nothing = (1 - confidence) / 4, EpsilonBound("pooled", 0.0, 0.0, confidence, 0.0)
    if isinstance(found, NotResolvable):
        return nothing
    members, outside = effective_trials(p, FPR)
    if (1 - FPR) ** int(outside) > error:
        return nothing
    low, cap = (math.log(max(rate, FPR) / FPR) for rate in (found.low, lower_limit(members, members, error)))
    return replace(nothing, low=low, cap=cap)
