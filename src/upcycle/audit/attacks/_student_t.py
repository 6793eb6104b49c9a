"""Likelihood ratio with shrunk variances: Student-t predictive densities, for few shadow pipelines (after BaVarIA, 2026,
arXiv:2603.11799), over logits or over any statistic that shadow pipelines can repeat."""

from typing import Final

import numpy as np

from upcycle.audit.attacks._answered import Answered
from upcycle.audit.attacks._attack import Attack, AttackCard, Needs
from upcycle.audit.attacks._references import Moments, finish, judged, sides, statistic_case

PRIOR_WEIGHT: Final = 4.0
_RAREST: Final = 1e-300  # probability whose deviate is the largest


def calibrated_ratio(statistics: np.ndarray, member: np.ndarray, target: int) -> np.ndarray:
    """log t(x; IN) - log t(x; OUT), float64 (records,), nats, mean over the queries, of any `statistics` float (pipelines,
    records[, queries]), higher for members; `member` bool (pipelines, records). One reference a side is enough.

    Per side the variance is s2 = (w s0^2 + SS) / (w + n - 1), with s0^2 pooled over the records and w = 4 pseudo-references;
    the density of a new x is Student's t with w + n - 1 degrees of freedom about the mean, scale s sqrt(1 + 1/n). Raises
    AuditInputError.
    """
    case = statistic_case(statistics, member, target)
    inside, outside = sides(case)
    return finish(_log_density(case.target, inside) - _log_density(case.target, outside), judged(inside, outside, least=1), 1)


def excess(statistics: np.ndarray, members: np.ndarray) -> np.ndarray:
    """How far each record lies above what it scores in pipelines that were not given it: standard normal deviates float64
    (pipelines, records) of `statistics` float (pipelines, records[, queries]), less their median over the pipeline's records.

    The deviate of a Student's t predictive of the OUT side, as in `calibrated_ratio`; one-sided, as Carlini et al. 2022, eq. 4.
    It says the same of every record whatever its level and spread, and what shifts a whole pipeline is taken out, so that
    scores depend on each other far less than likelihood ratios, whose sign a record's luck fixes in all of its pipelines.
    """
    found = np.stack([_deviates(statistics, members, k) for k in range(len(members))])
    return np.asarray(found - np.median(found, axis=1, keepdims=True))


def _deviates(statistics: np.ndarray, members: np.ndarray, target: int) -> np.ndarray:
    from scipy.special import ndtri, stdtr

    case = statistic_case(statistics, members, target)
    _, outside = sides(case)
    degrees, scale = _predictive(outside)
    t = (case.target - outside.mean) / np.sqrt(scale)
    deviate = -np.sign(t) * ndtri(np.maximum(stdtr(degrees, -np.abs(t)), _RAREST))
    return finish(deviate, judged(outside, least=1), 1)


def calibrated(statistics: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Log likelihood ratios float64 (pipelines, records) of statistics (pipelines, records[, queries]), each pipeline
    against the others without its complement; NaN for records that have no statistic in some pipeline."""
    whole = ~np.isnan(statistics).reshape(*members.shape, -1).any(-1).any(0)
    found = np.full(members.shape, np.nan)
    found[:, whole] = np.stack([calibrated_ratio(statistics[:, whole], members[:, whole], k) for k in range(len(members))])
    return found


def _log_density(x: np.ndarray, side: Moments) -> np.ndarray:
    from scipy.special import gammaln

    degrees, scale = _predictive(side)
    constant = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - np.log(np.pi * degrees * scale) / 2
    return np.asarray(constant - (degrees + 1) / 2 * np.log1p((x - side.mean) ** 2 / (degrees * scale)))


def _predictive(side: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Degrees of freedom (records, 1) and squared scale (records, queries) of Student's t for a new value of a side."""
    count = np.maximum(side.count, 1)
    degrees = PRIOR_WEIGHT + count - 1
    squares = np.where(side.count > 1, side.variance, 0) * (count - 1)
    return degrees, (PRIOR_WEIGHT * side.pooled + squares) / degrees * (1 + 1 / count)


def _excess(answered: Answered) -> np.ndarray:
    """Of the image as it is: a network that learned without augmentation need not know a shifted view of a member."""
    return excess(answered.log_odds[:, :, 0], answered.members)


def _ratio(answered: Answered) -> np.ndarray:
    return calibrated(answered.log_odds, answered.members)


RATIO: Final = Attack(
    AttackCard(
        "shrunk Student-t ratio",
        "after BaVarIA, arXiv:2603.11799; predictive density: Gelman et al., Bayesian Data Analysis, 3.3",
        "logits of the target and of a few shadow pipelines for each record",
        "shadow pipelines follow the target's recipe; variances of records scatter about a common one",
    ),
    Needs.ANSWERS,
    _ratio,
    fewest=4,
)

EXCESS: Final = Attack(
    AttackCard(
        "shrunk Student-t excess",
        "LiRA offline, one-sided (arXiv:2112.03570, eq. 4), with the shrunk variances of BaVarIA, arXiv:2603.11799",
        "logits of the target and of a few shadow pipelines for each record",
        "OUT pipelines follow the target's recipe; members are more confident",
    ),
    Needs.ANSWERS,
    _excess,
    fewest=4,
    common=True,
)
