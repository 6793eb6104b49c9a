"""Training a classifier on private images: the teacher, and the baseline that the student has to beat."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._random import derive_seed
from upcycle._training import Checkpoint, Report, seed_step, silent, stream
from upcycle.config import ClassifierConfig
from upcycle.data import ImageSet
from upcycle.nets import Augmentation, ClassifierFactory, augment, mixed, predict_logits, to_input
from upcycle.recycle._optimiser import image_budget, rate, set_rate, sgd


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained. `budget` in images; None derives it from the number of members."""

    network: ClassifierFactory
    classes: int
    config: ClassifierConfig
    augmentation: Augmentation = field(default_factory=Augmentation)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    budget: int | None = None
    dtype: torch.dtype = torch.float32  # of convolutions while a network learns

    def build(self, images: np.ndarray, seed: int, stage: str) -> nn.Module:
        """A fresh network for images uint8 (n, height, width, channels), weights from (seed, stage)."""
        torch.manual_seed(derive_seed(seed, stage, "weights"))
        return self.network(images.shape[3], self.classes, images.shape[1]).to(self.device)


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and what was seen on the way; `validation_accuracy` None where it never looked."""

    net: nn.Module
    images_seen: int
    validation_accuracy: float | None


def accuracy(net: nn.Module, data: ImageSet, device: torch.device) -> float:
    """Share of `data` that `net` classifies correctly, 0..1."""
    logits = predict_logits(net, torch.from_numpy(np.ascontiguousarray(data.images)), device)
    return float((logits.argmax(1).numpy() == data.labels).mean())


def train_classifier(
    members: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    *,
    seed: int,
    stage: str = "teacher",
    resume: Path | None = None,
    report: Report = silent,
) -> Fitted:
    """The network at its best look at the validation split. Members are seen in shuffled passes, augmented."""
    with torch.random.fork_rng(devices=[]):
        return _train(members, validation, recipe, seed, stage, Checkpoint(resume), report)


def _train(
    members: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    seed: int,
    stage: str,
    checkpoint: Checkpoint,
    report: Report,
) -> Fitted:
    config, images = recipe.config, torch.from_numpy(np.ascontiguousarray(members.images))
    labels = torch.from_numpy(members.labels)
    budget = recipe.budget or image_budget(config, len(members))
    net = recipe.build(members.images, seed, stage)
    optimizer = sgd(net, config)
    best = _Best(config, budget)
    seen = _restore(checkpoint, net, optimizer, best)

    while seen < budget and not best.stop:
        rng = seed_step(seed, stage, seen)
        chosen = torch.from_numpy(stream(len(labels), seed, stage, seen, min(config.batch, budget)))
        views = to_input(augment(images[chosen], recipe.augmentation, rng), recipe.device)
        set_rate(optimizer, rate(config, seen, budget))
        loss = F.cross_entropy(
            mixed(net, recipe.dtype, views), labels[chosen].to(recipe.device), label_smoothing=config.label_smoothing
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        before, seen = seen, seen + len(chosen)

        if best.due(before, seen):
            score = accuracy(net, validation, recipe.device)
            net.train()
            best.offer(score, net)
            report(seen, {"loss": float(loss.detach()), "validation_accuracy": score})
        if checkpoint.due():
            checkpoint.save({**_state(net, optimizer), "best": best.state(), "images_seen": seen})

    net.load_state_dict(best.weights)
    checkpoint.remove()
    return Fitted(net.eval(), seen, best.score)


class _Best:
    """The best weights by validation accuracy so far; a later tie wins, since its learning rate was lower."""

    def __init__(self, config: ClassifierConfig, budget: int) -> None:
        self._every = max(1, round(config.validate_every * budget))
        self._patience, self._budget = config.patience, budget
        self.score, self.looks_since, self.weights = -1.0, 0, dict[str, Tensor]()

    @property
    def stop(self) -> bool:
        return 0 < self._patience <= self.looks_since

    def due(self, before: int, seen: int) -> bool:
        return before // self._every != seen // self._every or seen >= self._budget

    def offer(self, score: float, net: nn.Module) -> None:
        self.looks_since = 0 if score > self.score else self.looks_since + 1
        if score >= self.score:
            self.score = score
            self.weights = {name: t.detach().clone() for name, t in net.state_dict().items()}

    def state(self) -> dict[str, Any]:
        return {"score": self.score, "looks_since": self.looks_since, "weights": self.weights}

    def load(self, state: dict[str, Any]) -> None:
        self.score, self.looks_since, self.weights = state["score"], state["looks_since"], state["weights"]


def _state(net: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {"net": net.state_dict(), "optimizer": optimizer.state_dict()}


def _restore(checkpoint: Checkpoint, net: nn.Module, optimizer: torch.optim.Optimizer, best: _Best) -> int:
    saved = checkpoint.load()
    if saved is None:
        return 0
    net.load_state_dict(saved["net"])
    optimizer.load_state_dict(saved["optimizer"])
    best.load(saved["best"])
    return int(saved["images_seen"])
