"""What a check needs of images that are not kept, so that its memory does not grow with their number."""

import hashlib
from dataclasses import dataclass

import numpy as np

from upcycle._arguments import typed


class NeedsPixels(Exception):
    """Images differ in channels or are deeper than 8 bits: what becomes of each depends on all, so they must be kept."""


@dataclass(frozen=True)
class Sketch:
    """`digests` S16 (n,) as by `image_hashes` of images of `shape` (n, h, w, channels); `blank` of them are of one shade, and
    `highest` is the highest value of all."""

    shape: tuple[int, int, int, int]
    digests: np.ndarray
    blank: int
    highest: int

    def stand_in(self) -> np.ndarray:
        """uint8 zeros of `shape` that take no memory."""
        return np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), self.shape)


@typed()
def image_hashes(images: np.ndarray) -> np.ndarray:
    """One 16-byte hash per image, dtype S16 (n,); equal exactly for byte-identical images."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    return np.array([digest(row.data) for row in flat], dtype="S16")


def digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=15).digest() + b"\x01"  # no trailing zero byte, which S drops


def is_blank(content: bytes, channels: int) -> bool:
    """Whether every pixel is as the first."""
    return content == content[:channels] * (len(content) // channels)


def count_blank(images: np.ndarray) -> int:
    """How many of images (n, h, w, channels) are of one shade all over."""
    return sum(int((image == image[:1, :1]).all()) for image in images)
