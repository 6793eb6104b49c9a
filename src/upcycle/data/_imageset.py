"""The two values every other room receives: labelled images, and a data set cut into three splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upcycle.data._preprocess import Preprocess


@dataclass(frozen=True)
class ImageSet:
    """Labelled images. `images` uint8 (n, height, width, channels) with 1 or 3 channels, height == width;
    `labels` int64 (n,) in 0..classes-1; `groups` int64 (n,) or None: images of one group are of one patient."""

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> ImageSet:
        """The chosen rows, in the order of `indices` (int or bool array)."""
        groups = None if self.groups is None else self.groups[indices]
        return ImageSet(self.images[indices], self.labels[indices], groups)


@dataclass(frozen=True)
class Dataset:
    """A private data set as read: three splits, the class names, what the reader did to the input (`notes`), and how later
    images are prepared alike (`preprocess`; left out, for uint8 images as they are)."""

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
