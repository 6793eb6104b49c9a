"""Whole students for comparisons, and what drawing their images costs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import torch

from upcycle.recycle import Bank, Distillation, Labeller, Sampler, train_student
from upcycle.runs.stages import Bench


@dataclass
class Tally:
    """What samplers did: draws answered, images the generator made for them (every attempt counts), and the seconds it took."""

    draws: int = 0
    images: int = 0
    seconds: float = 0.0

    @property
    def pace(self) -> float:
        """Seconds per draw, attempts and filter included; 0 before the first."""
        return self.seconds / self.draws if self.draws else 0.0


@dataclass(frozen=True)
class TalliedSampler(Sampler):
    """A sampler that keeps a tally."""

    tally: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, sampler: Sampler, tally: Tally) -> TalliedSampler:
        return cls(**{part.name: getattr(sampler, part.name) for part in fields(Sampler)}, tally=tally)

    def draw(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = time.monotonic()
        drawn = super().draw(draws)
        self.tally.seconds += time.monotonic() - start
        self.tally.draws += len(draws)
        return drawn

    def _sample(self, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        self.tally.images += len(labels)
        return super()._sample(labels, indices)

    def _draw_between(self, labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
        self.tally.images += len(labels)
        return super()._draw_between(labels, draws)


@dataclass(frozen=True)
class WholeStudent:
    """A student as the student stage trains it, but for `images` images seen and a bank of `bank.multiple` times an epoch exactly,
    so that a step that asks for a small bank has one."""

    bench: Bench
    images: int

    @property
    def size(self) -> int:
        """Images in its bank."""
        bank = self.bench.config.bank
        return max(256, min(round(bank.multiple * self.bench.plan.budget.epoch), bank.max_images))

    @property
    def how(self) -> Distillation:
        return replace(self.bench.distillation(), per_refresh=round(self.bench.config.bank.refresh * self.size))

    @property
    def draws(self) -> int:
        """Draws that its bank needs from first to last."""
        batch = self.bench.config.teacher.batch
        return self.how.total(self.size, (self.images - 1) // batch * batch)

    def train(self, sampler: Sampler, folder: Path, labeller: Labeller | None = None) -> torch.nn.Module:
        """The student; the seed is that of the bench's settings, and its labels are those of the bench unless others are given."""
        bench, shape = self.bench, self.bench.shape
        bank = Bank(folder, sampler, self.size, (shape.size, shape.size, shape.channels)).advance(self.size)
        recipe = bench.recipe(self.images, bench.augmentation())
        return train_student(bank, labeller or bench.labeller(), recipe, self.how, seed=bench.config.seed).net
