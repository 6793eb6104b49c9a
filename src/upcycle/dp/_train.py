"""DP-SGD (Abadi et al. 2016): Poisson batches, gradients clipped sample by sample, Gaussian noise; driven by the noise."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from upcycle._random import derive_seed, numpy_rng, torch_rng
from upcycle._training import Checkpoint, fit, set_rate
from upcycle.data import ImageSet
from upcycle.errors import ConfigError, TrainingError
from upcycle.nets import augment, group_norm_factory, to_input
from upcycle.recycle import Recipe, rate

_MODULES: Final = ("opacus", "dp_accounting")


def epsilon(noise: float, sampling_rate: float, steps: int, delta: float) -> float:
    """Epsilon at `delta` of `steps` steps that each take every record with probability `sampling_rate` and add Gaussian noise
    of `noise` times the clip norm; neighbours differ by one record added or removed. Raises ConfigError without [dp]."""
    need_extra()
    logging.getLogger("absl").setLevel(logging.ERROR)  # it reports every order of the Renyi divergence that it leaves out
    accounting = import_module("dp_accounting")
    rdp = import_module("dp_accounting.rdp")
    step = accounting.PoissonSampledDpEvent(sampling_rate, accounting.GaussianDpEvent(noise))
    return float(rdp.RdpAccountant().compose(step, steps).get_epsilon(delta))


def need_extra() -> tuple[ModuleType, ...]:
    """Opacus and dp-accounting. Raises ConfigError that names the extra where one is missing."""
    try:
        return tuple(import_module(name) for name in _MODULES)
    except ImportError as error:
        raise ConfigError(
            f"DP-SGD must have the package {error.name}. Got none installed. Install upcycle[dp], or leave the comparator out."
        ) from None


@dataclass(frozen=True)
class DpSettings:
    """`noises`: multipliers of the clip norm, one model each; the smallest hides almost nothing: it shows what clipping
    does. `clip`: largest gradient norm of a record. `batch`: records expected in a step. `lr`: peak learning rate. `budget`:
    images expected to be seen, relative to what the teacher sees."""

    noises: tuple[float, ...] = (0.02, 0.5, 1.5)
    clip: float = 1.0
    batch: int = 128
    lr: float = 0.5
    budget: float = 2.0


@dataclass(frozen=True)
class PrivateFit:
    """The trained network and what is proven of it: (epsilon, delta) per record of the members."""

    net: nn.Module
    steps: int
    sampling_rate: float
    epsilon: float
    delta: float


def train_private(members: ImageSet, recipe: Recipe, how: DpSettings, noise: float, *, seed: int, stage: str) -> PrivateFit:
    """A classifier by DP-SGD with multiplier `noise`, seeing `recipe.budget` images in expectation; its last weights, since a
    choice among them would need another split. delta is 1 / members. Raises ConfigError without the extra [dp], and
    TrainingError where a loss or a weight is not finite: steps that are taken again would cost more epsilon than is counted.

    Noise and batches follow from `seed`: the guarantee holds against those who do not know it.
    """
    need_extra()
    sampling_rate = min(1.0, how.batch / len(members))
    expected = sampling_rate * len(members)
    steps = max(1, round((recipe.budget or len(members)) / expected))
    with torch.random.fork_rng(devices=[]), _quiet():
        net = _train(members, recipe, how, noise, sampling_rate, steps, (seed, stage))
    delta = 1 / len(members)
    return PrivateFit(net, steps, sampling_rate, epsilon(noise, sampling_rate, steps, delta), delta)


def _train(
    members: ImageSet, recipe: Recipe, how: DpSettings, noise: float, sampling_rate: float, steps: int, key: tuple[int, str]
) -> nn.Module:
    seed, stage = key
    images, labels = torch.from_numpy(np.ascontiguousarray(members.images)), torch.from_numpy(members.labels)
    torch.manual_seed(derive_seed(seed, stage, "weights"))
    build = group_norm_factory(recipe.config)
    net = build(images.shape[3], recipe.classes, images.shape[1]).to(recipe.device)
    samples, optimizer = make_private(net, how, noise, sampling_rate * len(members), torch_rng(seed, stage, "noise"))
    pace = recipe.config.model_copy(update={"lr": how.lr, "batch": 1})

    def step(number: int, rng: torch.Generator) -> int:
        drawn = numpy_rng(seed, stage, "poisson", number).random(len(members)) < sampling_rate
        chosen = torch.from_numpy(np.flatnonzero(drawn))
        set_rate(optimizer, rate(pace, number, steps))
        views = to_input(augment(images[chosen], recipe.augmentation, rng), recipe.device)
        _check_finite(private_step(samples, optimizer, views, labels[chosen].to(recipe.device)), stage, number)
        return 1  # steps are counted here, since a Poisson batch may be empty

    fit(step, {}, Checkpoint(None), seed=seed, stage=stage, budget=steps)
    _check_finite(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]), stage, steps)
    samples.remove_hooks()
    for parameter in net.parameters():
        parameter.grad_sample = parameter.summed_grad = None  # type: ignore[attr-defined]
    return net.eval()


def make_private(net: nn.Module, how: DpSettings, noise: float, expected: float, rng: torch.Generator) -> tuple[Any, Any]:
    """(module that also takes gradients sample by sample, optimiser that clips them and adds noise), both Opacus's, around
    `net`. `expected` records a step are what the sum of gradients is divided by, whatever the draw."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    plain = torch.optim.SGD(net.parameters(), lr=how.lr, momentum=0.9)
    optimizer = DPOptimizer(
        plain,
        noise_multiplier=noise,
        max_grad_norm=how.clip,
        expected_batch_size=expected,
        generator=rng,
    )
    return GradSampleModule(net), optimizer


def private_step(samples: Any, optimizer: Any, views: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """One step on float views (n, channels, side, side) with labels (n,), and the losses (n,) before it; without any record it
    is noise alone."""
    samples.train()
    optimizer.zero_grad(set_to_none=True)
    losses = F.cross_entropy(samples(views), labels, reduction="none")
    (losses.mean() if len(views) else losses.sum()).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return losses.detach()


def _check_finite(values: torch.Tensor, stage: str, step: int) -> None:
    """Raise TrainingError unless every value is finite."""
    if not bool(torch.isfinite(values).all()):
        raise TrainingError(
            f"{stage} must learn with finite losses. Got one that is not by step {step:,}. "
            "Lower --dp-clip, or leave DP-SGD out (--no-dp; with frontier: no --bundle dp)."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Opacus's hooks fire on images, which need no gradient; torch warns of that at every step."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing", category=UserWarning)
        yield
