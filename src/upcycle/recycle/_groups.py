"""Records that no fold may separate: those of one patient, equal images and near copies. If two copies of a record with a wrong
label fell into different folds, the classifier that learned one would vouch for the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from upcycle.data import ImageSet

NEAR_SHARE: Final = 0.05  # of held-out records that are as near to a member as two near copies are to each other
_SIDE: Final = 16  # of the thumbnails compared, in pixels at most: small shifts and noise fade there
_BLOCK: Final = 512


def unit_of(members: ImageSet, held_out: ImageSet) -> np.ndarray:
    """Unit of every member, int64 (n,) from 0: members of one patient, equal images and near copies share a number.

    Near copies are closer than `NEAR_SHARE` of the held-out records are to their nearest member, in correlation of thumbnails;
    a mirrored, inverted, brighter or higher-contrast copy is one, too. Labels play no part.
    """
    first, second = near_copies(members.images, held_out.images)
    if members.groups is not None:
        same = np.unique(members.groups, return_index=True, return_inverse=True)
        first = np.concatenate([first, np.arange(len(members))])
        second = np.concatenate([second, same[1][same[2]]])
    edges = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(members),) * 2)
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def near_copies(images: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (pairs,), (pairs,) of uint8 `images` (n, height, width, channels) that are near copies of one another."""
    base, queries = thumbnails(images), _views(images)
    apart = np.concatenate([gaps.min(1) for gaps in _gaps(_views(held_out), base)])
    limit = max(float(np.quantile(apart, NEAR_SHARE)), 1e-5)  # equal images correlate to rounding
    found = []
    for start, gaps in zip(range(0, len(images), _BLOCK), _gaps(queries, base), strict=True):
        rows, columns = np.nonzero(gaps <= limit)
        later = rows + start < columns
        found.append((rows[later] + start, columns[later]))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def thumbnails(images: np.ndarray) -> np.ndarray:
    """float32 (n, pixels): block means at most 16 pixels a side, less their own mean, of unit length; a flat image is zeros."""
    n, height, width, channels = images.shape
    step = max(1, -(-height // _SIDE))
    whole = images[:, : height // step * step, : width // step * step].astype(np.float32)
    blocks = whole.reshape(n, height // step, step, width // step, step, channels).mean((2, 4)).reshape(n, -1)
    blocks -= blocks.mean(1, keepdims=True)
    return np.asarray(blocks / np.maximum(np.linalg.norm(blocks, axis=1, keepdims=True), 1e-3))


def _views(images: np.ndarray) -> np.ndarray:
    """Thumbnails (2, n, pixels) of images as they are and mirrored."""
    return np.stack([thumbnails(images), thumbnails(images[:, :, ::-1])])


def _gaps(views: np.ndarray, base: np.ndarray) -> Iterator[np.ndarray]:
    """Block by block, 1 - |correlation| with every row of `base`, the smallest over the views."""
    for start in range(0, views.shape[1], _BLOCK):
        yield 1 - np.abs(np.stack([view[start : start + _BLOCK] @ base.T for view in views])).max(0)
