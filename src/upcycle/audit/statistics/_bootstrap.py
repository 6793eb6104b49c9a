"""Intervals for scores pooled over several pipelines: the same record under two pipelines, and two records under the same
one, are dependent, so both are resampled (pigeonhole bootstrap: Owen & Eckles 2012, arXiv:1106.2125). It is conservative:
up to sqrt(3) times too wide where neither the record nor the pipeline matters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from upcycle.audit.statistics._tpr import LEAST_FALSE_POSITIVES
from upcycle.audit.statistics._values import NotResolvable, Rate
from upcycle.errors import AuditInputError


def two_way_interval(
    scores: np.ndarray,
    members: np.ndarray,
    *,
    fpr: float | None = None,
    seed: int,
    confidence: float = 0.95,
    resamples: int = 500,
    groups: np.ndarray | None = None,
) -> Rate | NotResolvable:
    """Pooled AUC (or the TPR at `fpr`) with a percentile interval over resampled pipelines and records.

    `scores` float and `members` bool (pipelines, records): every pipeline's own coin flips. `groups` (records,): whole
    groups are resampled. Where all resamples agree at 0 or 1 the limit is exact for the smaller number of independent
    records, as in `delong_interval`. NotResolvable below three expected false positives among all pairs.

    For scores pooled by hand, and the check of the limits in closed form that `audit` prints: those are quicker, narrower for
    the AUC, and for the TPR wider, since they count the error of the threshold, which resampled false positives do not show.
    """
    scores, members = check_pipelines(scores, members)
    negatives = int((~members).sum())
    if fpr is not None and negatives * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        return NotResolvable(fpr, math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9), "pairs of non-member and pipeline")
    pipelines, records = scores.shape
    units = np.arange(records) if groups is None else np.unique(groups, return_inverse=True)[1]
    pool, rng, drawn = _Pool.of(scores, members), np.random.default_rng([seed, *b"bootstrap"]), np.empty(resamples)
    value = pool.statistic(np.ones(pipelines), np.ones(records), fpr)
    count = int(units.max()) + 1
    for k in range(resamples):
        drawn[k] = math.nan
        while math.isnan(drawn[k]):
            rows = np.bincount(rng.integers(pipelines, size=pipelines), minlength=pipelines).astype(np.float64)
            columns = np.bincount(rng.integers(count, size=count), minlength=count).astype(np.float64)[units]
            drawn[k] = pool.statistic(rows, columns, fpr)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = min(float(low), value), max(float(high), value)
    return _widened(value, low, high, len(np.unique(units)), confidence)


def calibrate_by_record(scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Scores (pipelines, records) in 0..1 that mean the same for every record: 1 - p of each score under the record's
    other non-member scores (Student's t prediction).

    Pooling raw scores lets a few records with high scores own all of the low-FPR region; after this the FPR of every
    record is about equal. A score with fewer than three others to compare with becomes 0.5, which says nothing; raises
    AuditInputError where that holds for every score.
    """
    from scipy.special import stdtr

    scores, members = check_pipelines(scores, members)
    outside = ~members
    count = outside.sum(axis=0) - outside  # non-member pipelines beside the one judged
    known = count >= 3
    if not known.any():
        most = int(outside.sum(axis=0).max())
        raise AuditInputError(f"records must be non-members of at least 4 pipelines. Got {most} at most. Run more pipelines.")
    centred = scores - scores.mean(axis=0)
    values, count = np.where(outside, centred, 0.0), np.maximum(count, 2)
    mean = (values.sum(axis=0) - values) / count
    squares = ((values**2).sum(axis=0) - values**2) / count - mean**2
    spread = np.sqrt(np.maximum(squares, 1e-300) * count / (count - 1) * (1 + 1 / count))
    return np.where(known, stdtr(count - 1, (centred - mean) / spread), 0.5)


def check_pipelines(scores: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(float64 scores, bool members), both (pipelines, records); raises AuditInputError with every problem, among them a
    pipeline that was given all records and a record on which all pipelines agree."""
    scores, members = np.asarray(scores), np.asarray(members)
    if scores.ndim != 2 or scores.shape != members.shape or len(scores) < 2:
        raise AuditInputError(
            f"scores and members must have one shape (pipelines, records) with two or more pipelines. Got {scores.shape} "
            f"and {members.shape}. Give one row per pipeline."
        )
    if scores.dtype.kind not in "fiu" or not np.isfinite(scores).all():
        raise AuditInputError(f"scores must be finite numbers. Got {scores.dtype} with others. Find the records that overflow.")
    if members.dtype.kind not in "biu" or not np.isin(members, (0, 1)).all():
        raise AuditInputError(f"members must be booleans. Got {members.dtype}. Give True for records the pipeline was given.")
    members = members.astype(bool)
    problems = []
    if (full := int(members.all(axis=1).sum())) > 0:
        problems.append(
            f"a pipeline must leave records out. Got {full} given all of them. Flip a coin per record and pipeline."
        )
    if (empty := int((~members).all(axis=1).sum())) > 0:
        problems.append(f"a pipeline must be given records. Got {empty} given none. Flip a coin per record and pipeline.")
    if problems:
        raise AuditInputError(*problems)
    return scores.astype(np.float64), members


@dataclass(frozen=True, eq=False)
class _Pool:
    """All pairs in descending order of score, as places in the flat table: the non-member ones, the member ones, and for
    each of the latter how many of the former lie above it and how many do not lie below it."""

    outside: np.ndarray
    inside: np.ndarray
    above: np.ndarray
    reached: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, members: np.ndarray) -> _Pool:
        order = np.argsort(-scores, axis=None, kind="stable")
        flags, falling = members.ravel()[order], -scores.ravel()[order]
        outside = falling[~flags]
        above, reached = (np.searchsorted(outside, falling[flags], side=side) for side in ("left", "right"))
        return cls(order[~flags], order[flags], above, reached)

    def statistic(self, rows: np.ndarray, columns: np.ndarray, fpr: float | None) -> float:
        """Weighted AUC, or TPR at `fpr`; NaN where a side got no weight."""
        weight = np.outer(rows, columns).ravel()
        hits, false = weight.take(self.inside), np.append(0.0, np.cumsum(weight.take(self.outside)))
        positives, negatives = float(hits.sum()), float(false[-1])
        if positives == 0 or negatives == 0:
            return math.nan
        if fpr is not None:
            return float(hits @ (false.take(self.reached) <= fpr * negatives + 1e-9) / positives)
        passed = hits @ false.take(self.above) + hits @ false.take(self.reached)
        return 1 - float(passed) / (2 * positives * negatives)


def _widened(value: float, low: float, high: float, units: int, confidence: float) -> Rate:
    """A bootstrap that never saw anything but 0 or 1 knows no limit: take the exact one."""
    slack = 1 - ((1 - confidence) / 2) ** (1 / units)
    if value >= 1:
        low = min(low, 1 - slack)
    if value <= 0:
        high = max(high, slack)
    return Rate(value, low, high)
