"""The two values every other room receives: labelled images, and a data set cut into three splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upcycle.data._preprocess import Preprocess
from upcycle.data._rows import rows
from upcycle.data.readers import image_hashes


@dataclass(frozen=True)
class ImageSet:
    """Labelled images. `images` uint8 (n, height, width, channels) with 1 or 3 channels, height == width;
    `labels` int64 (n,) in 0..classes-1; `groups` int64 (n,) or None: images of one group are of one patient.

    Where a check reads large sets, `digests` stand for images that were not kept, and `images` are zeros of their shape."""

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None
    digests: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> ImageSet:
        """The chosen rows, in the order of `indices` (int or bool array)."""
        groups, labels = None if self.groups is None else self.groups[indices], self.labels[indices]
        if self.digests is None:
            return ImageSet(rows(self.images, indices), labels, groups)
        return ImageSet(
            np.broadcast_to(self.images[:1], (len(labels), *self.images.shape[1:])), labels, groups, self.digests[indices]
        )

    def sketched(self) -> ImageSet:
        """The same with digests in place of the images: enough for checks, splits and coin flips, and it takes no memory."""
        stand_in = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), self.images.shape)
        return ImageSet(stand_in, self.labels, self.groups, self.hashes())

    def hashes(self) -> np.ndarray:
        """S16 (n,), equal exactly for byte-identical images."""
        return image_hashes(self.images) if self.digests is None else self.digests


@dataclass(frozen=True)
class Dataset:
    """A private data set as read.

    Attributes:
        name: of the source.
        train: members and non-members are drawn from it.
        validation: for every choice.
        test: read once.
        class_names: in the order of the labels.
        notes: what the reader did to the input.
        preprocess: how later images are prepared alike; left out for uint8 images as they are.
    """

    name: str
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    preprocess: Preprocess = None  # type: ignore[assignment]  # set below, where it was left out

    def __post_init__(self) -> None:
        if self.preprocess is None:
            channels: Any = self.channels
            object.__setattr__(self, "preprocess", Preprocess(channels, self.size))

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def size(self) -> int:
        """Side of the square images in pixels."""
        return int(self.train.images.shape[1])

    @property
    def channels(self) -> int:
        return int(self.train.images.shape[3])

    def splits(self) -> dict[str, ImageSet]:
        return {"train": self.train, "validation": self.validation, "test": self.test}
