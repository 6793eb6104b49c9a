"""The nearest images: one search for copies, attacks and designs; and records that are nearly the same image."""

from typing import Final

import numpy as np

_BLOCK: Final = 512  # queries at a time
_ROWS: Final = 32_768  # of the pool at a time: only they are ever floats
_WORK: Final = 8_000_000  # differences held at a time
_COMPONENTS, _NEIGHBOURS, _LOOKED_AT = 32, 5, 5000
_NEAR: Final = 0.1  # of the usual distance between neighbours: pictures of different things lie farther apart
Nearest = tuple[np.ndarray, np.ndarray]
"""What `nearest_two` returns."""


def nearest(queries: np.ndarray, pool: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Root-mean-square distances float64 (n, k) to the k = min(count, m) nearest of `pool` (m, ...), nearest first, and their
    indices int64 (n, k). Images or features (n, ...); memory stays at a block of queries times a block of the pool."""
    found = _nearest(queries, pool[:_ROWS], count)
    for start in range(_ROWS, len(pool), _ROWS):
        distances, index = _nearest(queries, pool[start : start + _ROWS], count)
        both = np.hstack([found[0], distances]), np.hstack([found[1], index + start])
        order = np.argsort(both[0], axis=1, kind="stable")[:, :count]
        found = np.take_along_axis(both[0], order, 1), np.take_along_axis(both[1], order, 1)
    return found


def _nearest(queries: np.ndarray, pool: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    base, k = _flat(pool), min(count, len(pool))
    squares = np.einsum("ij,ij->i", base, base)
    distances, index = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), _BLOCK):
        part = _flat(queries[start : start + _BLOCK])
        found = np.argpartition(squares - 2 * part @ base.T, k - 1, axis=1)[:, :k]
        exact = _exact(part, base, found)  # the rough ones cancel where images are alike
        order = np.argsort(exact, axis=1, kind="stable")
        distances[start : start + len(part)] = np.take_along_axis(exact, order, 1)
        index[start : start + len(part)] = np.take_along_axis(found, order, 1)
    return distances, index


def nearest_two(queries: np.ndarray, pool: np.ndarray) -> Nearest:
    """Root-mean-square distances (n, 2) to the nearest and second nearest of `pool` (m >= 2, ...), in grey levels for images,
    and the index (n,) of the nearest."""
    distances, index = nearest(queries, pool, 2)
    return distances, index[:, 0]


def near_copies(images: np.ndarray, units: np.ndarray) -> float:
    """Share in 0..1 of uint8 images (n, ...) that have a near copy in another unit (n,), among 5,000 of them at most.

    A near copy differs by less than a tenth (root mean square over the pixels) of what the median record does from the farthest
    of its five nearest, which a few copies do not change. The nearest are those in 32 principal components; mirrored, shifted
    or cropped copies are not seen.
    """
    from sklearn.decomposition import PCA

    flat = _flat(images)
    space = PCA(min(_COMPONENTS, *flat.shape), svd_solver="randomized", random_state=0).fit_transform(flat)
    some = np.arange(0, len(flat), max(1, -(-len(flat) // _LOOKED_AT)))
    _, near = nearest(space[some], space, _NEIGHBOURS + 1)
    apart = _exact(flat[some], flat, near)
    usual = float(np.median(apart.max(1)))
    return float(((apart < _NEAR * usual) & (units[near] != units[some, None])).any(1).mean())


def _exact(part: np.ndarray, base: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Root-mean-square distances float64 (n, k) of `part` (n, d) to the rows `index` (n, k) of `base`."""
    found = np.empty(index.shape)
    step = max(1, _WORK // (index.shape[1] * part.shape[1]))
    for start in range(0, len(part), step):
        rows = slice(start, start + step)
        found[rows] = np.sqrt(((part[rows, None, :].astype(np.float64) - base[index[rows]]) ** 2).mean(2))
    return found


def _flat(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images).reshape(len(images), -1).astype(np.float32)
