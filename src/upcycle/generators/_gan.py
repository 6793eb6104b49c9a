"""Class-conditional GANs behind the generator contract: the compact one for processors and BigGAN-deep for GPUs.

Hinge loss, projection discriminator with spectral norm, DiffAugment; LeCam and a lazy R1 penalty as options. An image costs
one pass of the averaged generator. `spread` is the standard deviation of the latent: the expansion trick of GaFi.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._random import derive_seed, numpy_rng
from upcycle._training import Report, Stateful, descend, set_rate
from upcycle.config import BigGanConfig, GanConfig
from upcycle.generators._contract import ImageShape, Snapshot
from upcycle.generators._stored import Draw, Fitting, StoredGenerator, in_batches, patch_side
from upcycle.nets import (
    Augmentation,
    BigGanDiscriminator,
    BigGanGenerator,
    ConvDiscriminator,
    ConvGenerator,
    StateEma,
    augment,
    diff_augment,
    gamma_of_std,
    parameter_count,
    power_beta,
    to_input,
)


def hinge_discriminator(real: Tensor, drawn: Tensor) -> Tensor:
    """mean(max(0, 1 - D(x))) + mean(max(0, 1 + D(G(z)))) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + drawn).mean()


def hinge_generator(drawn: Tensor) -> Tensor:
    """-mean(D(G(z))) (Miyato et al. 2018, eq. 17)."""
    return -drawn.mean()


