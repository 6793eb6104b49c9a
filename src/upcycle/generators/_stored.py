"""What our own generators share: snapshots as safetensors, and drawing in batches of a fixed shape."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from upcycle._random import indexed_normal
from upcycle._training import Checkpoint, Report, Stateful, fit, passed, silent
from upcycle._weights import load_weights, save_weights
from upcycle.errors import ConfigError, DamagedFileError
from upcycle.generators._contract import ImageShape, Snapshot

_LOG = logging.getLogger("upcycle")
_JUDGE = "judge.safetensors"
_LARGE_GRID = 12  # positions a side
SAMPLE_BATCH = 256  # fixed and padded: the batch shape may change the last bit of a convolution

Draw = Callable[[np.ndarray, np.ndarray, int, float], np.ndarray]
"""(labels (n,), indices (n,), seed, spread) -> uint8 (n, side, side, channels); image k depends on row k and the seed only."""

Render = Callable[[Tensor, Tensor, float], Tensor]
"""(standard normal noise (n, ...), labels (n,), spread) -> float (n, channels, side, side) on the [-1, 1] scale."""


class StoredGenerator(ABC):
    """A generator whose snapshots are named tensors: in the folder it was fitted in, or in memory without one."""

    def __init__(self, shape: ImageShape, device: str | torch.device) -> None:
        self.shape, self.device = shape, torch.device(device)
        self._folder: Path | None = None
        self._memory: dict[int, dict[str, Tensor]] = {}
        self._judge: dict[str, Tensor] = {}
        self._drawn: tuple[str, Draw] | None = None

    @abstractmethod
    def parameter_count(self) -> int:
        """Weights of the network (all networks) that draws."""

    @abstractmethod
    def _train(self, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report) -> None:
        """Train to the end, calling `keep` at every snapshot. torch's global generator may be seeded."""

    @abstractmethod
    def _open(self, tensors: Mapping[str, Tensor]) -> Draw:
        """What draws from a snapshot that `keep` stored."""

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
        """See Generator.fit. `images` uint8 (n, height, width, channels)."""
        self._folder, self._drawn = resume, None
        self._memory.clear()
        self._judge.clear()
        with torch.random.fork_rng(devices=[]):
            self._train(images, labels, seed, budget, report)
        return self

    def load(self, folder: Path) -> Self:
        """The generator as a finished `fit(resume=folder)` left it."""
        self._folder, self._drawn = folder, None
        return self

    def snapshots(self) -> Sequence[Snapshot]:
        """See Generator.snapshots."""
        if self._folder is None:
            return [Snapshot(seen, Path()) for seen in sorted(self._memory)]
        found = sorted(self._folder.glob("snapshot-*.safetensors"))
        return [Snapshot(int(path.stem.split("-")[1]), path) for path in found]

    def finished(self, budget: int) -> bool:
        """Whether the last snapshot of a fit that sees `budget` images is there."""
        return any(snapshot.images_seen >= budget for snapshot in self.snapshots())

    def lost(self, due: Iterable[int], *, judged: bool) -> Path | None:
        """The first file of a fit under way, or finished, that is missing or damaged: of its snapshots after `due` images and,
        where it is `judged`, of what `judge` returns; None where all are whole, or in memory."""
        if self._folder is None:
            return None
        paths = [self._path(images) for images in due]
        judge = [self._folder / _JUDGE] if judged and paths else []
        return next((path for path in [*paths, *judge] if not _whole(path)), None)

    def _path(self, images_seen: int) -> Path:
        assert self._folder is not None, "snapshots in memory have no path"
        return self._folder / f"snapshot-{images_seen:010d}.safetensors"

    def keep(self, images_seen: int, tensors: Mapping[str, Tensor]) -> None:
        """Store one snapshot, durably."""
        if self._folder is None:
            self._memory[images_seen] = {name: t.clone() for name, t in tensors.items()}
            return
        save_weights(self._path(images_seen), tensors)

    def keep_judge(self, tensors: Mapping[str, Tensor]) -> None:
        """Store a network that training needs and drawing does not, such as a discriminator; it replaces the one stored before.
        It has its own file, since a snapshot may be given to someone who must not have it."""
        if self._folder is None:
            self._judge = {name: t.clone() for name, t in tensors.items()}
            return
        save_weights(self._folder / _JUDGE, tensors)

    def judge(self) -> dict[str, Tensor]:
        """What `keep_judge` stored last; empty for a family that has no such network."""
        if self._folder is None:
            return dict(self._judge)
        path = self._folder / _JUDGE
        return load_weights(path) if path.exists() else {}

    def holding(self, tensors: Mapping[str, Tensor], judge: Mapping[str, Tensor]) -> Self:
        """Another one like this in memory, with `tensors` as its only snapshot."""
        other = copy(self)
        other._folder, other._drawn, other._memory, other._judge = None, None, {0: dict(tensors)}, dict(judge)
        return other

    def tensors(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """What `keep` stored for `snapshot`."""
        return self._memory[snapshot.images_seen] if self._folder is None else load_weights(snapshot.path)

    @torch.inference_mode()
    def sample(
        self,
        labels: np.ndarray,
        *,
        seed: int,
        spread: float = 1.0,
        indices: np.ndarray | None = None,
        snapshot: Snapshot | None = None,
    ) -> np.ndarray:
        """See Generator.sample; `snapshot` None is the last one. Raises ConfigError before any fit."""
        draw = self._drawer(snapshot)
        rows = np.arange(len(labels)) if indices is None else np.asarray(indices)
        return draw(np.asarray(labels), rows, seed, spread)

    def chosen(self, snapshot: Snapshot | None) -> Snapshot:
        """`snapshot`, or the last one for None. Raises ConfigError before any fit."""
        found = self.snapshots()
        if not found:
            raise ConfigError("generator must be fitted before it can sample. Got an unfitted one. Call fit first.")
        return snapshot or found[-1]

    def _drawer(self, snapshot: Snapshot | None) -> Draw:
        chosen = self.chosen(snapshot)
        key = f"{chosen.images_seen}/{chosen.path}"
        if self._drawn is None or self._drawn[0] != key:
            with torch.random.fork_rng(devices=[]):  # fresh networks draw weights that are overwritten at once
                self._drawn = (key, self._open(self.tensors(chosen)))
        return self._drawn[1]


class Fitting(ABC):
    """One training run of a stored generator of `snapshots` snapshots: the state of its loop. `run` trains to the end."""

    stride: int  # images that a step sees
    judged: bool = False  # whether `keep` also keeps a judge

    def __init__(
        self, owner: StoredGenerator, images: np.ndarray, snapshots: int, seed: int, budget: int, report: Report
    ) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(images))
        self.seed, self.budget, self._report, self._owner = seed, budget, report, owner
        self._milestones = [round(budget * (k + 1) / snapshots) for k in range(snapshots)]
        self._metrics: dict[str, float] = {}

    @abstractmethod
    def parts(self) -> Mapping[str, Stateful]:
        """Everything that a step changes."""

    @abstractmethod
    def step(self, seen: int, rng: torch.Generator) -> int:
        """One step after `seen` images; returns the images that it saw."""

    @abstractmethod
    def keep(self, seen: int) -> None:
        """Store a snapshot."""

    def run(self) -> None:
        folder = self._owner._folder
        resume = None if folder is None else folder / "resume.pt"
        checkpoint = Checkpoint(resume)
        self._start_over_if_lost(checkpoint)
        if (resume is not None and resume.exists()) or not self._owner.finished(self.budget):
            fit(self.step, self.parts(), checkpoint, seed=self.seed, stage="generator", budget=self.budget)
        checkpoint.remove()

    def _start_over_if_lost(self, checkpoint: Checkpoint) -> None:
        """Forget the checkpoint and all snapshots where one of these is damaged or lost: only a fit from the start makes it
        again."""
        saved = checkpoint.load()
        seen = int(saved["images_seen"]) if saved else self.budget if self._owner.finished(self.budget) else 0
        due = sorted({-(-milestone // self.stride) * self.stride for milestone in self._milestones})
        path = self._owner.lost([images for images in due if images <= seen or (not saved and seen)], judged=self.judged)
        if path is not None:
            _LOG.warning("%s is damaged or lost: the generator starts over", path)
            checkpoint.remove()
            for snapshot in self._owner.snapshots():
                snapshot.path.unlink()

    def now_and_then(self, before: int, seen: int, metrics: Mapping[str, Tensor]) -> None:
        """At the end of a step: moving averages of `metrics` are reported every 5,000 images, snapshots stored when due."""
        latest = {name: float(value.detach()) for name, value in metrics.items()}
        self._metrics = {name: value + 0.98 * (self._metrics.get(name, value) - value) for name, value in latest.items()}
        if passed(5_000, before, seen, self.budget):
            self._report(seen, self._metrics)
        if any(before < m <= seen for m in self._milestones):
            self.keep(seen)


def _whole(path: Path) -> bool:
    try:
        load_weights(path)
    except DamagedFileError:
        return False
    return True


def patch_side(patch: int, size: int, resolutions: int = 0) -> int:
    """Side, in pixels, of the patches that a network folds into channels: `patch`, or what suits images of `size` pixels if 0.

    A U-Net with `resolutions` levels, each half the size of the one before, folds 4 pixels instead of 2 if its coarsest grid is
    large: a quarter of the work, and a better generator in the same minutes (benchmarks/results/generators.json). GANs, where
    that was not measured, give no resolutions.
    """
    if patch or size < 16:
        return patch or 1
    return 4 if resolutions and size / 2**resolutions >= _LARGE_GRID else 2


def in_batches(render: Render, noise_shape: tuple[int, ...], shape: ImageShape, device: torch.device) -> Draw:
    """The Draw that gives `render` standard normal noise of `noise_shape` per image, in batches of one size."""

    def draw(labels: np.ndarray, rows: np.ndarray, seed: int, spread: float) -> np.ndarray:
        out = np.empty((len(rows), shape.size, shape.size, shape.channels), np.uint8)
        for start in range(0, len(rows), SAMPLE_BATCH):
            chosen = slice(start, start + SAMPLE_BATCH)
            noise = indexed_normal(seed, rows[chosen], noise_shape)
            drawn = render(padded(noise, device), padded(labels[chosen], device), spread)
            out[chosen] = levels(drawn, len(noise))
        return out

    return draw


def padded(values: np.ndarray, device: torch.device) -> Tensor:
    """The values on the device; on a CPU repeated to a whole batch, whose shape decides the last bit."""
    return torch.from_numpy(np.resize(values, (SAMPLE_BATCH, *values.shape[1:])) if device.type == "cpu" else values).to(device)


def levels(drawn: Tensor, count: int) -> np.ndarray:
    """uint8 images (count, side, side, channels) of the first of `drawn` (n, channels, side, side) on the [-1, 1] scale."""
    grey = ((drawn + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
    return np.asarray(grey[:count].cpu().permute(0, 2, 3, 1).contiguous().numpy())
