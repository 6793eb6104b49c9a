"""LiRA, the likelihood ratio attack (Carlini et al. 2022, arXiv:2112.03570), online and in both offline forms, and difficulty
calibration (Watson et al. 2022)."""

from typing import Final

import numpy as np

from upcycle.audit.attacks._attack import Attack, AttackCard, Needs
from upcycle.audit.attacks._references import Moments, finish, judged, shadow_case, sides
from upcycle.audit.attacks._shadow_set import ShadowSet

_PAPER: Final = "Carlini et al. 2022, arXiv:2112.03570"
_ACCESS: Final = "logits of the target and of shadow pipelines for each record"
_LEAST: Final = 2  # references on a side, for a record's own variance


def lira_online(shadows: ShadowSet, target: int) -> np.ndarray:
    """log N(x; IN) - log N(x; OUT), float64 (records,), nats, mean over the views. Variances are each record's own, unbiased
    and from two references a side or more. Raises AuditInputError."""
    case = shadow_case(shadows, target)
    inside, outside = sides(case)
    return finish(
        _log_density(case.target, inside) - _log_density(case.target, outside), judged(inside, outside, least=_LEAST), _LEAST
    )


def lira_offline_density(shadows: ShadowSet, target: int) -> np.ndarray:
    """-log N(x; OUT), float64 (records,), nats, mean over the views: two-sided. See `lira_online`."""
    case = shadow_case(shadows, target)
    _, outside = sides(case)
    return finish(-_log_density(case.target, outside), judged(outside, least=_LEAST), _LEAST)


def lira_offline_one_sided(shadows: ShadowSet, target: int) -> np.ndarray:
    """-log P(Z > x) for Z ~ N(OUT), float64 (records,), nats, mean over the views.

    For one view it is -log(1 - Lambda) of the paper's Lambda: the same order, with its digits kept where Lambda rounds
    to 1. See `lira_online`.
    """
    from scipy.special import log_ndtr

    case = shadow_case(shadows, target)
    _, outside = sides(case)
    z = (case.target - outside.mean) / np.sqrt(outside.variance)
    return finish(-log_ndtr(-z), judged(outside, least=_LEAST), _LEAST)


def difficulty_calibrated(shadows: ShadowSet, target: int) -> np.ndarray:
    """Log-odds of the target minus their mean over the OUT references, float64 (records,), mean over the views."""
    case = shadow_case(shadows, target)
    _, outside = sides(case)
    return finish(case.target - outside.mean, judged(outside, least=1), 1)


def _log_density(x: np.ndarray, side: Moments) -> np.ndarray:
    return np.asarray(-((x - side.mean) ** 2) / (2 * side.variance) - np.log(2 * np.pi * side.variance) / 2)


LIRA: Final = Attack(
    AttackCard(
        "LiRA online",
        f"{_PAPER}, algorithm 1",
        _ACCESS,
        "shadow pipelines follow the target's recipe, each record in about half of them; log-odds are Gaussian",
    ),
    Needs.SHADOWS,
    lira_online,
    fewest=6,
)
LIRA_DENSITY: Final = Attack(
    AttackCard(
        "LiRA offline, density",
        f"{_PAPER}, section VI-C, as the authors' code scores it",
        _ACCESS,
        "OUT pipelines follow the target's recipe; anything unlike OUT counts, also a lower confidence",
    ),
    Needs.SHADOWS,
    lira_offline_density,
    fewest=6,
)
LIRA_ONE_SIDED: Final = Attack(
    AttackCard(
        "LiRA offline, one-sided",
        f"{_PAPER}, section VI-C, eq. 4",
        _ACCESS,
        "OUT pipelines follow the target's recipe; members are more confident",
    ),
    Needs.SHADOWS,
    lira_offline_one_sided,
    fewest=6,
)
DIFFICULTY: Final = Attack(
    AttackCard(
        "difficulty calibration",
        "Watson et al. 2022, arXiv:2111.08440",
        "logits of the target and of one or more OUT shadow pipelines for each record",
        "OUT pipelines follow the target's recipe; all records vary alike",
    ),
    Needs.SHADOWS,
    difficulty_calibrated,
    fewest=4,
)
