"""What tells members from non-members without any model: features of images and labels alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle.audit.attacks._signals import one_hot

THUMBNAIL: Final = 8
COMPONENTS: Final = 16


def blind_features(labels: np.ndarray, classes: int, images: np.ndarray | None) -> np.ndarray:
    """What membership can be told from without any model: float64 (n, features).

    One-hot label; with images also mean, deviation, extremes and mean step between neighbouring pixels per channel, and
    16 principal components of an 8x8 thumbnail.
    """
    plain = one_hot(labels, classes)
    if images is None:
        return plain
    n, height, width, _ = images.shape
    rows, columns = (np.arange(side) * THUMBNAIL // side for side in (height, width))
    thumbnails, moments = [], []
    for start in range(0, n, 512):
        batch = images[start : start + 512].astype(np.float64)
        flat = batch.reshape(len(batch), -1, batch.shape[-1])
        steps = [
            np.abs(np.diff(batch, axis=axis)).mean(axis=(1, 2)) if batch.shape[axis] > 1 else flat[:, 0] * 0 for axis in (1, 2)
        ]
        moments.append(np.hstack([flat.mean(1), flat.std(1), flat.min(1), flat.max(1), *steps]))
        thumbnails.append(_block_means(_block_means(batch, rows, 1), columns, 2).reshape(len(batch), -1))
    return np.hstack([plain, np.concatenate(moments), _components(np.concatenate(thumbnails))])


def _block_means(images: np.ndarray, blocks: np.ndarray, axis: int) -> np.ndarray:
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    sizes = np.diff(np.append(starts, len(blocks)))
    shape = [1] * images.ndim
    shape[axis] = len(sizes)
    return np.asarray(np.add.reduceat(images, starts, axis=axis) / sizes.reshape(shape))


def _components(rows: np.ndarray) -> np.ndarray:
    """The leading principal components of the rows; membership plays no part."""
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ vectors[:, ::-1][:, :COMPONENTS])
