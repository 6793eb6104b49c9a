"""RMIA, the robust membership inference attack (Zarifzadeh et al. 2024, arXiv:2312.03262), computed by sorting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from upcycle.audit.attacks._card import AttackCard
from upcycle.audit.attacks._shadow_set import ShadowSet, record_statistic, reference_indices
from upcycle.errors import AuditInputError

_TINY: Final = 1e-300


_PAPER: Final = "Zarifzadeh et al. 2024, arXiv:2312.03262"


RMIA_CARDS: Final = (
    AttackCard(
        "RMIA online",
        _PAPER,
        "logits of the target and of shadow pipelines for each record and for population records",
        "shadow pipelines follow the target's recipe; population records are drawn as the audited ones",
    ),
    AttackCard(
        "RMIA offline",
        f"{_PAPER}, appendix B.2.2",
        "logits of the target and of OUT shadow pipelines for each record and for population records",
        "as RMIA online; p(x|IN) is a line in p(x|OUT), its slope fixed beforehand",
    ),
)


@dataclass(frozen=True, eq=False)
class Population:
    """Records that no pipeline was given: `logits` float (pipelines, records, views, classes), pipelines and views as in
    the shadow set, and `labels` int (records,)."""

    logits: np.ndarray
    labels: np.ndarray


def rmia(
    shadows: ShadowSet,
    target: int,
    *,
    population: Population | None = None,
    form: Literal["online", "offline"] = "online",
    gamma: float = 1.0,
    slope: float = 0.3,
) -> np.ndarray:
    """Share of population records z with ratio(x) / ratio(z) >= `gamma`, float64 (records,) in 0..1, mean over the views;
    ratio(x) = p(x | target) / p(x).

    p(x), online: mean of the mean over IN and that over OUT references; offline: ((1 + slope) p_out + 1 - slope) / 2
    from OUT alone. p(z) is the mean over all references, adjusted alike offline. Without `population` the audited records
    are their own. One sort and one binary search per record: O((n + z) log z), never an n x z matrix. Raises
    AuditInputError.
    """
    others = reference_indices(shadows.member, target)
    if form not in ("online", "offline") or not gamma > 0 or not 0 <= slope <= 1:
        raise AuditInputError(
            f"form must be online or offline, gamma above 0 and slope in 0..1. Got {form}, {gamma} and {slope}. Change them."
        )
    known, crowd = np.exp(shadows.statistic("loss")), _crowd(shadows, population)
    member, scores, views = shadows.member[others], np.zeros(known.shape[1]), known.shape[2]
    for view in range(views):
        ratios = against = _ratios(known[target, :, view], known[others, :, view], member, form, slope)
        if crowd is not None:
            outside = np.zeros((len(others), crowd.shape[1]), bool)
            against = _ratios(crowd[target, :, view], crowd[others, :, view], outside, form, slope)
        scores += share_below(ratios, against, gamma) / views
    return scores


def share_below(ratios: np.ndarray, others: np.ndarray, gamma: float) -> np.ndarray:
    """Share of `others` (z,) at or below ratios / gamma, float64 (n,)."""
    return np.asarray(np.searchsorted(np.sort(others), ratios / gamma, side="right") / len(others))


def _ratios(own: np.ndarray, references: np.ndarray, member: np.ndarray, form: str, slope: float) -> np.ndarray:
    """p(x | target) / p(x), float64 (records,), of probabilities of the target (records,) and of `references` (references,
    records) with their `member`. A side without a reference borrows the other."""
    counts = np.stack([(~member).sum(axis=0), member.sum(axis=0)])
    means = np.stack([(references * used).sum(axis=0) for used in (~member, member)]) / np.maximum(counts, 1)
    out = np.where(counts[0] > 0, means[0], means[1])
    if form == "offline":
        prior = ((1 + slope) * out + 1 - slope) / 2
    else:
        prior = (out + np.where(counts[1] > 0, means[1], means[0])) / 2
    return np.asarray(own / np.maximum(prior, _TINY))


def _crowd(shadows: ShadowSet, population: Population | None) -> np.ndarray | None:
    """Probabilities float64 (pipelines, records, views) of the population by all pipelines."""
    if population is None:
        return None
    logits, labels = np.asarray(population.logits), np.asarray(population.labels)
    expected = (shadows.pipelines, len(labels), *shadows.logits.shape[2:])
    if logits.shape != expected or not len(labels):
        raise AuditInputError(
            f"population logits must have shape {expected} with at least one record. Got {logits.shape}. "
            "Ask every pipeline for the same views."
        )
    return np.asarray(np.exp(record_statistic(logits, labels, "loss")))
