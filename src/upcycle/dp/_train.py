"""DP-SGD (Abadi et al. 2016): Poisson batches, gradients clipped sample by sample, Gaussian noise; driven by the noise.

Batch and noise of a step follow from the seed and its number: a step that is taken again after a kill is the same release once
more, and spends nothing.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from upcycle._random import derive_seed, numpy_rng
from upcycle._training import Checkpoint, fit, set_rate
from upcycle.data import ImageSet
from upcycle.dp._account import Use, affordable_steps, composed, need_extra
from upcycle.errors import TrainingError
from upcycle.nets import augment, group_norm_factory, to_input
from upcycle.recycle import Recipe, rate


@dataclass(frozen=True)
class DpSettings:
    """How the comparators learn.

    Attributes:
        noises: multipliers of the clip norm, one model by DP-SGD each; the smallest hides almost nothing: it shows what
            clipping does.
        clip: largest gradient norm of a record.
        batch: records expected in a step.
        lr: peak learning rate.
        budget: images expected to be seen, relative to what the teacher sees.
        epsilon: training ends before it would be exceeded; None: never.
        heads: epsilons, one linear head on fixed features each.
        formals: epsilons, one student each that learns from a private generator and a private head.
    """

    noises: tuple[float, ...] = (0.02, 0.5, 1.5)
    clip: float = 1.0
    batch: int = 128
    lr: float = 0.5
    budget: float = 2.0
    epsilon: float | None = None
    heads: tuple[float, ...] = ()
    formals: tuple[float, ...] = ()

    def telling(self) -> dict[str, Any]:
        """What results follow from; a later setting only where it is given, so that answers kept before it stay readable."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value is not None and (value or name not in ("heads", "formals"))
        }


@dataclass(frozen=True)
class PrivateFit:
    """The trained network, its noise multiplier, and what is proven of it: (epsilon, delta) per record of the members."""

    net: nn.Module
    noise: float
    steps: int
    sampling_rate: float
    epsilon: float
    delta: float


def train_private(
    members: ImageSet,
    recipe: Recipe,
    how: DpSettings,
    noise: float,
    *,
    seed: int,
    stage: str,
    resume: Path | None = None,
) -> PrivateFit:
    """A classifier by DP-SGD with multiplier `noise`, seeing `recipe.budget` images in expectation; its last weights, since a
    choice among them would need another split. delta is 1 / members. `resume`: a file from which a killed call goes on to the
    same weights at the same epsilon. Raises ConfigError without the extra [dp] and for an epsilon that one step exceeds, and
    TrainingError where a loss or a weight is not finite: steps that are taken again would cost more epsilon than is counted.

    Noise and batches follow from `seed`: the guarantee holds against those who do not know it.
    """
    need_extra()
    use, delta = steps_of(len(members), recipe.budget or 0, how, noise), 1 / len(members)
    with torch.random.fork_rng(devices=[]), _quiet():
        net = _train(members, recipe, how, use, (seed, stage), Checkpoint(resume))
    return PrivateFit(net, noise, use.times, use.sampling_rate, composed((use,), delta), delta)


def steps_of(records: int, budget: int, how: DpSettings, noise: float) -> Use:
    """The use that DP-SGD makes of this many `records` while it sees `budget` images in expectation (0: each once), or fewer
    within `how.epsilon`. Raises ConfigError for an epsilon that one step exceeds."""
    rate = min(1.0, how.batch / records)
    steps = max(1, round((budget or records) / (rate * records)))
    if how.epsilon is not None:
        steps = affordable_steps(how.epsilon, noise, rate, steps, 1 / records)
    return Use("classifier: DP-SGD", noise, rate, steps)


def _train(
    members: ImageSet,
    recipe: Recipe,
    how: DpSettings,
    use: Use,
    key: tuple[int, str],
    checkpoint: Checkpoint,
) -> nn.Module:
    (seed, stage), steps, noise, sampling_rate = key, use.times, use.noise or 0.0, use.sampling_rate
    images, labels = torch.from_numpy(np.ascontiguousarray(members.images)), torch.from_numpy(members.labels)
    torch.manual_seed(derive_seed(seed, stage, "weights"))
    build = group_norm_factory(recipe.config)
    net = build(images.shape[3], recipe.classes, images.shape[1]).to(recipe.device)
    noises = torch.Generator()
    samples, optimizer = make_private(net, how, noise, sampling_rate * len(members), noises)
    pace = recipe.config.model_copy(update={"lr": how.lr, "batch": 1})

    def step(number: int, rng: torch.Generator) -> int:
        drawn = numpy_rng(seed, stage, "poisson", number).random(len(members)) < sampling_rate
        chosen = torch.from_numpy(np.flatnonzero(drawn))
        noises.manual_seed(derive_seed(seed, stage, "noise", number))
        set_rate(optimizer, rate(pace, number, steps))
        views = to_input(augment(images[chosen], recipe.augmentation, rng), recipe.device)
        losses = private_step(samples, optimizer, views, labels[chosen].to(recipe.device))
        check_finite(torch.cat([losses.flatten(), *(weight.detach().flatten() for weight in net.parameters())]), stage, number)
        return 1  # steps are counted here, since a Poisson batch may be empty

    fit(step, {"net": net, "optimizer": NeverRetried(optimizer)}, checkpoint, seed=seed, stage=stage, budget=steps)
    checkpoint.remove()
    samples.remove_hooks()
    for parameter in net.parameters():
        parameter.grad_sample = parameter.summed_grad = None  # type: ignore[attr-defined]
    return net.eval()


@final
class NeverRetried:
    """An optimiser's state for a checkpoint. The loop does not know it for an optimiser: it would go back and try again at
    another rate where weights are not finite, and those steps would be other releases that no accountant has counted."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def state_dict(self) -> Mapping[str, Any]:
        return dict(self._optimizer.state_dict())

    def load_state_dict(self, state: Any, /) -> Any:
        return self._optimizer.load_state_dict(state)


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


def check_finite(values: torch.Tensor, stage: str, step: int) -> None:
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
