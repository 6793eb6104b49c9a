"""Training a classifier on private images: the teacher, and the baseline that the student has to beat. Optimiser and rates."""

import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._parallel import Shared
from upcycle._random import derive_seed
from upcycle._training import Checkpoint, Report, Stateful, descend, fit, passed, set_rate, silent, stream
from upcycle.config import ClassifierConfig
from upcycle.data import ImageSet
from upcycle.nets import Augmentation, ClassifierFactory, augment, mixed, predict_logits, to_input
from upcycle.recycle._objective import ACCURACY, Objective, log_prior, score


def sgd(net: nn.Module, config: ClassifierConfig) -> torch.optim.SGD:
    """SGD without weight decay on biases and normalisation, which it would only shrink."""
    parameters = list(net.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=True)


def rate(config: ClassifierConfig, images_seen: int, budget: int) -> float:
    """Learning rate after `images_seen` of `budget` images."""
    share = images_seen / budget
    if share < config.warmup:
        return config.lr * (share + config.batch / budget) / (config.warmup + config.batch / budget)
    if config.milestones:
        return config.lr * 0.1 ** sum(share >= milestone for milestone in config.milestones)
    return config.lr * 0.5 * (1 + math.cos(math.pi * (share - config.warmup) / (1 - config.warmup)))


def image_budget(config: ClassifierConfig, members: int) -> int:
    """Images a classifier sees: `epochs` passes, within [min_images, max_images]."""
    return int(min(max(config.epochs * members, config.min_images), config.max_images))


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        network: builds it.
        classes: number of classes.
        config: of the network and its training.
        augmentation: the views it sees.
        device: it learns on.
        budget: images it sees; None derives it from the number of members.
        dtype: of convolutions while it learns.
        objective: what its looks at the validation split choose by; with "balanced" it learns to answer as if all classes were
            equally frequent.
    """

    network: ClassifierFactory
    classes: int
    config: ClassifierConfig
    augmentation: Augmentation = field(default_factory=Augmentation)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    budget: int | None = None
    dtype: torch.dtype = torch.float32
    objective: Objective = ACCURACY

    def build(self, images: np.ndarray, seed: int, stage: str) -> nn.Module:
        """A fresh network for images uint8 (n, height, width, channels), weights from (seed, stage)."""
        torch.manual_seed(derive_seed(seed, stage, "weights"))
        return self.network(images.shape[3], self.classes, images.shape[1]).to(self.device)


@dataclass(frozen=True, eq=False)
class Lesson:
    """How one training differs from that of any classifier: it starts from the weights of `start`, a network of the same shape,
    not from random ones; it learns `targets` float32 (members, classes), rows summing to 1, not the members' labels."""

    start: nn.Module | None = None
    targets: np.ndarray | None = None


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and what was seen on the way; `validation_accuracy` None where it never looked."""

    net: nn.Module
    images_seen: int
    validation_accuracy: float | None


def accuracy(net: nn.Module, data: ImageSet, device: torch.device) -> float:
    """Share of `data` that `net` classifies correctly, 0..1."""
    return score(ACCURACY, logits_of(net, data, device), data.labels)


def logits_of(net: nn.Module, data: ImageSet, device: torch.device) -> np.ndarray:
    """Answers float32 (n, classes) of `net` to the images of `data`."""
    return predict_logits(net, torch.from_numpy(np.ascontiguousarray(data.images)), device).numpy()


@torch.random.fork_rng(devices=[])
def train_classifier(
    members: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    *,
    seed: int,
    stage: str = "teacher",
    resume: Path | None = None,
    report: Report = silent,
    lesson: Lesson | None = None,
) -> Fitted:
    """The network at its best look at the validation split. Members are seen in shuffled passes, augmented."""
    checkpoint, lesson = Checkpoint(resume), lesson or Lesson()
    config, images = recipe.config, torch.from_numpy(np.ascontiguousarray(members.images))
    labels = torch.from_numpy(members.labels if lesson.targets is None else lesson.targets)
    budget = recipe.budget or image_budget(config, len(members))
    net = recipe.build(members.images, seed, stage)
    if lesson.start is not None:
        net.load_state_dict(lesson.start.state_dict())
    optimizer = sgd(net, config)
    best, prior = _Best(config, budget), log_prior(recipe.objective, members.labels, recipe.classes)
    shift = None if prior is None else torch.from_numpy(prior).to(recipe.device)
    loss_of = Shared(net, partial(_cross_entropy, recipe.dtype, shift, config.label_smoothing))

    def step(seen: int, rng: torch.Generator) -> int:
        chosen = torch.from_numpy(stream(len(labels), seed, stage, seen, min(config.batch, budget)))
        views = to_input(augment(images[chosen], recipe.augmentation, rng), recipe.device)
        set_rate(optimizer, rate(config, seen, budget))
        loss = loss_of(views, labels[chosen].to(recipe.device))
        descend(loss, optimizer)
        if passed(best.every, seen, seen + len(chosen), budget):
            look = _look(net, validation, recipe)
            net.train()
            best.offer(look[recipe.objective], net)
            metrics = {f"validation_{name}": value for name, value in look.items()}
            report(seen + len(chosen), {"loss": float(loss.detach()), **metrics})
        return len(chosen)

    parts: dict[str, Stateful] = {"net": net, "optimizer": optimizer, "best": best}
    seen = fit(step, parts, checkpoint, seed=seed, stage=stage, budget=budget, stop=lambda: best.stop)
    net.load_state_dict(best.weights)
    checkpoint.remove()
    kept = best.score if recipe.objective == ACCURACY else accuracy(net, validation, recipe.device)
    return Fitted(net.eval(), seen, kept)


def _cross_entropy(
    dtype: torch.dtype, shift: Tensor | None, smoothing: float, net: nn.Module, views: Tensor, wanted: Tensor
) -> Tensor:
    """Of the answers to `views`, moved by `shift` (classes,)."""
    answers = mixed(net, dtype, views)
    answers = answers if shift is None else answers + shift
    return F.cross_entropy(answers, wanted, label_smoothing=smoothing)


def _look(net: nn.Module, validation: ImageSet, recipe: Recipe) -> dict[str, float]:
    """The accuracy on the validation split, and what the objective chooses by."""
    logits = logits_of(net, validation, recipe.device)
    return {name: score(name, logits, validation.labels) for name in dict.fromkeys((ACCURACY, recipe.objective))}


class _Best:
    """The best weights by their looks at the validation split so far; a later tie wins, since its learning rate was lower."""

    def __init__(self, config: ClassifierConfig, budget: int) -> None:
        self.every = max(1, round(config.validate_every * budget))
        self._patience = config.patience
        self.score, self.looks_since, self.weights = -1.0, 0, dict[str, Tensor]()

    @property
    def stop(self) -> bool:
        return 0 < self._patience <= self.looks_since

    def offer(self, score: float, net: nn.Module) -> None:
        self.looks_since = 0 if score > self.score else self.looks_since + 1
        if score >= self.score:
            self.score = score
            self.weights = {name: t.detach().clone() for name, t in net.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "looks_since": self.looks_since, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self.looks_since, self.weights = state["score"], state["looks_since"], state["weights"]
