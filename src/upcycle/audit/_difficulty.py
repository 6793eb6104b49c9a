"""Difficulty calibration: how much surer the target is than pipelines that never saw the record (Watson et al. 2022)."""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle.audit._card import AttackCard
from upcycle.audit._case import finish, judged, shadow_case, sides
from upcycle.audit._shadow_set import ShadowSet

DIFFICULTY_CARDS: Final = (
    AttackCard(
        "difficulty calibration",
        "Watson et al. 2022, arXiv:2111.08440",
        "logits of the target and of one or more OUT shadow pipelines for each record",
        "OUT pipelines follow the target's recipe; all records vary alike",
    ),
)


def difficulty_calibrated(
    shadows: ShadowSet, target: int, *, signal: str = "log_odds", views: slice = slice(None)
) -> np.ndarray:
    """Statistic of the target minus its mean over the OUT references, float64 (records,), mean over the views."""
    case = shadow_case(shadows, target, signal, views)
    _, outside = sides(case)
    return finish(case.target - outside.mean, judged(outside, least=1), 1)
