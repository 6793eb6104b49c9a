"""Attacks on released soft labels: what they say about a record that was never among the released images
(Behrens & Zdeborova 2026, arXiv:2506.14457; Jagielski et al. 2023, arXiv:2303.03446)."""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit._card import AttackCard
from upcycle.audit._features import check_features, check_labels, nearest
from upcycle.audit._inputs import AuditInputError
from upcycle.audit._signals import log_odds_signal

_SMALL: Final = 1e-6
_SOFT_ACCESS: Final = "the synthetic images and their soft labels"
SOFT_LABEL_CARDS: Final = (
    AttackCard(
        "soft-label probe",
        "after Behrens & Zdeborova 2026, arXiv:2506.14457",
        _SOFT_ACCESS,
        "the soft labels are the teacher's as a function of the image; a probe recovers it near the records",
        "T3",
    ),
    AttackCard(
        "soft-label mass",
        "after Jagielski et al. 2023, arXiv:2303.03446",
        _SOFT_ACCESS,
        "the teacher is surer of a member's label also on images like it; a wrong label says most",
        "T3",
        "canary, outlier",
    ),
)


def probe_statistic(
    records: np.ndarray,
    labels: np.ndarray,
    synthetic: np.ndarray,
    soft_labels: np.ndarray,
    *,
    landmarks: int = 1000,
    ridge: float = 1e-3,
    seed: int = 0,
) -> np.ndarray:
    """Log-odds of the records' labels under a probe that learned the released pairs, float64 (n,).

    The probe is a kernel ridge regression (Gaussian kernel of median width on up to `landmarks` Nystroem points) from
    features (s, d) to the logarithms of `soft_labels` (s, classes): closed-form, so that shadows cost a second each.
    Raises AuditInputError.
    """
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    x, drawn, logs, own = _pairs(records, labels, synthetic, soft_labels)
    count = min(landmarks, len(drawn))
    some = drawn[numpy_rng(seed, "kernel width").permutation(len(drawn))[:500]]
    width = np.median(np.linalg.norm(some[:, None] - some[None], axis=2)) or 1.0
    kernel = Nystroem(gamma=1 / (2 * width**2), n_components=count, random_state=derive_seed(seed, "landmarks") % 2**32)
    return log_odds_signal(make_pipeline(kernel, Ridge(ridge)).fit(drawn, logs).predict(x), own)


def label_mass(
    records: np.ndarray, labels: np.ndarray, synthetic: np.ndarray, soft_labels: np.ndarray, *, neighbours: int = 10
) -> np.ndarray:
    """Log-odds of the record's label in the mean soft label of its `neighbours` nearest synthetic images, float64 (n,)."""
    x, drawn, _, own = _pairs(records, labels, synthetic, soft_labels)
    _, index = nearest(x, drawn, neighbours)
    mean = np.asarray(soft_labels, dtype=np.float64)[index].mean(axis=1)
    return log_odds_signal(np.log(np.maximum(mean, _SMALL)), own)


def _pairs(
    records: np.ndarray, labels: np.ndarray, synthetic: np.ndarray, soft_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Checked record features, synthetic features, log soft labels float64 (s, classes), labels int64."""
    x, drawn = check_features(records=records, synthetic=synthetic)
    soft = np.asarray(soft_labels)
    sound = soft.ndim == 2 and soft.shape[0] == len(drawn) and soft.shape[-1] >= 2 and soft.dtype.kind == "f"
    if not sound or not np.isfinite(soft).all() or soft.min() < 0 or abs(soft.sum(axis=1) - 1).max() > 0.01:
        raise AuditInputError(
            f"soft_labels must be probabilities of shape ({len(drawn)}, classes) whose rows sum to 1. Got {soft.dtype} "
            f"{soft.shape}. Give one row per synthetic image, after the softmax."
        )
    logs = np.log(np.maximum(soft.astype(np.float64), _SMALL))
    return x, drawn, logs, check_labels(labels, len(x), soft.shape[1])
