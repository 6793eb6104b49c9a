"""The rolling bank of synthetic images that a student learns from."""

import contextlib
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np

from upcycle._files import durable_replace
from upcycle._random import derive_seed, numpy_rng
from upcycle.config import BankConfig
from upcycle.generators import SAMPLE_BATCH, Generator, Interpolates, Snapshot

_LOG = logging.getLogger("upcycle")
_CHUNK = 1024
_FAR = 2**44  # between the attempts of a draw: further than bank and released set reach
_PARTNER = 2**50  # from a draw to the one it is blended with: further than all attempts reach

Accept = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""uint8 images (n, height, width, channels) and the classes asked for (n,) -> bool (n,); image by image."""
Supported = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""As Accept, given also the indices int64 (n,) by which the generator drew the images."""
Hardness = Callable[[np.ndarray], np.ndarray]
"""uint8 images (n, height, width, channels) -> float (n,), higher = harder for the teacher; image by image."""


@dataclass(frozen=True)
class Sampler:
    """Everything needed to draw image number j, which is a pure function of j.

    Attributes:
        generator: draws the images.
        prior: shares of the classes, float64 (classes,).
        seed: of all draws.
        spread: factor on the generator's noise.
        snapshot: of the generator; None: the last one.
        accept: refuses images; a refused one is drawn again.
        redraws: at most; then the first attempt stays, so that a class the generator cannot draw neither hangs the bank nor
            vanishes from it.
        between: share of draws between two classes, latents and classes mixed; the generator must be one that Interpolates.
        hard: share of draws that are the hardest of several attempts.
        candidates: how many attempts that are.
        hardness: what ranks them.
        supported: refuses images as `accept` does, by their indices too.
    """

    generator: Generator
    prior: np.ndarray
    seed: int
    spread: float = 1.0
    snapshot: Snapshot | None = None
    accept: Accept | None = None
    redraws: int = 10
    between: float = 0.0
    hard: float = 0.0
    candidates: int = 4
    hardness: Hardness | None = None
    supported: Supported | None = None

    def labels(self, draws: np.ndarray) -> np.ndarray:
        """Classes asked for by `draws`, int64; every run of 1,024 draws holds the prior's shares to rounding."""
        out = np.empty(len(draws), np.int64)
        for block in np.unique(draws // _CHUNK):
            inside = draws // _CHUNK == block
            out[inside] = self._block(int(block))[draws[inside] % _CHUNK]
        return out

    def draw(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 images (n, height, width, channels) and the classes asked for (n,)."""
        labels = self.labels(draws)
        if not self.between + self.hard:
            return self.draw_classes(labels, draws), labels
        place = self._uniform("bank-kinds", draws)
        between = place < self.between
        hard = ~between & (place < self.between + self.hard)
        usual = ~between & ~hard
        kinds = ((usual, self.draw_classes), (between, self._draw_between), (hard, self._draw_hard))
        parts = [(chosen, draw(labels[chosen], draws[chosen])) for chosen, draw in kinds if chosen.any()]
        images = np.empty((len(draws), *parts[0][1].shape[1:]), np.uint8)
        for chosen, part in parts:
            images[chosen] = part
        return images, labels

    def draw_classes(self, labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """uint8 images (n, height, width, channels) of the classes `labels` (n,), whatever the prior.

        Where few wait for another attempt, several of their attempts share a batch; the first good one counts, as if they had
        come one by one.
        """
        images = self._sample(labels, draws)
        waiting, done = np.flatnonzero(~self._good(images, labels, draws)), 0
        while len(waiting) and done < self.redraws:
            attempts = np.arange(done, min(done + max(1, SAMPLE_BATCH // len(waiting)), self.redraws)) + 1
            rows = np.tile(waiting, len(attempts))
            indices = draws[rows] + attempts.repeat(len(waiting)) * _FAR
            again = self._sample(labels[rows], indices)
            good = self._good(again, labels[rows], indices).reshape(len(attempts), -1)
            found = np.flatnonzero(good.any(0))
            images[waiting[found]] = again[good.argmax(0)[found] * len(waiting) + found]
            waiting, done = np.delete(waiting, found), done + len(attempts)
        return images

    def _draw_between(self, labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Images of `labels`, each part of the way to another draw."""
        if not isinstance(self.generator, Interpolates):
            raise TypeError(f"generator must be one that Interpolates where between > 0. Got {type(self.generator).__name__}.")
        partners = draws + _PARTNER
        return self.generator.between(
            (labels, self.labels(partners)),
            (draws, partners),
            self._uniform("bank-shares", draws),
            seed=derive_seed(self.seed, "bank"),
            spread=self.spread,
            snapshot=self.snapshot,
        )

    def _draw_hard(self, labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """The hardest of several attempts at every draw."""
        if self.hardness is None:
            raise ValueError("hardness must be given where some draws are to be hard. Got None.")
        best = self.draw_classes(labels, draws)
        score = self.hardness(best)
        for attempt in range(1, self.candidates):
            images = self._sample(labels, draws + attempt * _FAR)
            found = self.hardness(images)
            better = (found > score) & self._good(images, labels, draws + attempt * _FAR)
            best[better], score[better] = images[better], found[better]
        return best

    def _good(self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """bool (n,): refused by nobody."""
        good = np.ones(len(labels), bool)
        if self.accept is not None:
            good &= self.accept(images, labels)
        if self.supported is not None:
            good &= self.supported(images, labels, indices)
        return good

    def _uniform(self, purpose: str, draws: np.ndarray) -> np.ndarray:
        """float64 (n,) in [0, 1): one number per draw, the same whenever it is asked for."""
        out = np.empty(len(draws))
        for block in np.unique(draws // _CHUNK):
            inside = draws // _CHUNK == block
            out[inside] = numpy_rng(self.seed, purpose, int(block)).random(_CHUNK)[draws[inside] % _CHUNK]
        return out

    def _sample(self, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        seed = derive_seed(self.seed, "bank")
        return self.generator.sample(labels, seed=seed, spread=self.spread, indices=indices, snapshot=self.snapshot)

    def _block(self, block: int) -> np.ndarray:
        rng = numpy_rng(self.seed, "bank-labels", block)
        quantiles = (np.arange(_CHUNK) + rng.random()) / _CHUNK
        labels = np.searchsorted(np.cumsum(self.prior) / self.prior.sum(), quantiles, side="right")
        return np.asarray(rng.permutation(labels.clip(max=len(self.prior) - 1)))


def label_prior(labels: np.ndarray, classes: int, power: float) -> np.ndarray:
    """Shares float64 (classes,) proportional to frequency^power, summing to 1; 1 = as in the data, 0 = equal."""
    counts = np.bincount(labels, minlength=classes).astype(float)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** power, 0)
    return np.asarray(weights / weights.sum())


def bank_size(config: BankConfig, members: int) -> int:
    """Images in the bank: `multiple` times the members, within [min_images, max_images]."""
    return int(min(max(config.multiple * members, config.min_images), config.max_images))


@final
class Bank:
    """A ring of `size` synthetic images on disk. After `advance(total)` it holds the draws total-size .. total-1.

    The only way in is a Sampler, so a bank cannot hold a private image. Slot s holds draw j with j = s modulo size. `ids.npy`
    remembers which, written and forced to the disk after the images, so a kill at any moment costs only the chunk being drawn;
    `sums.npy` has a checksum of every slot, so an image that was damaged since is drawn again, and a log line says so.
    """

    def __init__(self, folder: Path, sampler: Sampler, size: int, shape: tuple[int, int, int]) -> None:
        """`shape` (height, width, channels). Opens the folder again if it holds a bank of this size and shape."""
        folder.mkdir(parents=True, exist_ok=True)
        self._sampler, self.size = sampler, size
        self.images = _mapped(folder / "images.npy", np.uint8, (size, *shape))
        self.labels = _mapped(folder / "labels.npy", np.int64, (size,))
        self._sums = _mapped(folder / "sums.npy", np.int64, (size,))
        self._ids = _mapped(folder / "ids.npy", np.int64, (size,))  # draw + 1; 0 = empty
        self._checked = np.zeros(size, bool)  # slots drawn or verified by this object
        self._folder = folder

    def advance(self, total: int, report: Callable[[int], None] = lambda _: None) -> Self:
        """Draw whatever of total-size .. total-1 is not there yet. Raises ValueError for total < size."""
        if total < self.size:
            raise ValueError(f"total must be at least the bank's size {self.size}. Got {total}.")
        wanted = np.arange(total - self.size, total)
        missing = wanted[~self._holds(wanted)]
        for start in range(0, len(missing), _CHUNK):
            draws = missing[start : start + _CHUNK]
            slots = draws % self.size
            self._ids[slots] = 0
            images, labels = self._sampler.draw(draws)
            self.images[slots], self.labels[slots] = images, labels
            self._sums[slots], self._checked[slots] = _sums(draws, images, labels), True
            self._ids[slots] = draws + 1
            report(start + len(draws))
        if len(missing):
            for array in (self.images, self.labels, self._sums, self._ids):  # in this order: ids speak for the others
                array.flush()
        return self

    def _holds(self, draws: np.ndarray) -> np.ndarray:
        """Which of `draws` (n,) are in their slots, whole; bool (n,)."""
        held = self._ids[draws % self.size] == draws + 1
        unsure, damaged = draws[held & ~self._checked[draws % self.size]], 0
        for start in range(0, len(unsure), _CHUNK):
            part = unsure[start : start + _CHUNK]
            slots = part % self.size
            self._checked[slots] = self._sums[slots] == _sums(part, self.images[slots], self.labels[slots])
            damaged += int((~self._checked[slots]).sum())
        if damaged:
            _LOG.warning("%s: %d images are damaged and are drawn again", self._folder, damaged)
        return np.asarray(held & self._checked[draws % self.size])


def _sums(draws: np.ndarray, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A CRC-32 of every draw's number, image and class, int64 (n,)."""
    numbers = np.stack([draws, labels], axis=1).astype("<i8")
    return np.array([zlib.crc32(image, zlib.crc32(number)) for number, image in zip(numbers, images, strict=True)], np.int64)


def _mapped(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    with contextlib.suppress(ValueError, EOFError, OSError, SyntaxError):  # none yet, or a damaged one, which is made again
        found = np.lib.format.open_memmap(path, mode="r+")
        if found.shape == shape and found.dtype == dtype:
            return found
    durable_replace(path, lambda new: np.lib.format.open_memmap(new, mode="w+", dtype=dtype, shape=shape).flush())
    return np.lib.format.open_memmap(path, mode="r+")
