"""Rows of images that lie in a file: read a block at a time, and let go, so that the file is never in memory as a whole."""

import mmap
from typing import Any, Final

import numpy as np

_BLOCK: Final = 1 << 20  # bytes copied at a time


def rows(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """`images[indices]` (int or bool), a copy. Of a file that is mapped for reading only, pages are let go as soon as they are
    copied: else its pages and their copy would be in memory together."""
    mapped = _mapping(images)
    if mapped is None:
        return np.asarray(images[indices])
    chosen = np.flatnonzero(indices) if indices.dtype == bool else indices
    out = np.empty((len(chosen), *images.shape[1:]), images.dtype)
    step = max(1, _BLOCK // max(1, images[:1].nbytes))
    for start in range(0, len(chosen), step):
        out[start : start + step] = images[chosen[start : start + step]]
        mapped.madvise(mmap.MADV_DONTNEED)
    return out


def _mapping(images: np.ndarray) -> mmap.mmap | None:
    """The mapping of a file, where `images` lie in one that nobody may write to, and the system can let go of its pages."""
    owner: Any = images
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap) and owner.mode != "r":
            return None
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
