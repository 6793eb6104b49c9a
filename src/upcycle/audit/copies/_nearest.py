"""Records that are nearly the same image, such as one that was saved twice: on both sides of a coin they hide a leak."""

from __future__ import annotations

from typing import Final

import numpy as np

_BLOCK = 512

Nearest = tuple[np.ndarray, np.ndarray]
"""What `nearest_two` returns."""


def nearest_two(queries: np.ndarray, pool: np.ndarray) -> Nearest:
    """Root-mean-square pixel distances (n, 2) to the nearest and second nearest image of `pool`, and the index (n,) of the
    nearest. uint8 images (n, ...) and (m >= 2, ...); memory stays at a block of queries times the pool."""
    flat, base = _flat(queries), _flat(pool)
    squares = np.einsum("ij,ij->i", base, base)
    distances, index = np.empty((len(flat), 2)), np.empty(len(flat), np.int64)
    for start in range(0, len(flat), _BLOCK):
        part = flat[start : start + _BLOCK]
        rough = squares - 2 * part @ base.T
        two = np.argpartition(rough, 1, axis=1)[:, :2]
        exact = ((part[:, None, :].astype(float) - base[two]) ** 2).mean(2)  # the rough ones cancel where images are alike
        order = np.argsort(exact, axis=1)
        distances[start : start + len(part)] = np.sqrt(np.take_along_axis(exact, order, 1))
        index[start : start + len(part)] = np.take_along_axis(two, order, 1)[:, 0]
    return distances, index


def _flat(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images).reshape(len(images), -1).astype(np.float32)


_COMPONENTS, _NEIGHBOURS, _LOOKED_AT = 32, 5, 5000


_NEAR: Final = 0.1  # of the usual distance between neighbours: pictures of different things lie farther apart


def near_copies(images: np.ndarray, units: np.ndarray) -> float:
    """Share in 0..1 of uint8 images (n, ...) that have a near copy in another unit (n,), among 5,000 of them at most.

    A near copy differs by less than a tenth (root mean square over the pixels) of what the median record does from the farthest
    of its five nearest, which a few copies do not change. The nearest are those in 32 principal components; mirrored, shifted
    or cropped copies are not seen.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    flat = images.reshape(len(images), -1).astype(np.float32)
    space = PCA(min(_COMPONENTS, *flat.shape), svd_solver="randomized", random_state=0).fit_transform(flat)
    some = np.arange(0, len(flat), max(1, -(-len(flat) // _LOOKED_AT)))
    search = NearestNeighbors(n_neighbors=min(_NEIGHBOURS + 1, len(flat))).fit(space)
    near = search.kneighbors(space[some], return_distance=False)
    apart = np.stack([np.sqrt(((flat[some] - flat[column]) ** 2).mean(1)) for column in near.T], axis=1)
    usual = float(np.median(apart.max(1)))
    return float(((apart < _NEAR * usual) & (units[near] != units[some, None])).any(1).mean())
