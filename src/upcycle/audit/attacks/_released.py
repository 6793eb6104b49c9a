"""Attacks on a released synthetic set: is it denser, or nearer, around the record than a reference set is?

Both compare with records that the generator never saw (DOMIAS: van Breugel et al. 2023; GAN-Leaks: Chen et al. 2020), and
both can be calibrated per record by the synthetic sets of shadow pipelines through `calibrated_ratio`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks._card import AttackCard
from upcycle.audit.attacks._features import check_features, check_labels, nearest
from upcycle.audit.attacks._shadow_set import ShadowSet, record_statistic
from upcycle.audit.attacks._signals import Predict, as_logits, log_odds_signal
from upcycle.audit.attacks._student_t import calibrated_ratio
from upcycle.errors import AuditInputError

_FEW, _BLOCK, _HIDDEN = 10, 512, 512

NEIGHBOUR_CARDS: Final = (
    AttackCard(
        "student at neighbouring images",
        "after Jagielski et al. 2023, arXiv:2303.03446",
        "logits of the student at images of the attacker's choice; the synthetic images, or others like them",
        "what the teacher memorised of a record also bends its answers on images like the record",
    ),
)

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


_TINY: Final = 1e-12


_NARROW: Final = 0.4  # of the usual distance: copies show in narrow kernels, likeness in wide ones (measured best: 0.35-0.5)


_ACCESS: Final = "the synthetic images, and reference records from outside the members"


_ASSUMPTION: Final = "members and reference records come from one population; distances in the feature space mean likeness"


DENSITY_CARDS: Final = (
    AttackCard("synthetic density ratio", "van Breugel et al. 2023 (DOMIAS), arXiv:2302.12580", _ACCESS, _ASSUMPTION, "T2"),
    AttackCard(
        "synthetic nearest neighbour", "Chen et al. 2020 (GAN-Leaks), arXiv:1909.03935, calibrated", _ACCESS, _ASSUMPTION, "T2"
    ),
)


def density_ratio(
    records: np.ndarray, synthetic: np.ndarray, reference: np.ndarray, *, bandwidth: float | None = None
) -> np.ndarray:
    """log density of `synthetic` minus that of `reference` at every record, float64 (n,), nats; Gaussian kernels.

    Features (n, d), (s, d) and (r >= 2, d) of one encoder. `bandwidth` None: 0.4 of the median distance from a
    reference record to its nearest other one. `reference` must hold none of the audited records. Raises AuditInputError.
    """
    x, drawn, known = check_features(records=records, synthetic=synthetic)[:2] + check_features(2, reference=reference)
    check_features(records=x, reference=known)
    _refuse_overlap(x, known)
    width = _NARROW * float(np.median(nearest(known, known, 2)[0][:, 1])) if bandwidth is None else bandwidth
    if not width > 0:
        raise AuditInputError(f"bandwidth must be above 0. Got {width}. Remove repeated reference records or give one.")
    return np.asarray(_log_density(x, drawn, width) - _log_density(x, known, width))


def nearest_ratio(records: np.ndarray, synthetic: np.ndarray, reference: np.ndarray, *, neighbours: int = 1) -> np.ndarray:
    """log of the mean distance to the `neighbours` nearest reference records minus log of that to the nearest synthetic
    images, float64 (n,): positive where the synthetic set is nearer. Give sets of equal size. See `density_ratio`."""
    x, drawn, known = check_features(records=records, synthetic=synthetic, reference=reference)
    _refuse_overlap(x, known)
    far, near = (nearest(x, pool, neighbours)[0].mean(axis=1) for pool in (known, drawn))
    return np.asarray(np.log(np.maximum(far, _TINY)) - np.log(np.maximum(near, _TINY)))


def _log_density(queries: np.ndarray, pool: np.ndarray, width: float) -> np.ndarray:
    """log of the mean kernel, without the constant that both densities share."""
    from scipy.special import logsumexp
    from sklearn.metrics import pairwise_distances_chunked

    blocks = pairwise_distances_chunked(
        queries,
        pool,
        reduce_func=lambda d, _: logsumexp(-(d**2) / (2 * width**2), axis=1) - np.log(len(pool)),
        working_memory=64,
    )
    return np.concatenate(list(blocks))


def _refuse_overlap(records: np.ndarray, reference: np.ndarray) -> None:
    same = int((nearest(records, reference, 1)[0] == 0).sum())
    if same:
        raise AuditInputError(
            f"reference must hold none of the audited records. Got {same} that equal one. Take them out or hold others back."
        )


def _neighbours(queries: np.ndarray, pool: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared mean pixel distances (n, count) and indices (n, count) of the nearest images of `pool`, in no order."""
    base = pool.reshape(len(pool), -1).astype(np.float32) / 255
    flat = queries.reshape(len(queries), -1).astype(np.float32) / 255
    lengths, found, near = np.einsum("ij,ij->i", base, base), [], []
    for start in range(0, len(flat), _BLOCK):
        part = flat[start : start + _BLOCK]
        squares = np.einsum("ij,ij->i", part, part)[:, None] + lengths - 2 * part @ base.T
        index = np.argpartition(squares, min(count, len(base) - 1), axis=1)[:, :count]
        near.append(index)
        found.append(np.maximum(np.take_along_axis(squares, index, 1), 0) / base.shape[1])
    return np.concatenate(found), np.concatenate(near)


