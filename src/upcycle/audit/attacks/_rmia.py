"""RMIA, the robust membership inference attack (Zarifzadeh et al. 2024, arXiv:2312.03262), computed by sorting."""

from functools import partial
from typing import Final, Literal

import numpy as np

from upcycle.audit.attacks._attack import Attack, AttackCard, Needs
from upcycle.audit.attacks._shadow_set import ShadowSet, reference_indices

_TINY: Final = 1e-300
_SLOPE: Final = 0.3  # of p(x|IN) as a line in p(x|OUT), fixed beforehand
_PAPER: Final = "Zarifzadeh et al. 2024, arXiv:2312.03262"


def rmia(shadows: ShadowSet, target: int, *, form: Literal["online", "offline"] = "online") -> np.ndarray:
    """Share of records z with ratio(x) >= ratio(z), float64 (records,) in 0..1, mean over the views; ratio(x) =
    p(x | target) / p(x).

    p(x), online: mean of the mean over IN and that over OUT references; offline: (1.3 p_out + 0.7) / 2 from OUT alone. The
    audited records are their own population. One sort and one binary search per record: O(n log n), never an n x n matrix.
    Raises AuditInputError.
    """
    others = reference_indices(shadows.member, target)
    known, member = np.exp(shadows.statistic("loss")), shadows.member[others]
    scores, views = np.zeros(known.shape[1]), known.shape[2]
    for view in range(views):
        ratios = _ratios(known[target, :, view], known[others, :, view], member, form)
        scores += share_below(ratios, ratios) / views
    return scores


def share_below(ratios: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of `others` (z,) at or below ratios, float64 (n,)."""
    return np.asarray(np.searchsorted(np.sort(others), ratios, side="right") / len(others))


def _ratios(own: np.ndarray, references: np.ndarray, member: np.ndarray, form: str) -> np.ndarray:
    """p(x | target) / p(x), float64 (records,), of probabilities of the target (records,) and of `references` (references,
    records) with their `member`. A side without a reference borrows the other."""
    counts = np.stack([(~member).sum(axis=0), member.sum(axis=0)])
    means = np.stack([(references * used).sum(axis=0) for used in (~member, member)]) / np.maximum(counts, 1)
    out = np.where(counts[0] > 0, means[0], means[1])
    if form == "offline":
        prior = ((1 + _SLOPE) * out + 1 - _SLOPE) / 2
    else:
        prior = (out + np.where(counts[1] > 0, means[1], means[0])) / 2
    return np.asarray(own / np.maximum(prior, _TINY))


RMIA: Final = Attack(
    AttackCard(
        "RMIA online",
        _PAPER,
        "logits of the target and of shadow pipelines for each record and for population records",
        "shadow pipelines follow the target's recipe; population records are drawn as the audited ones",
    ),
    Needs.SHADOWS,
    rmia,
    fewest=4,
)
RMIA_OFFLINE: Final = Attack(
    AttackCard(
        "RMIA offline",
        f"{_PAPER}, appendix B.2.2",
        "logits of the target and of OUT shadow pipelines for each record and for population records",
        "as RMIA online; p(x|IN) is a line in p(x|OUT), its slope fixed beforehand",
    ),
    Needs.SHADOWS,
    partial(rmia, form="offline"),
    fewest=4,
)
