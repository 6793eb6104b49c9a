"""ROC and AUC with ties moved as blocks; its interval and p-value, of one run by record or by unit, or of several."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle.audit.statistics._clusters import clustered, effective_number, two_way_error
from upcycle.audit.statistics._scores import Scores
from upcycle.audit.statistics._values import Rate, expit, normal_or_t_below, normal_or_t_quantile
from upcycle.errors import AuditInputError

_FEW_MOVED: Final = 20.0  # units off the commonest score, expected on the smaller side; with fewer, no normal law holds
_DRAWS, _WORK = 20_000, 20_000_000


def coarse(s: Scores) -> bool:
    """Do the scores of a single run take two values, or lie so often at one, that normal tails are wrong?"""
    if not s.single:
        return False
    values, inverse, counts = np.unique(s.values, return_inverse=True, return_counts=True)
    if len(values) == 2:
        return True
    if counts.max() < len(s.values) / 2:
        return False
    moved = len(distinct(s.units[inverse != counts.argmax()]))
    return moved * min(s.sides) / sum(s.sides) < _FEW_MOVED


def tail(s: Scores, ranks: np.ndarray) -> float:
    """P(the members' rank sum is as large as here), had other coins drawn the members; of a single run. `ranks` (n,): midranks.

    Exact for two values and units of one record; otherwise by 20,000 drawn memberships, the observed one counted (Phipson &
    Smyth 2010), or by Hoeffding's bound for draws without replacement (Hoeffding 1963, section 6) where that is smaller.
    """
    centred = np.bincount(s.units, weights=ranks - ranks.mean())
    member = np.bincount(s.units, weights=s.members) > 0
    levels, place, counts = np.unique(np.round(centred, 9), return_inverse=True, return_counts=True)
    if len(levels) < 2:
        return 1.0
    inside = int(member.sum())
    if len(levels) == 2:
        from scipy.stats import hypergeom

        return float(hypergeom.sf(int(member[place == 1].sum()) - 1, len(centred), int(counts[1]), inside))
    found = float(levels[place][member].sum())
    draws = max(min(_DRAWS, _WORK // len(levels)), 1)
    drawn = np.random.default_rng(0).multivariate_hypergeometric(counts, inside, draws, method="marginals") @ levels
    excess = max(found - inside * float(centred.mean()), 0.0)
    bound = math.exp(-2 * excess**2 / (min(inside, len(centred) - inside) * float(np.ptp(levels)) ** 2))
    return min((1 + int((drawn >= found - 1e-6).sum())) / (1 + draws), bound)


def padded(s: Scores, z: float) -> Scores:
    """The scores with z^2 / 4 more units at either end of either side, from which an interval of normal width covers what it
    promises although a side may have seen nothing but one value (Agresti & Caffo 2000)."""
    count, size = math.ceil(z**2 / 4), max(round(len(s.values) / sum(s.sides)), 1)
    ends = np.repeat([s.values.min(), s.values.max()] * 2, count)
    sides = np.repeat([True, True, False, False], count)
    units = int(s.units.max()) + 1 + np.arange(4 * count)
    more = (np.repeat(ends, size), np.repeat(sides, size), np.repeat(units, size))
    whole = (np.concatenate(pair) for pair in zip((s.values, s.members, s.units), more, strict=True))
    return Scores(*whole)


FEW_PAIRS: Final = 6  # below, a variance between pairs of pipelines is guesswork


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Step ends of the ROC, one per distinct score: `fpr`, `tpr` from (0, 0) to (1, 1), both non-decreasing;
    `thresholds` decreasing from +inf: a record is called a member where score >= threshold."""

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


def roc(s: Scores) -> RocCurve:
    """The ROC with tied scores moved as one block, so that no tie is broken in the attack's favour."""
    order = np.argsort(-s.values, kind="stable")
    ranked, hits = s.values[order], s.members[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true, false = np.cumsum(hits)[ends], np.cumsum(~hits)[ends]
    return RocCurve(
        fpr=np.concatenate([[0.0], false / false[-1]]),
        tpr=np.concatenate([[0.0], true / true[-1]]),
        thresholds=np.concatenate([[np.inf], ranked[ends]]),
    )


def auc(s: Scores) -> float:
    """P(score of a member > score of a non-member) + P(tie) / 2: the Mann-Whitney statistic, O(n log n)."""
    m, n = int(s.members.sum()), int((~s.members).sum())
    return float((midranks(s.values)[s.members].sum() - m * (m + 1) / 2) / (m * n))


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks 1..n (float64), tied values sharing the mean of their ranks."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)


def null_deviation(n_members: int, n_non_members: int) -> float:
    """Standard deviation of the AUC of an attack that knows nothing, without ties."""
    return math.sqrt((n_members + n_non_members + 1) / (12 * n_members * n_non_members))


def auc_interval(s: Scores, confidence: float = 0.95) -> Rate:
    """AUC with a two-sided interval on the logit scale (DeLong 1988; fast midranks: Sun & Xu 2014).

    Units of several records: the variance is that of sums over units (Obuchowski 1997), with Student's t of Kish's effective
    number of units less one. Several runs: two-way clustering over units and pairs of pipelines, with Student's t of the pairs;
    with fewer than six pairs, scores are ranked within each run, only units count as independent, and the limits are about
    these very pipelines. Scores of few values: the interval of the scores padded at both ends. Where the variance is zero the
    interval is exact and conservative: disjoint pairs of a member and a non-member all came out alike, so the share of pairs
    that do not is below 1 - (alpha/2)^(1/pairs).
    """
    z = normal_or_t_quantile(0.5 + confidence / 2, None)
    if coarse(s) and s.values.min() < s.values.max():
        found, wide = _spread(s), _interval(_spread(padded(s, z)), confidence)
        return Rate(found.value, min(wide.low, found.value), max(wide.high, found.value))
    return _interval(_spread(s), confidence)


def auc_p_value(s: Scores) -> float:
    """One-sided p of "AUC is at most 0.5"; 1 for constant scores.

    One run: Mann-Whitney, normal, with tie and continuity correction, widened by the design effect of units, or exact for
    scores of few values. Several runs: Student's t of `auc_interval`'s standard error.
    """
    if s.values.min() == s.values.max():
        return 1.0
    if coarse(s):
        return tail(s, midranks(s.values))
    spread = _spread(s)
    if s.single:
        return _mann_whitney(s, spread)
    if spread.error < 1e-9:  # perfectly separated scores
        plain = _interval(spread, 0.95)
        return (
            1.0
            if spread.value <= 0.5
            else normal_or_t_below((0.5 - spread.value) / max((plain.high - plain.low) / 4, 1e-9), spread.freedom)
        )
    return normal_or_t_below((0.5 - spread.value) / spread.error, spread.freedom)


@dataclass(frozen=True)
class _Spread:
    """An AUC, its standard error, the degrees of freedom of that (None: normal), and the disjoint pairs of a member and a
    non-member that are independent."""

    value: float
    error: float
    freedom: float | None
    disjoint: int


def _spread(s: Scores) -> _Spread:
    m, n = int(s.members.sum()), int((~s.members).sum())
    if min(s.sides) < 2:
        raise AuditInputError(
            f"members and non-members must be two or more records or groups each. Got {s.sides[0]} and {s.sides[1]}. "
            "Audit more records."
        )
    if s.single:
        above, below = _placements(s)
        if s.independent:
            return _Spread(auc(s), math.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n), None, min(m, n))
        variance = clustered((above - above.mean()) / m, s.units[s.members]) + clustered(
            (below - below.mean()) / n, s.units[~s.members]
        )
        effective = min(effective_number(s.units[s.members]), effective_number(s.units[~s.members]))
        return _Spread(auc(s), math.sqrt(variance), max(effective - 1, 1.0), min(s.sides))
    few = len(distinct(s.pairs)) < FEW_PAIRS
    s = _ranked(s) if few else s
    parts = np.empty(len(s.values))
    above, below = _placements(s)
    parts[s.members], parts[~s.members] = (above - above.mean()) / m, (below - below.mean()) / n
    error = math.sqrt(clustered(parts, s.units)) if few else two_way_error(s, parts)
    return _Spread(auc(s), error, len(distinct(s.units if few else s.pairs)) - 1, min(m, n))


def _interval(found: _Spread, confidence: float) -> Rate:
    value, alpha = found.value, 1 - confidence
    if found.error < (1e-10 if found.freedom is None else 1e-9):
        other = 1 - (alpha / 2) ** (1 / found.disjoint)
        half = other / 2 if 0 < value < 1 else other
        return Rate(value, max(value - half, 0.0), min(value + half, 1.0))
    inside = min(max(value, 1e-9), 1 - 1e-9)
    centre = math.log(inside / (1 - inside))
    half = normal_or_t_quantile(1 - alpha / 2, found.freedom) * found.error / (inside * (1 - inside))
    return Rate(value, expit(centre - half), expit(centre + half))


def _mann_whitney(s: Scores, grouped: _Spread) -> float:
    m, n = int(s.members.sum()), int((~s.members).sum())
    total = m + n
    _, counts = np.unique(s.values, return_counts=True)
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    spread = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
    excess = (grouped.value - 0.5) * m * n - 0.5
    if s.independent:
        return normal_or_t_below(-excess / math.sqrt(spread), None)
    above, below = _placements(s)
    alone = float(above.var(ddof=1) / m + below.var(ddof=1) / n)
    effect = max(grouped.error**2 / alone, 1.0) if alone > 0 else 1.0
    return normal_or_t_below(-excess / math.sqrt(spread * effect), grouped.freedom)


def _placements(s: Scores) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's components: for each member the share of non-members below it, for each non-member that of members above it."""
    joint, m, n = midranks(s.values), int(s.members.sum()), int((~s.members).sum())
    above = (joint[s.members] - midranks(s.inside)) / n
    return above, 1 - (joint[~s.members] - midranks(s.outside)) / m


def _ranked(s: Scores) -> Scores:
    """The same with scores as shares of the same run that lie below, so that runs do not differ in level."""
    scores = np.empty(len(s.values))
    for run in distinct(s.runs):
        mine = s.runs == run
        scores[mine] = (midranks(s.values[mine]) - 0.5) / mine.sum()
    return s.having(scores)
