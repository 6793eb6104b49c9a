"""Generative knowledge distillation: a student learns the teacher's soft labels on synthetic images (Lomurno & Matteucci 2025).

Nothing here can hold a private image: the loop reads a Bank, which only a Sampler fills, and a Labeller.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._parallel import Shared
from upcycle._training import Checkpoint, Report, Stateful, descend, fit, passed, set_rate, silent, state_of, stream
from upcycle.nets import PowerEma, augment, mixed, to_input
from upcycle.recycle._bank import Bank
from upcycle.recycle._classify import Fitted, Recipe, rate, sgd
from upcycle.recycle._labels import Labeller

OriginOf = Callable[[np.ndarray], np.ndarray]
"""uint8 images (n, height, width, channels) -> the fold int64 (n,) that each is most like; image by image."""


@dataclass(frozen=True)
class Distillation:
    """How a student learns.

    Attributes:
        epoch_images: images seen in an epoch.
        per_refresh: images that the bank draws more at a refresh.
        temperature: of the soft labels.
        ema: above 0, the power-function average of that relative width is returned instead of the last weights.
        period: epochs between two refreshes.
        label_smoothing: share of a label spread over all classes.
        mix: share of views blended with another view of the batch and labelled as blended, so that the student meets images
            between classes (Zhang et al. 2018 for the blend, Beyer et al. 2022 for the teacher's labels on it).
        origin: for labellers that ask which fold an image is most like.
    """

    epoch_images: int
    per_refresh: int
    temperature: float = 1.0
    ema: float = 0.0
    period: int = 1
    label_smoothing: float = 0.0
    mix: float = 0.0
    origin: OriginOf | None = None

    def total(self, size: int, images_seen: int) -> int:
        """Images drawn in all when `images_seen` were seen."""
        return size + images_seen // (self.epoch_images * self.period) * self.per_refresh


def blend(views: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Views of which `share` are replaced by w times themselves + (1 - w) times another of the batch, w uniform in 0..1."""
    n = len(views)
    weight = torch.rand(n, generator=rng)
    weight = torch.where(torch.rand(n, generator=rng) < share, weight, 1.0).to(views.device)[:, None, None, None]
    return torch.lerp(views[torch.randperm(n, generator=rng).to(views.device)], views, weight)


def smooth(soft_labels: Tensor, share: float) -> Tensor:
    """Soft labels (n, classes) with `share` of their mass spread evenly over all classes (Szegedy et al. 2016)."""
    return soft_labels * (1 - share) + share / soft_labels.shape[1]


def soft_cross_entropy(logits: Tensor, soft_labels: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean cross-entropy of softmax(logits / T) against soft labels, times T^2 so that gradients keep their size
    (Hinton et al. 2015). logits and soft_labels (n, classes); scalar."""
    log_probabilities = F.log_softmax(logits / temperature, dim=1)
    return -(soft_labels * log_probabilities).sum(1).mean() * temperature**2


@torch.random.fork_rng(devices=[])
def train_student(
    bank: Bank,
    labeller: Labeller,
    recipe: Recipe,
    how: Distillation,
    *,
    seed: int,
    stage: str = "student",
    resume: Path | None = None,
    report: Report = silent,
) -> Fitted:
    """A classifier that saw synthetic images only, `recipe.budget` of them; nothing is chosen by looking at a private image."""
    checkpoint = Checkpoint(resume)
    config, budget = recipe.config, recipe.budget or bank.size
    net = recipe.build(bank.images, seed, stage).train()
    optimizer = sgd(net, config)
    average = PowerEma(net.parameters(), [how.ema] if how.ema else [])
    parts: dict[str, Stateful] = {"net": net, "optimizer": optimizer, "ema": average}
    images, asked = torch.from_numpy(bank.images), torch.from_numpy(bank.labels)
    loss_of = Shared(net, partial(_distilled, labeller, how.label_smoothing, how.temperature, recipe.dtype))
    drawn = 0

    def step(seen: int, rng: torch.Generator) -> int:
        nonlocal drawn
        if drawn != (wanted := how.total(bank.size, seen)):
            checkpoint.save(state_of(parts, seen))  # first: after a kill the bank would have to redraw images it has dropped
            bank.advance(wanted)
            drawn = wanted
        chosen = torch.from_numpy(stream(bank.size, seed, stage, seen, config.batch))
        views = to_input(augment(images[chosen], recipe.augmentation, rng), recipe.device)
        if how.mix:
            views = blend(views, how.mix, rng)
        source = torch.zeros_like(chosen) if how.origin is None else torch.from_numpy(how.origin(bank.images[chosen.numpy()]))
        set_rate(optimizer, rate(config, seen, budget))
        loss = loss_of(views, asked[chosen].to(recipe.device), source.to(recipe.device))
        descend(loss, optimizer)
        average.update(seen, seen + len(chosen))
        if passed(5_000, seen, seen + len(chosen), budget):
            report(seen + len(chosen), {"loss": float(loss.detach())})
        return len(chosen)

    seen = fit(step, parts, checkpoint, seed=seed, stage=stage, budget=budget)
    if not drawn:  # resumed after the last step: the bank may have been damaged since
        bank.advance(how.total(bank.size, max(0, seen - config.batch)))
    if how.ema:
        average.copy_to(net, how.ema)
        _renew_statistics(net, bank, recipe)
    checkpoint.remove()
    return Fitted(net.eval(), seen, None)


def _distilled(
    labeller: Labeller,
    smoothing: float,
    temperature: float,
    dtype: torch.dtype,
    net: nn.Module,
    views: Tensor,
    asked: Tensor,
    source: Tensor,
) -> Tensor:
    """How far the answers to `views` are from their soft labels."""
    target = smooth(labeller(views, asked, source), smoothing)
    return soft_cross_entropy(mixed(net, dtype, views), target, temperature)


@torch.no_grad()
def _renew_statistics(net: nn.Module, bank: Bank, recipe: Recipe) -> None:
    """Batch-norm statistics of averaged weights, measured on the first synthetic images of the bank (Izmailov et al. 2018)."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    net.train()
    for part in torch.split(torch.from_numpy(bank.images[:6_400]), 128):
        net(to_input(part, recipe.device))
