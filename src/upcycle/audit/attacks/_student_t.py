"""Likelihood ratio with shrunk variances: Student-t predictive densities, for few shadow pipelines (after BaVarIA, 2026,
arXiv:2603.11799), over logits or over any statistic that shadow pipelines can repeat."""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle.audit.attacks._card import AttackCard
from upcycle.audit.attacks._references import Case, Moments, finish, judged, shadow_case, sides, statistic_case
from upcycle.audit.attacks._shadow_set import ShadowSet
from upcycle.errors import AuditInputError

PRIOR_WEIGHT: Final = 4.0


STUDENT_T_CARDS: Final = (
    AttackCard(
        "shrunk Student-t ratio",
        "after BaVarIA, arXiv:2603.11799; predictive density: Gelman et al., Bayesian Data Analysis, 3.3",
        "logits of the target and of a few shadow pipelines for each record",
        "shadow pipelines follow the target's recipe; variances of records scatter about a common one",
    ),
)


def student_t_ratio(
    shadows: ShadowSet,
    target: int,
    *,
    signal: str = "log_odds",
    views: slice = slice(None),
    prior_weight: float = PRIOR_WEIGHT,
) -> np.ndarray:
    """log t(x; IN) - log t(x; OUT), float64 (records,), nats, mean over the views. One reference a side is enough.

    Per side the variance is s2 = (w s0^2 + SS) / (w + n - 1), with s0^2 pooled over the records and w = `prior_weight`
    pseudo-references; the density of a new x is Student's t with w + n - 1 degrees of freedom about the mean, scale
    s sqrt(1 + 1/n). Raises AuditInputError.
    """
    return _ratio(shadow_case(shadows, target, signal, views), prior_weight)


def calibrated_ratio(
    statistics: np.ndarray, member: np.ndarray, target: int, *, prior_weight: float = PRIOR_WEIGHT
) -> np.ndarray:
    """`student_t_ratio` over any `statistics` float (pipelines, records[, queries]), higher for members: how attacks on
    synthetic sets, soft labels and generators are calibrated per record. `member` bool (pipelines, records)."""
    return _ratio(statistic_case(statistics, member, target), prior_weight)


def _ratio(case: Case, prior_weight: float) -> np.ndarray:
    if not prior_weight > 0:
        raise AuditInputError(f"prior_weight must be above 0. Got {prior_weight}. Use {PRIOR_WEIGHT:g}.")
    inside, outside = sides(case)
    ratio = _log_density(case.target, inside, prior_weight) - _log_density(case.target, outside, prior_weight)
    return finish(ratio, judged(inside, outside, least=1), 1)


def _log_density(x: np.ndarray, side: Moments, weight: float) -> np.ndarray:
    from scipy.special import gammaln

    count = np.maximum(side.count, 1)
    degrees = weight + count - 1
    squares = np.where(side.count > 1, side.variance, 0) * (count - 1)
    scale = (weight * side.pooled + squares) / degrees * (1 + 1 / count)
    constant = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - np.log(np.pi * degrees * scale) / 2
    return np.asarray(constant - (degrees + 1) / 2 * np.log1p((x - side.mean) ** 2 / (degrees * scale)))
