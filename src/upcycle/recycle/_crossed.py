"""Cross-fitted labels: an image is labelled by the teacher that never saw the record it is most like, nor that record's fold.
What a teacher remembers of a record shows in its labels for images like that record, and those come from another teacher."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
from torch import Tensor, nn

from upcycle._files import write_arrays
from upcycle.data import ImageSet
from upcycle.recycle._labels import TeacherLabels
from upcycle.recycle._screen import PixelSpace


@dataclass(frozen=True, eq=False)
class Origin:
    """Which fold an image is most like: `points` float32 (n, components) of the members that anything learned from, and their
    `fold` int64 (n,). Labels play no part: an image of a record with a wrong label is like that record under any class."""

    space: PixelSpace
    points: np.ndarray
    fold: np.ndarray

    @classmethod
    def measured(cls, kept: ImageSet, fold: np.ndarray, held_out: ImageSet) -> Self:
        """In the space of the `held_out` images, which no member shapes."""
        space = PixelSpace.of(held_out.images)
        return cls(space, space(kept.images), fold)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The fold int64 (n,) of the member nearest to each of uint8 images (n, height, width, channels)."""
        points = self.space(images)
        squared = (self.points**2).sum(1) - 2 * points @ self.points.T
        return np.asarray(self.fold[squared.argmin(1)])

    def save(self, path: Path) -> None:
        """Write it, durably."""
        kept = {"mean": self.space.mean, "components": self.space.components, "points": self.points, "fold": self.fold}
        write_arrays(path, kept, compressed=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as found:
            return cls(PixelSpace(found["mean"], found["components"]), found["points"], found["fold"])


@final
class CrossedLabels:
    """The softmax at `temperature` of teacher `source[i]`, the one that never saw fold `source[i]`, on view i."""

    def __init__(self, teachers: Sequence[nn.Module], *, temperature: float = 1.0) -> None:
        self._members = [TeacherLabels(teacher, temperature=temperature) for teacher in teachers]

    @torch.inference_mode()
    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:
        """See Labeller."""
        parts = [(source == k, member) for k, member in enumerate(self._members)]
        found = [(mine, member(views[mine], asked, source)) for mine, member in parts if mine.any()]
        out = views.new_empty(len(views), found[0][1].shape[1])
        for mine, soft in found:
            out[mine] = soft.to(out.dtype)
        return out