def log_density_ratio(queries: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Log of a Gaussian kernel density (n,) of the pool in pixels; the width is the queries' own median nearest distance,
    so it is the same for every pipeline. Calibrated by shadows it is a density ratio as in DOMIAS (van Breugel et al.
    2023)."""
    some = queries[:: max(1, len(queries) // 1000)]
    own, _ = _neighbours(some, queries, 2)
    width = max(float(np.median(own.max(1))), 1e-9)
    squares, _ = _neighbours(queries, pool, min(50, len(pool)))
    exponents = -squares / (2 * width)
    top = exponents.max(1)
    return np.asarray(top + np.log(np.exp(exponents - top[:, None]).sum(1)))


def answers_at_neighbours(student: Predict, queries: np.ndarray, pool: np.ndarray, classes: int) -> np.ndarray:
    """The student's mean logits (n, 1, classes) at the synthetic images nearest to each record (Jagielski et al. 2023:
    membership shows at other inputs)."""
    _, near = _neighbours(queries, pool, min(_FEW, len(pool)))
    return np.asarray(as_logits(student(pool), classes)[near].mean(1, keepdims=True), np.float32)


def mass_of_neighbours(queries: np.ndarray, labels: np.ndarray, pool: np.ndarray, soft: np.ndarray) -> np.ndarray:
    """Mean soft label (n,) of the record's own label among its nearest synthetic images."""
    _, near = _neighbours(queries, pool, min(_FEW, len(pool)))
    return np.asarray(soft[near, labels[:, None]].mean(1))


def probe_logits(pool: np.ndarray, soft: np.ndarray, views: list[np.ndarray], seed: int) -> np.ndarray:
    """Logits (n, views, classes) of ridge regression on random rectified features of pixels, fitted to the log soft labels."""
    rng = numpy_rng(seed, "probe")
    pixels = pool[0].size
    weights = rng.normal(size=(pixels, _HIDDEN)).astype(np.float32) / np.sqrt(pixels)
    offsets = rng.normal(size=_HIDDEN).astype(np.float32) * 0.3
    mean, scale = float(pool.mean()), max(float(pool.std()), 1.0)

    def features(images: np.ndarray) -> np.ndarray:
        flat = (images.reshape(len(images), -1).astype(np.float32) - mean) / scale
        return np.hstack([np.maximum(flat @ weights + offsets, 0), np.ones((len(flat), 1), np.float32)])

    target = np.log(np.maximum(soft, 1e-4))
    target -= target.mean(1, keepdims=True)
    x = features(pool)
    gram = x.T @ x + 0.003 * len(x) * np.eye(x.shape[1], dtype=np.float32)
    found = np.linalg.solve(gram.astype(np.float64), x.T.astype(np.float64) @ target)
    return np.stack([features(view) @ found for view in views], axis=1).astype(np.float32)


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
