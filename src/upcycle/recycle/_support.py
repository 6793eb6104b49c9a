"""Support: an image stays only if records that its generator never saw vouch for it (after near access-freeness, Vyas et al.
2023, in data space). What one record alone taught a generator lies near that record, and near nothing of another fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, final

import numpy as np
import torch
from torch import Tensor, nn

from upcycle._files import write_arrays
from upcycle._random import derive_seed
from upcycle.data import ImageSet
from upcycle.generators import members_of
from upcycle.nets import for_inference, to_input
from upcycle.recycle._screen import PixelSpace

_BATCH: Final = 256  # fixed and padded: the batch shape may change the last bit of a probability, and with it a decision


@final
class TeacherFilter:
    """Accepts the images whose class asked for is the teacher's first choice, with a probability above `threshold` in [0, 1).

    Called with uint8 images (n, height, width, channels) and classes (n,); returns bool (n,), image by image.
    """

    def __init__(self, teacher: nn.Module, threshold: float, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._teacher, self._threshold = for_inference(teacher).to(self._device), threshold

    def __call__(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        if not len(images):
            return np.zeros(0, bool)
        top, choice = _probabilities([self._teacher], images, self._device)[0].max(1)
        return np.asarray((choice.numpy() == labels) & (top.numpy() > self._threshold))


@final
class TeacherDoubt:
    """Entropy of the teacher's answer in nats, float (n,), for uint8 images (n, height, width, channels)."""

    def __init__(self, teacher: nn.Module, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._teacher = for_inference(teacher).to(self._device)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(torch.special.entr(_probabilities([self._teacher], images, self._device)[0]).sum(1).numpy())


@torch.inference_mode()
def _probabilities(teachers: Sequence[nn.Module], images: np.ndarray, device: torch.device) -> Tensor:
    """Softmax float (teachers, n, classes) of uint8 images (n >= 1, ...)."""
    parts = []
    for start in range(0, len(images), _BATCH):
        part = images[start : start + _BATCH]
        views = to_input(torch.from_numpy(np.resize(part, (_BATCH, *part.shape[1:]))), device)
        parts.append(torch.stack([teacher(views).softmax(1)[: len(part)].cpu() for teacher in teachers]))
    return torch.cat(parts, dim=1)


NEAREST: Final = 3  # records of the unseen fold that must lie near
_LEAST: Final = 10  # held-out records of a class below which the limit is that of all classes together


@dataclass(frozen=True, eq=False)
class Support:
    """`points` float32 (n, components) of the kept members, their `labels` and `fold` int64 (n,); `limit` float64 (folds,
    classes): the distance to the third nearest of a fold's records within which an image of the class has their support."""

    space: PixelSpace
    points: np.ndarray
    labels: np.ndarray
    fold: np.ndarray
    limit: np.ndarray

    @classmethod
    def measured(cls, kept: ImageSet, fold: np.ndarray, held_out: ImageSet, share: float, classes: int) -> Self:
        """Limits within which a `share` of the `held_out` records of every class lie."""
        space = PixelSpace.of(held_out.images)
        made = cls(space, space(kept.images), kept.labels, fold, np.zeros((int(fold.max()) + 1, classes)))
        for part in range(len(made.limit)):
            known = made.distance(held_out.images, held_out.labels, np.full(len(held_out), part))
            for label in range(classes):
                mine = known[held_out.labels == label]
                reach = np.quantile(mine if len(mine) >= _LEAST else known, share, method="higher")
                made.limit[part, label] = reach if np.isfinite(reach) else 0.0  # too few records: nothing has their support
        return made

    def distance(self, images: np.ndarray, labels: np.ndarray, without: np.ndarray) -> np.ndarray:
        """Distance float64 (n,) of uint8 images to the third nearest kept member of their label (n,) in the fold `without`
        (n,); inf where that has fewer."""
        from sklearn.neighbors import NearestNeighbors

        points, out = self.space(images), np.full(len(labels), np.inf)
        for part, label in np.unique(np.stack([without, labels], axis=1), axis=0):
            mine, theirs = (without == part) & (labels == label), (self.fold == part) & (self.labels == label)
            if theirs.sum() >= NEAREST:
                near = NearestNeighbors(n_neighbors=NEAREST).fit(self.points[theirs])
                out[mine] = near.kneighbors(points[mine])[0][:, -1]
        return out

    def save(self, path: Path) -> None:
        """Write it, durably."""
        kept = {"points": self.points, "labels": self.labels, "fold": self.fold, "limit": self.limit}
        write_arrays(path, {"mean": self.space.mean, "components": self.space.components, **kept}, compressed=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as found:
            space = PixelSpace(found["mean"], found["components"])
            return cls(space, found["points"], found["labels"], found["fold"], found["limit"])


@final
class SupportFilter:
    """Accepts an image drawn by the generator of fold k that has the support of fold k's records, and on which the `teachers`
    agree: their smallest probabilities, class by class, sum to at least `agree`.

    Called with uint8 images (n, height, width, channels), classes and indices (n,); returns bool (n,), image by image. `seed`
    is that of the bank, from which it follows which generator drew an index.
    """

    def __init__(
        self, support: Support, teachers: Sequence[nn.Module], *, agree: float, seed: int, device: torch.device | None = None
    ) -> None:
        self._support, self._agree, self._seed = support, agree, derive_seed(seed, "bank")
        self._device = device or torch.device("cpu")
        self._teachers = [for_inference(teacher).to(self._device) for teacher in teachers]

    def __call__(self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        if not len(images):
            return np.zeros(0, bool)
        folds = len(self._support.limit)
        drawn_by = members_of(self._seed, indices, [1] * folds)
        near = self._support.distance(images, labels, drawn_by) <= self._support.limit[drawn_by, labels]
        agreed = _probabilities(self._teachers, images, self._device).amin(0).sum(1).numpy()  # 1 where all say the same
        return np.asarray(near & (agreed >= self._agree))
