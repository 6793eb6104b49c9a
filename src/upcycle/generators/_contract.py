"""What a generator must do to be plugged in. `check_generator` holds any class to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from upcycle._training import Report, silent


@dataclass(frozen=True)
class ImageShape:
    """What a generator draws: `channels` x `size` x `size` of one of `classes`."""

    channels: int
    size: int
    classes: int


@dataclass(frozen=True)
class Snapshot:
    """A state of the generator along its training."""

    images_seen: int
    path: Path


@runtime_checkable
class Generator(Protocol):
    """A class-conditional image model.

    `sample(labels)[k]` depends only on the snapshot, `seed` and `indices[k]` (default k): never on batch or process.
    """

    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        seed: int,
        budget: int,
        resume: Path | None = None,
        report: Report = silent,
    ) -> Self:
        """Learn uint8 images (n, height, width, channels) with int64 labels (n,), seeing `budget` images.

        `resume` is a folder for snapshots and resume state: called again after a kill, the fit continues where it stopped.
        """
        ...

    def snapshots(self) -> Sequence[Snapshot]:
        """Snapshots in the order of images seen; the last is the end of training."""
        ...

    def sample(
        self,
        labels: np.ndarray,
        *,
        seed: int,
        spread: float = 1.0,
        indices: np.ndarray | None = None,
        snapshot: Snapshot | None = None,
    ) -> np.ndarray:
        """uint8 (n, height, width, channels), one image for every label. `spread` scales the latent's standard deviation;
        `snapshot` None is the end of training."""
        ...


def nearest_snapshot(snapshots: Sequence[Snapshot], images_seen: int) -> Snapshot:
    """The snapshot whose images seen are nearest to `images_seen`; of two equally near ones the later."""
    return min(reversed(snapshots), key=lambda snapshot: abs(snapshot.images_seen - images_seen))


@runtime_checkable
class Interpolates(Protocol):
    """A generator that can also draw what lies between two of its images."""

    def between(
        self,
        labels: tuple[np.ndarray, np.ndarray],
        indices: tuple[np.ndarray, np.ndarray],
        shares: np.ndarray,
        *,
        seed: int,
        spread: float = 1.0,
        snapshot: Snapshot | None = None,
    ) -> np.ndarray:
        """uint8 (n, height, width, channels): image k lies `shares[k]` (0..1) of the way from `sample`'s image of labels[0][k]
        and indices[0][k] to that of labels[1][k] and indices[1][k]. At 0 and 1 it is that image."""
        ...
