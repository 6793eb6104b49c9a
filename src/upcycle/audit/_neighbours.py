"""Querying a student beside the record instead of at it: its outputs on the nearest synthetic images
("Students parrot their teachers", Jagielski et al. 2023, arXiv:2303.03446)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from upcycle.audit._card import AttackCard
from upcycle.audit._features import check_features, check_labels, nearest
from upcycle.audit._inputs import AuditInputError
from upcycle.audit._shadow_set import ShadowSet, record_statistic
from upcycle.audit._student_t import calibrated_ratio

NEIGHBOUR_CARDS: Final = (
    AttackCard(
        "student at neighbouring images",
        "after Jagielski et al. 2023, arXiv:2303.03446",
        "logits of the student at images of the attacker's choice; the synthetic images, or others like them",
        "what the teacher memorised of a record also bends its answers on images like the record",
    ),
)


def neighbour_logits(
    predict: Callable[[np.ndarray], np.ndarray],
    records: np.ndarray,
    synthetic: np.ndarray,
    synthetic_images: np.ndarray,
    *,
    neighbours: int = 5,
) -> np.ndarray:
    """Logits float32 (n, neighbours, classes) of `predict` at the synthetic images nearest to each record, nearest first.

    `records` (n, d) and `synthetic` (s, d) are features of one encoder; `predict` maps images (m, ...) of
    `synthetic_images` (s, ...) to logits (m, classes) and sees every image once. The result fits a `ShadowSet` as further
    views, if every pipeline is asked about the same images. Raises AuditInputError.
    """
    x, drawn = check_features(records=records, synthetic=synthetic)
    if len(synthetic_images) != len(drawn):
        raise AuditInputError(
            f"synthetic_images must be {len(drawn)}, as many as their features. Got {len(synthetic_images)}. Pair them."
        )
    _, index = nearest(x, drawn, neighbours)
    asked, where = np.unique(index, return_inverse=True)
    return np.asarray(predict(synthetic_images[asked]), dtype=np.float32)[where.reshape(index.shape)]


def neighbour_statistic(logits: np.ndarray, labels: np.ndarray, *, signal: str = "log_odds") -> np.ndarray:
    """Mean over the neighbours of `signal` for the record's own label, float64 (n,); `logits` (n, neighbours, classes)."""
    own = check_labels(labels, len(logits), np.shape(logits)[-1])
    return np.asarray(record_statistic(logits, own, signal).mean(axis=-1))


def neighbour_ratio(shadows: ShadowSet, target: int, *, own_views: int, signal: str = "log_odds") -> np.ndarray:
    """Shrunk Student-t ratio, float64 (records,), of two queries: the mean statistic of the first `own_views` views and
    that of the others, which are neighbouring images. Raises AuditInputError."""
    views = shadows.logits.shape[2]
    if not 0 <= own_views < views:
        raise AuditInputError(f"own_views must be in 0..{views - 1}. Got {own_views}. Append the neighbours as further views.")
    values = record_statistic(shadows.logits, shadows.labels, signal)
    parts = [part.mean(axis=2) for part in (values[..., :own_views], values[..., own_views:]) if part.shape[2]]
    return calibrated_ratio(np.stack(parts, axis=2), shadows.member, target)