def gradient_penalty(real: Tensor, images: Tensor) -> Tensor:
    """mean |gradient of the score at a real image|^2 / 2 (Mescheder et al. 2018, R1); `images` must require a gradient."""
    (gradient,) = torch.autograd.grad(real.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean() / 2


def diversity_penalty(drawn: Tensor, real: Tensor, pack: int) -> Tensor:
    """max(0, 1 - d(drawn) / d(real)), d being the mean absolute difference of the first two images of every pack.

    A one-sided relative of mode seeking (Mao et al. 2019): both kinds of pack have the same classes, so the penalty and its
    gradient end where drawn images of a class differ as much as real ones. `pack` is at least 2.
    """
    distances = [x.reshape(-1, pack, *x.shape[1:])[:, :2].diff(dim=1).abs().mean() for x in (drawn, real)]
    return F.relu(1 - distances[0] / distances[1].clamp_min(1e-6))


@dataclass
class LeCam:
    """Moving averages of the scores and the regulariser that ties each side to the other's (Tseng et al. 2021, eq. 5)."""

    real: float = 0.0
    drawn: float = 0.0

    def update(self, real: Tensor, drawn: Tensor, decay: float = 0.99) -> None:
        self.real = decay * self.real + (1 - decay) * float(real.detach().mean())
        self.drawn = decay * self.drawn + (1 - decay) * float(drawn.detach().mean())

    def state_dict(self) -> dict[str, float]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.real, self.drawn = state["real"], state["drawn"]

    def penalty(self, real: Tensor, drawn: Tensor) -> Tensor:
        """mean(max(0, D(x) - a_drawn)^2) + mean(max(0, a_real - D(G(z)))^2)."""
        return F.relu(real - self.drawn).square().mean() + F.relu(self.real - drawn).square().mean()


Conditional = Callable[[Tensor, Tensor], Tensor]


def build_generator(config: GanConfig | BigGanConfig, shape: ImageShape, *, training: bool) -> nn.Module:
    """A fresh generator; without `training`, one that takes the weights of a snapshot."""
    c = config
    if isinstance(c, GanConfig):
        return ConvGenerator(
            shape.channels,
            shape.classes,
            shape.size,
            width=c.width,
            latent=c.latent,
            embedding=c.embedding,
            blocks=c.blocks,
            patch=patch_side(c.patch, shape.size),
        )
    return BigGanGenerator(
        (shape.channels, shape.classes, shape.size),
        width=c.width,
        latent=c.latent,
        embedding=c.embedding,
        depth=c.depth,
        attention=c.attention,
        spectral=training,
    )


def build_discriminator(config: GanConfig | BigGanConfig, shape: ImageShape) -> nn.Module:
    """A fresh discriminator of packs of images, stacked along their channels."""
    c, sizes = config, (shape.channels * config.pack, shape.classes, shape.size)
    if isinstance(c, GanConfig):
        return ConvDiscriminator(*sizes, width=c.d_width, blocks=c.blocks, patch=patch_side(c.patch, shape.size))
    return BigGanDiscriminator(*sizes, width=c.d_width, depth=c.depth, attention=c.attention)


def average_decay(config: GanConfig | BigGanConfig, before: int, after: int) -> float:
    """Decay of the average at the step from `before` to `after` images seen."""
    if config.ema_std:
        return power_beta(gamma_of_std(config.ema_std), before, after)
    return config.ema_decay if before // config.step_images >= config.ema_start else 0.0


def rate_factor(config: GanConfig | BigGanConfig, images_seen: int, budget: int) -> float:
    """Factor on both learning rates: 1, then linear to 0 over the last `decay_share` of the budget."""
    return max(0.0, min(1.0, (budget - images_seen) / max(config.decay_share * budget, 1)))


@final
class GanGenerator(StoredGenerator):
    """A GAN of either family. `augmentation` lists the views that keep the label; only flips are used here."""

    def __init__(
        self,
        shape: ImageShape,
        config: GanConfig | BigGanConfig | None = None,
        *,
        device: str | torch.device = "cpu",
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__(shape, device)
        self.config = config or GanConfig()
        views = augmentation or Augmentation()
        self._views = Augmentation(0, views.horizontal, views.vertical)

    def parameter_count(self) -> int:
        """See StoredGenerator; the discriminator counts for nothing, since it draws nothing."""
        return parameter_count(build_generator(self.config, self.shape, training=False))

    def place(self, net: nn.Module) -> nn.Module:
        """`net` on the device, channels last."""
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _train(self, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report) -> None:
        _Fit(self, images, labels, seed, budget, report).run()

    def renderer(self, snapshot: Snapshot | None = None) -> Conditional:
        """`render(latents (n, latent), labels (n,))`: images float (n, channels, side, side) in [-1, 1] with gradients to the
        latents; `snapshot` None is the last one. Raises ConfigError before any fit."""
        tensors = self.tensors(self.chosen(snapshot))
        with torch.random.fork_rng(devices=[]):
            return self._network(tensors)

    def discriminator(self) -> Conditional | None:
        """`score(images (n, channels, side, side) in [-1, 1], labels (n,))`: (n,), higher for real ones, by the discriminator
        at the end of training; None for a generator fitted before it was kept. A pack is filled with the image itself."""
        tensors, pack = self.judge(), self.config.pack
        if not tensors:
            return None
        with torch.random.fork_rng(devices=[]):
            net = build_discriminator(self.config, self.shape)
        net.load_state_dict(tensors)
        frozen = self.place(net).eval().requires_grad_(False)

        def score(images: Tensor, labels: Tensor) -> Tensor:
            found: Tensor = frozen(images.repeat(1, pack, 1, 1), labels)
            return found

        return score

    def _network(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        """The generator that draws from a snapshot."""
        net = build_generator(self.config, self.shape, training=False)
        net.load_state_dict(dict(tensors))
        return self.place(net).eval().requires_grad_(False)

    def _open(self, tensors: Mapping[str, Tensor]) -> Draw:
        frozen = self._network(tensors)

        def render(noise: Tensor, labels: Tensor, spread: float) -> Tensor:
            drawn: Tensor = frozen(noise * spread, labels)
            return drawn

        return in_batches(render, (self.config.latent,), self.shape, self.device)


class _Fit(Fitting):
    """The adversarial loop: a few steps of the discriminator, then one of the generator."""

    def __init__(
        self, owner: GanGenerator, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report
    ) -> None:
        self.owner, self.config, self.order = owner, owner.config, np.argsort(labels, kind="stable")
        super().__init__(owner, images, self.config.snapshots, seed, budget, report)
        self.stride, self.judged = self.config.step_images, True
        self.counts = np.bincount(labels, minlength=owner.shape.classes)
        self.cumulative = np.cumsum(np.where(self.counts > 0, self.counts.astype(float) ** self.config.balance, 0))
        torch.manual_seed(derive_seed(seed, "generator", "weights"))
        self.generator = owner.place(build_generator(self.config, owner.shape, training=True)).train()
        self.discriminator = owner.place(build_discriminator(self.config, owner.shape)).train()
        self.g_optimizer = self.adam(self.generator, self.config.lr)
        self.d_optimizer = self.adam(self.discriminator, self.config.d_lr)
        self.average, self.lecam = StateEma(self.generator), LeCam()

    def adam(self, net: nn.Module, lr: float) -> torch.optim.Adam:
        return torch.optim.Adam(net.parameters(), lr=lr, betas=self.config.betas, eps=self.config.eps, fused=True)

    def step(self, seen: int, rng: torch.Generator) -> int:
        config, factor = self.config, rate_factor(self.config, seen, self.budget)
        set_rate(self.g_optimizer, config.lr * factor)
        set_rate(self.d_optimizer, config.d_lr * factor)
        for turn in range(config.d_steps):
            real, labels = self.batch(seen + (0 if config.same_batch else turn * config.batch), rng)
            with torch.set_grad_enabled(turn == config.d_steps - 1):  # the last serves the generator's step too
                drawn = self.draw(labels, rng)
            penalise = config.r1 > 0 and turn == 0 and (seen // config.step_images) % config.r1_every == 0
            d_loss = self.discriminate(real, drawn.detach(), labels, rng, penalise)
        g_loss = self.deceive(drawn, real.detach(), labels, rng)
        after = seen + config.step_images
        self.average.update(average_decay(config, seen, after))
        self.now_and_then(seen, after, {"d_loss": d_loss, "g_loss": g_loss})
        return config.step_images

    def batch(self, key: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Real images float (batch, channels, side, side) in [-1, 1] and their labels; the images of a pack share theirs."""
        pack = self.config.pack
        uniform = numpy_rng(self.seed, "generator", "batch", key).random((self.config.batch // pack, pack + 1))
        classes = np.searchsorted(self.cumulative, uniform[:, 0] * self.cumulative[-1], side="right")
        starts = np.cumsum(self.counts) - self.counts
        places = starts[classes, None] + (uniform[:, 1:] * self.counts[classes, None]).astype(np.int64)
        views = augment(self.images[torch.from_numpy(self.order[places.ravel()])], self.owner._views, rng)
        labels = torch.from_numpy(np.repeat(classes, pack))
        return to_input(views, self.owner.device), labels.to(self.owner.device)

    def draw(self, labels: Tensor, rng: torch.Generator) -> Tensor:
        """Images of fresh latents for the labels of a real batch."""
        latent = torch.randn(len(labels), self.config.latent, generator=rng).to(labels.device)
        drawn: Tensor = self.generator(latent, labels)
        return drawn

    def discriminate(self, real: Tensor, drawn: Tensor, labels: Tensor, rng: torch.Generator, penalise: bool) -> Tensor:
        """One step of the discriminator; returns its loss. Both kinds of image go through it in one pass."""
        real = real.requires_grad_(penalise)
        images = torch.cat([self.view(real, rng), self.view(drawn, rng)])
        on_real, on_drawn = self.judge(images, labels.repeat(2)).chunk(2)
        loss = hinge_discriminator(on_real, on_drawn)
        if self.config.lecam:
            loss = loss + self.config.lecam * self.lecam.penalty(on_real, on_drawn)
            self.lecam.update(on_real, on_drawn)
        if penalise:
            loss = loss + self.config.r1 * self.config.r1_every * gradient_penalty(on_real, real)
        descend(loss, self.d_optimizer)
        return loss

    def deceive(self, drawn: Tensor, real: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """One step of the generator on images it has drawn for the labels of `real`; returns its loss."""
        self.discriminator.requires_grad_(False)
        loss = hinge_generator(self.judge(self.view(drawn, rng), labels))
        if self.config.diversity and self.config.pack > 1:
            loss = loss + self.config.diversity * diversity_penalty(drawn, real, self.config.pack)
        descend(loss, self.g_optimizer)
        self.discriminator.requires_grad_(True)
        return loss

    def judge(self, images: Tensor, labels: Tensor) -> Tensor:
        """Scores (n / pack,) of packs of images that follow one another (Lin et al. 2018): a generator that draws one image
        per class is found out at once, since two real ones differ."""
        pack = self.config.pack
        stacked = images.contiguous().view(len(images) // pack, -1, *images.shape[2:])
        scores: Tensor = self.discriminator(stacked, labels[::pack])
        return scores

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return diff_augment(images, self.config.diffaugment, rng)

    def keep(self, seen: int) -> None:
        self.owner.keep_judge(self.discriminator.state_dict())
        self.owner.keep(seen, self.average.average)

    def parts(self) -> dict[str, Stateful]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "g_optimizer": self.g_optimizer,
            "d_optimizer": self.d_optimizer,
            "average": self.average,
            "lecam": self.lecam,
        }
