"""Attacks on a released synthetic set: is it denser, or nearer, around the record than a reference set is?

Both compare with records that the generator never saw (DOMIAS: van Breugel et al. 2023; GAN-Leaks: Chen et al. 2020), and
both can be calibrated per record by the synthetic sets of shadow pipelines through `calibrated_ratio`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle.audit._card import AttackCard
from upcycle.audit._features import check_features, nearest
from upcycle.audit._inputs import AuditInputError

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
