"""A target's statistics and those of its references: what every likelihood ratio starts from."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.attacks._shadow_set import ShadowSet, reference_indices
from upcycle.errors import AuditInputError

_LEAST_JUDGED: Final = 0.9
_FLOOR: Final = 1e-12  # variance below which references agree to the last bit


@dataclass(frozen=True, eq=False)
class Case:
    """`target` float64 (records, queries), `references` float64 (references, records, queries) and their `member` bool
    (references, records). A query is an augmented view, a neighbouring image or any other number per record."""

    target: np.ndarray
    references: np.ndarray
    member: np.ndarray


@dataclass(frozen=True, eq=False)
class Moments:
    """Of one side, IN or OUT: `count` (records, 1) of references, `mean` and unbiased `variance` (records, queries; NaN
    below one and two references), and the variance `pooled` (queries,) over all records, each about its own mean."""

    count: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    pooled: np.ndarray


def shadow_case(shadows: ShadowSet, target: int) -> Case:
    """The case of pipeline `target` from the log-odds of all views. Raises AuditInputError."""
    others = reference_indices(shadows.member, target)
    statistic = shadows.statistic("log_odds")
    return Case(statistic[target], statistic[others], shadows.member[others])


def statistic_case(statistics: np.ndarray, member: np.ndarray, target: int) -> Case:
    """The case of pipeline `target` from any `statistics` (pipelines, records[, queries]), higher for members, and
    `member` bool (pipelines, records). Raises AuditInputError."""
    values, member = np.asarray(statistics), np.asarray(member)
    if values.ndim not in (2, 3) or values.dtype.kind != "f" or values.shape[:2] != member.shape or member.dtype.kind != "b":
        raise AuditInputError(
            "statistics must be floats of shape (pipelines, records[, queries]) with member booleans of shape (pipelines, "
            f"records). Got {values.dtype} {values.shape} and {member.dtype} {member.shape}. Give one number per record."
        )
    if not np.isfinite(values).all():
        raise AuditInputError(
            f"statistics must be finite. Got {int((~np.isfinite(values)).sum())} NaN or infinite. Fix the attack."
        )
    values = values.astype(np.float64).reshape(*member.shape, -1)
    others = reference_indices(member, target)
    return Case(values[target], values[others], member[others])


def sides(case: Case) -> tuple[Moments, Moments]:
    """Moments of the IN and of the OUT references. Where no record has two references on one side, the pooled variance
    is half that of IN minus OUT about its mean, which is too wide rather than too narrow. Raises AuditInputError."""
    inside, outside = _moments(case.references, case.member), _moments(case.references, ~case.member)
    if np.isfinite(inside.pooled).all() and np.isfinite(outside.pooled).all():
        return inside, outside
    difference = (inside.mean - outside.mean)[judged(inside, outside, least=1)]
    if len(difference) < 2:
        raise AuditInputError(
            f"references must be IN and OUT for at least two records. Got {len(difference)}. Run more shadow pipelines."
        )
    half = np.maximum(difference.var(axis=0, ddof=1) / 2, _FLOOR)
    return tuple(  # type: ignore[return-value]
        Moments(m.count, m.mean, m.variance, np.where(np.isfinite(m.pooled), m.pooled, half)) for m in (inside, outside)
    )


def judged(*moments: Moments, least: int) -> np.ndarray:
    """bool (records,): has the record `least` references on every side given."""
    return np.asarray(np.logical_and.reduce([(m.count >= least)[:, 0] for m in moments]))


def finish(scores: np.ndarray, known: np.ndarray, least: int) -> np.ndarray:
    """Scores (records,) as the mean over the queries of (records, queries). Records that are not `known` have too few
    references and get the median of the others, which says nothing. Raises AuditInputError where they are more than a
    tenth."""
    if known.mean() < _LEAST_JUDGED:
        raise AuditInputError(
            f"references must number at least {least} on each side that is modelled. Got fewer for {int((~known).sum())} of "
            f"{len(known)} records. Run more shadow pipelines or use the shrunk Student-t ratio."
        )
    result = np.empty(len(scores))
    result[known] = scores[known].mean(axis=1)
    result[~known] = np.median(result[known])
    return result


def _moments(references: np.ndarray, used: np.ndarray) -> Moments:
    count = used.sum(axis=0)[:, None].astype(np.float64)
    weight = used[:, :, None].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (references * weight).sum(axis=0) / count
        squares = (weight * (references - np.where(count > 0, mean, 0)) ** 2).sum(axis=0)
        variance = np.where(count > 1, np.maximum(squares / (count - 1), _FLOOR), np.nan)
        degrees = np.maximum(count - 1, 0).sum()
        pooled = np.maximum(squares.sum(axis=0) / degrees, _FLOOR) if degrees else np.full(squares.shape[1], np.nan)
    return Moments(count, mean, variance, pooled)
