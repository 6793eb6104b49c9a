"""Risk of single records with intervals over pipelines, how concentrated it is, and AOP for comparison with papers."""

import math
from dataclasses import dataclass

import numpy as np

from upcycle.errors import AuditInputError


@dataclass(frozen=True, eq=False)
class RecordRisk:
    """Per record (n,): mean posterior probability of membership over the pipelines that were given it, limits of that
    mean, and how many pipelines it rests on. `prior` is the share of members. Never for release."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    pipelines: np.ndarray
    prior: float

    def top(self, count: int) -> np.ndarray:
        """Rows of the `count` records at highest risk, by lower limit, then by value: the surest first."""
        return np.lexsort((-self.value, -self.low))[:count]

    def concentration(self, share: float = 0.01) -> float:
        """Part of all excess risk (value above the prior) that the top `share` of records carries; 0 where there is no
        excess. Equal risk everywhere gives `share`."""
        excess = np.sort(np.maximum(self.value - self.prior, 0.0))[::-1]
        total = float(excess.sum())
        return float(excess[: max(math.ceil(share * len(excess)), 1)].sum()) / total if total > 0 else 0.0


def record_risk(posterior: np.ndarray, members: np.ndarray, confidence: float = 0.95) -> RecordRisk:
    """Each record's risk from `posterior` (pipelines, records), probabilities of membership in 0..1.

    Student-t limits over the pipelines given the record, clipped to 0..1. Few pipelines say little about a record's own
    spread, so its variance is shrunk towards the pooled one with the weight of four pipelines. A record that no pipeline
    was given has the prior as its value and the limits 0 and 1. Raises AuditInputError.
    """
    from scipy.special import stdtrit

    posterior, members = _check_pipelines(posterior, members)
    if posterior.min() < 0 or posterior.max() > 1:
        raise AuditInputError("posterior must be in 0..1. Got values outside. Give probabilities of membership.")
    count, prior, weight = members.sum(axis=0), float(members.mean()), 4.0
    given = np.maximum(count, 1)
    value = np.where(members, posterior, 0.0).sum(axis=0) / given
    squares = np.where(members, (posterior - value) ** 2, 0.0).sum(axis=0)
    pooled = squares.sum() / max((given - 1).sum(), 1)
    variance = (squares + weight * pooled) / (given - 1 + weight)
    half = stdtrit(given - 1 + weight, (1 + confidence) / 2) * np.sqrt(variance / given)
    half = np.where(count == 0, 1.0, half)
    value = np.where(count == 0, prior, value)
    return RecordRisk(value, np.maximum(value - half, 0.0), np.minimum(value + half, 1.0), count, prior)


def aop(accuracy: float, auc: float) -> float:
    """Accuracy Over Privacy with lambda = 2: accuracy / (2 max(auc, 0.5))^2, in the unit of `accuracy`. For comparison,
    never a verdict."""
    return accuracy / (2 * max(auc, 0.5)) ** 2


def _check_pipelines(scores: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
