"""Where distances between images are measured: pixels and their principal components, never a net that saw the records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from upcycle.errors import AuditInputError

Encoder = Callable[[np.ndarray], np.ndarray]


def pixel_encoder(images: np.ndarray, components: int = 32, *, seed: int = 0) -> Encoder:
    """A function from images (n, ...) to float64 (n, components): the leading principal components of `images`' pixels.

    Give released or public images; membership must play no part. Fewer components where the images have fewer.
    """
    from sklearn.decomposition import PCA

    flat = _flat(images)
    pca = PCA(min(components, *flat.shape), random_state=seed % 2**32).fit(flat)
    return lambda others: np.asarray(pca.transform(_flat(others)), dtype=np.float64)


def check_features(least: int = 1, **features: np.ndarray) -> list[np.ndarray]:
    """The features as float64 (n, dimensions), finite, equally wide, at least `least` rows each. Raises AuditInputError."""
    arrays = {name: np.asarray(values) for name, values in features.items()}
    widths = {a.shape[1:] for a in arrays.values()}
    problems = []
    for name, a in arrays.items():
        if a.ndim != 2 or a.dtype.kind not in "fiub" or len(a) < least:
            problems.append(
                f"{name} must be numbers of shape (n >= {least}, dimensions). Got {a.dtype} {a.shape}. Give one row per image."
            )
        elif not np.isfinite(a).all():
            problems.append(f"{name} must be finite. Got {int((~np.isfinite(a)).sum())} NaN or infinite. Mend the encoder.")
    if not problems and len(widths) > 1:
        problems.append(f"features must be equally wide. Got {sorted(widths)}. Use one encoder for all.")
    if problems:
        raise AuditInputError(*problems)
    return [a.astype(np.float64) for a in arrays.values()]


def check_labels(labels: np.ndarray, records: int, classes: int | None = None) -> np.ndarray:
    """int64 (records,), in 0..classes-1 where `classes` is given. Raises AuditInputError."""
    labels = np.asarray(labels)
    top = np.inf if classes is None else classes
    if labels.shape != (records,) or labels.dtype.kind not in "iu" or (records and not 0 <= labels.min() <= labels.max() < top):
        allowed = "integers from 0" if classes is None else f"integers in 0..{classes - 1}"
        raise AuditInputError(
            f"labels must be {allowed} of shape ({records},). Got {labels.dtype} {labels.shape}. Give one per record."
        )
    return labels.astype(np.int64)


def nearest(queries: np.ndarray, pool: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Euclidean distances and indices (n, k) of the k nearest rows of `pool`, nearest first; memory stays blocked."""
    from sklearn.neighbors import NearestNeighbors

    if not 1 <= k <= len(pool):
        raise AuditInputError(f"neighbours must be in 1..{len(pool)}. Got {k}. Ask for fewer or give more images.")
    distances, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(pool).kneighbors(queries)
    exact = np.linalg.norm(queries[:, None, :] - pool[index], axis=2) if queries.size * k < 1e8 else distances
    return np.asarray(exact, dtype=np.float64), np.asarray(index, dtype=np.int64)


def _flat(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim < 2 or not len(images):
        raise AuditInputError(f"images must have shape (n >= 1, ...). Got {images.shape}. Give at least one image.")
    return np.ascontiguousarray(images.reshape(len(images), -1), dtype=np.float32)
