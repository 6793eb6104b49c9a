"""A denoiser by DP-SGD: the gradient of every record is clipped by itself, over several noise levels at once (Dockhorn et al.
2023, arXiv:2210.09929), and the sum gets noise. Batch and noise of a step follow from the seed and its number."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from upcycle._random import derive_seed, numpy_rng
from upcycle._training import Checkpoint, fit
from upcycle.data import ImageSet
from upcycle.dp._account import Use
from upcycle.dp._train import NeverRetried, check_finite
from upcycle.generators import EdmGenerator, denoising_loss
from upcycle.nets import PowerEma, to_input

STAGE: Final = "private generator"
_CHUNK: Final = 64  # records whose gradients are held at a time
Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class DenoiserSettings:
    """How a denoiser learns under DP-SGD.

    Attributes:
        clip: largest gradient norm of a record.
        lr: learning rate of Adam.
        levels: noise levels at which a step looks at a record; its gradient is their mean, so that they cost no epsilon.
    """

    clip: float = 1.0
    lr: float = 1e-3
    levels: int = 4


def train_denoiser(
    members: ImageSet, start: EdmGenerator, how: DenoiserSettings, use: Use, *, seed: int, resume: Path | None = None
) -> EdmGenerator:
    """`start`, whose last snapshot no record of `members` has shaped without noise, after `use.times` steps of DP-SGD with that
    noise and sampling rate; in memory. `resume`: a file from which a killed call goes on to the same weights, spending nothing
    more. Raises TrainingError where a weight is not finite.

    Noise and batches follow from `seed`: the guarantee holds against those who do not know it.
    """
    with torch.random.fork_rng(devices=[]):
        fitting = _Fit(members, start, how, use, seed)
        checkpoint = Checkpoint(resume)
        fit(fitting.step, fitting.parts(), checkpoint, seed=seed, stage=STAGE, budget=use.times)
    checkpoint.remove()
    return start.holding(fitting.tensors(), {})


@final
class _Fit:
    def __init__(self, members: ImageSet, start: EdmGenerator, how: DenoiserSettings, use: Use, seed: int) -> None:
        self.how, self.use, self.seed, self.config = how, use, seed, start.config
        self.device, self.std, self.key = start.device, start.sampler.ema_std, (STAGE, repr(use))
        found = start.tensors(start.chosen(None))
        self.pixels = found["pixels"].to(self.device)
        self.net = start.build().train()
        self.net.load_state_dict({n.removeprefix(f"{self.std}/"): t for n, t in found.items() if n.startswith(f"{self.std}/")})
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=how.lr, betas=(0.9, 0.99))
        self.ema = PowerEma(self.net.parameters(), [self.std])
        self.images, self.labels = torch.from_numpy(np.ascontiguousarray(members.images)), torch.from_numpy(members.labels)

    def parts(self) -> dict[str, Any]:
        return {"net": self.net, "optimizer": NeverRetried(self.optimizer), "ema": self.ema}

    def step(self, number: int, rng: torch.Generator) -> int:
        drawn = numpy_rng(self.seed, *self.key, "poisson", number).random(len(self.labels)) < self.use.sampling_rate
        chosen = torch.from_numpy(np.flatnonzero(drawn))
        total = {name: torch.zeros_like(p) for name, p in self.net.named_parameters()}
        for rows in torch.split(chosen, _CHUNK) if len(chosen) else ():
            for name, part in clipped_sum(self.gradients(rows, rng), self.how.clip).items():
                total[name] += part
        noises = torch.Generator().manual_seed(derive_seed(self.seed, *self.key, "noise", number))
        assert self.use.noise is not None, "DP-SGD has noise"
        expected = self.use.sampling_rate * len(self.labels)
        for name, parameter in self.net.named_parameters():
            noise = torch.randn(parameter.shape, generator=noises).to(self.device) * (self.use.noise * self.how.clip)
            parameter.grad = (total[name] + noise) / expected
        self.optimizer.step()
        self.ema.update(number, number + 1)
        check_finite(torch.cat([p.detach().flatten() for p in self.net.parameters()]), STAGE, number)
        return 1  # steps are counted here, since a Poisson batch may be empty

    def gradients(self, rows: Tensor, rng: torch.Generator) -> Gradients:
        """Of the denoising loss of every record of `rows`, at `levels` noise levels each."""
        clean = (to_input(self.images[rows], self.device) - self.pixels[:-1].view(1, -1, 1, 1)) * self.pixels[-1]
        normal = torch.randn(len(rows), self.how.levels, generator=rng)
        sigma = (normal * self.config.p_std + self.config.p_mean).exp().to(self.device)
        noise = torch.randn(len(rows), self.how.levels, *clean.shape[1:], generator=rng).to(self.device)
        return gradients_of_each(self.net, clean, noise, sigma, self.labels[rows].to(self.device))

    def tensors(self) -> dict[str, Tensor]:
        """What an EdmGenerator keeps of a snapshot."""
        names = [name for name, _ in self.net.named_parameters()]
        learned = dict(zip(names, self.ema.averages[self.std], strict=True))
        return {"pixels": self.pixels, **{f"{self.std}/{n}": t for n, t in [*learned.items(), *self.net.named_buffers()]}}


def gradients_of_each(net: nn.Module, clean: Tensor, noise: Tensor, sigma: Tensor, labels: Tensor) -> Gradients:
    """Gradients (n, *weight) of the denoising loss of each record alone: `clean` (n, channels, side, side) at noise levels
    `sigma` (n, levels) with `noise` (n, levels, channels, side, side), mean over the levels; `labels` (n,)."""
    weights = {name: p.detach() for name, p in net.named_parameters()}

    def loss(weights: Mapping[str, Tensor], clean: Tensor, noise: Tensor, sigma: Tensor, label: Tensor) -> Tensor:
        shown = clean.expand_as(noise)
        return denoising_loss(
            lambda *asked: functional_call(net, dict(weights), asked), shown, noise, sigma, label.expand(len(sigma))
        )

    each = vmap(grad(loss), in_dims=(None, 0, 0, 0, 0))
    return dict(each(weights, clean, noise, sigma, labels))


def clipped_sum(gradients: Gradients, clip: float) -> Gradients:
    """The sum over the records of gradients (n, *weight), each cut to a norm of `clip` over all weights."""
    norms = torch.stack([part.flatten(1).square().sum(1) for part in gradients.values()]).sum(0).sqrt()
    factor = (clip / norms.clamp(min=1e-12)).clamp(max=1.0)
    return {name: torch.tensordot(factor, part, dims=1) for name, part in gradients.items()}
