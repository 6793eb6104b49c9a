"""LiRA, the likelihood ratio attack (Carlini et al. 2022, arXiv:2112.03570), online and in both offline forms."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from upcycle.audit.attacks._card import AttackCard
from upcycle.audit.attacks._references import Moments, finish, judged, shadow_case, sides
from upcycle.audit.attacks._shadow_set import ShadowSet
from upcycle.errors import AuditInputError

DIFFICULTY_CARDS: Final = (
    AttackCard(
        "difficulty calibration",
        "Watson et al. 2022, arXiv:2111.08440",
        "logits of the target and of one or more OUT shadow pipelines for each record",
        "OUT pipelines follow the target's recipe; all records vary alike",
    ),
)


Variance = Literal["record", "pooled"]


_PAPER: Final = "Carlini et al. 2022, arXiv:2112.03570"


_ACCESS: Final = "logits of the target and of shadow pipelines for each record"


LIRA_CARDS: Final = (
    AttackCard(
        "LiRA online",
        f"{_PAPER}, algorithm 1",
        _ACCESS,
        "shadow pipelines follow the target's recipe, each record in about half of them; log-odds are Gaussian",
    ),
    AttackCard(
        "LiRA offline, density",
        f"{_PAPER}, section VI-C, as the authors' code scores it",
        _ACCESS,
        "OUT pipelines follow the target's recipe; anything unlike OUT counts, also a lower confidence",
    ),
    AttackCard(
        "LiRA offline, one-sided",
        f"{_PAPER}, section VI-C, eq. 4",
        _ACCESS,
        "OUT pipelines follow the target's recipe; members are more confident",
    ),
)


def lira_online(
    shadows: ShadowSet,
    target: int,
    *,
    signal: str = "log_odds",
    views: slice = slice(None),
    variance: Variance = "record",
) -> np.ndarray:
    """log N(x; IN) - log N(x; OUT), float64 (records,), nats, mean over the views.

    `variance` "record" takes each record's own, unbiased and from two references a side or more; "pooled" one per view
    and side over all records, each centred on its own mean (the paper's fixed variance). Raises AuditInputError.
    """
    case = shadow_case(shadows, target, signal, views)
    inside, outside = sides(case)
    ratio = _log_density(case.target, inside, variance) - _log_density(case.target, outside, variance)
    return finish(ratio, judged(inside, outside, least=_least(variance)), _least(variance))


def lira_offline_density(
    shadows: ShadowSet,
    target: int,
    *,
    signal: str = "log_odds",
    views: slice = slice(None),
    variance: Variance = "record",
) -> np.ndarray:
    """-log N(x; OUT), float64 (records,), nats, mean over the views: two-sided. See `lira_online`."""
    case = shadow_case(shadows, target, signal, views)
    _, outside = sides(case)
    return finish(-_log_density(case.target, outside, variance), judged(outside, least=_least(variance)), _least(variance))


def lira_offline_one_sided(
    shadows: ShadowSet,
    target: int,
    *,
    signal: str = "log_odds",
    views: slice = slice(None),
    variance: Variance = "record",
) -> np.ndarray:
    """-log P(Z > x) for Z ~ N(OUT), float64 (records,), nats, mean over the views.

    For one view it is -log(1 - Lambda) of the paper's Lambda: the same order, with its digits kept where Lambda rounds
    to 1. See `lira_online`.
    """
    from scipy.special import log_ndtr

    case = shadow_case(shadows, target, signal, views)
    _, outside = sides(case)
    z = (case.target - outside.mean) / np.sqrt(_variance(outside, variance))
    return finish(-log_ndtr(-z), judged(outside, least=_least(variance)), _least(variance))


def _log_density(x: np.ndarray, side: Moments, variance: Variance) -> np.ndarray:
    spread = _variance(side, variance)
    return np.asarray(-((x - side.mean) ** 2) / (2 * spread) - np.log(2 * np.pi * spread) / 2)


def _variance(side: Moments, variance: Variance) -> np.ndarray:
    if variance not in ("record", "pooled"):
        raise AuditInputError(f"variance must be record or pooled. Got {variance}. Choose one of them.")
    return side.variance if variance == "record" else side.pooled


def _least(variance: Variance) -> int:
    return 2 if variance == "record" else 1


def difficulty_calibrated(
    shadows: ShadowSet, target: int, *, signal: str = "log_odds", views: slice = slice(None)
) -> np.ndarray:
    """Statistic of the target minus its mean over the OUT references, float64 (records,), mean over the views."""
    case = shadow_case(shadows, target, signal, views)
    _, outside = sides(case)
    return finish(case.target - outside.mean, judged(outside, least=1), 1)
