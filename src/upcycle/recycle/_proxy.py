"""How good is a sampler? The validation accuracy of a short student that learned from it (CAS, Ravuri & Vinyals 2019)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from upcycle.data import ImageSet
from upcycle.nets import predict_logits
from upcycle.recycle._bank import Bank, Sampler
from upcycle.recycle._classify import Recipe
from upcycle.recycle._labels import Labeller
from upcycle.recycle._student import Distillation, train_student


@dataclass(frozen=True, order=True)
class Score:
    """Validation accuracy 0..1; ties are broken by the mean log-likelihood of the right class, at most 0."""

    accuracy: float
    log_likelihood: float


_EPOCHS = 8
_SHARE = 0.4


def proxy_draws(refresh: float) -> float:
    """Images drawn for every image that a proxy student sees, where a filter refuses none: the bank at first, and the share
    `refresh` of it at the end of every epoch but the last."""
    return _SHARE * (1 + (_EPOCHS - 1) * refresh)


@dataclass(frozen=True)
class Proxy:
    """A short student of eight epochs; its bank is `share` times the images it sees, `refresh` of it is redrawn after each.

    All candidates share seed and thus initial weights, noise and views, so that a comparison is paired.
    """

    recipe: Recipe
    how: Distillation
    share: float = _SHARE
    refresh: float = 0.05
    work: Path | None = None  # where the bank is while the student learns; None: in the system's temporary folder

    def train(self, sampler: Sampler, labeller: Labeller, images: int, *, seed: int) -> torch.nn.Module:
        """The student after `images` synthetic images."""
        size = max(64, round(images * self.share))
        how = replace(self.how, epoch_images=max(1, images // _EPOCHS), per_refresh=round(size * self.refresh))
        shape = sampler.draw(np.arange(1))[0].shape[1:]
        with tempfile.TemporaryDirectory(prefix="upcycle-proxy-", dir=self.work) as folder:
            bank = Bank(Path(folder), sampler, size, shape).advance(size)
            recipe = replace(self.recipe, budget=images)
            return train_student(bank, labeller, recipe, how, seed=seed, stage="proxy").net


def score_on(net: torch.nn.Module, validation: ImageSet, device: torch.device) -> Score:
    """The score of a classifier on `validation`."""
    logits = predict_logits(net, torch.from_numpy(np.ascontiguousarray(validation.images)), device)
    labels = torch.from_numpy(validation.labels)
    right = (logits.argmax(1) == labels).float().mean()
    return Score(float(right), -float(F.cross_entropy(logits, labels)))
