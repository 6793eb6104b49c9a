"""EDM-preconditioned U-Net (Karras et al. 2022) with power-function EMA (2024) and few-step multistep sampling."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from upcycle._parallel import Shared, alone
from upcycle._random import derive_seed, indexed_normal, numpy_rng
from upcycle._training import Report, Stateful, descend, set_rate
from upcycle.config import EdmConfig, SamplerConfig
from upcycle.errors import ConfigError
from upcycle.generators._ambient import SIGMA_DATA, Network, denoising_errors
from upcycle.generators._contract import ImageShape, Snapshot
from upcycle.generators._low_loss import UsualLoss
from upcycle.generators._solver import adams_bashforth, karras_sigmas
from upcycle.generators._stored import SAMPLE_BATCH, Draw, Fitting, StoredGenerator, in_batches, levels, padded, patch_side
from upcycle.nets import Augmentation, LocalBelow, PowerEma, UNet, augment, mixed, parameter_count, rebuilding, to_input

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
_WORST = 0.12  # error of a rebuilt average's profile, relative to the profile wanted


def denoise(net: Network, x: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
    """D(x; sigma) of x (n, channels, side, side) with sigma (n,) and labels (n,): Karras et al. 2022, eq. 7 and table 1."""
    s = sigma[:, None, None, None]
    total = (s**2 + SIGMA_DATA**2).sqrt()
    inner: Tensor = net(x / total, sigma.log() / 4, labels)
    return torch.addcmul(x * (SIGMA_DATA / total) ** 2, inner, s * SIGMA_DATA / total)


def denoising_loss(net: Network, clean: Tensor, noise: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
    """Mean of lambda(sigma) |D(clean + sigma noise; sigma) - clean|^2; scalar (eq. 2 with the weight of table 1).

    With that weight it is the squared error of the raw network output against its own target, computed so.
    """
    s = sigma[:, None, None, None]
    total = (s**2 + SIGMA_DATA**2).sqrt()
    noisy = torch.addcmul(clean, noise, s)
    target = (clean - noisy * (SIGMA_DATA / total) ** 2) * (total / (s * SIGMA_DATA))
    return nn.functional.mse_loss(net(noisy / total, sigma.log() / 4, labels), target)


def learning_rate(config: EdmConfig, images_seen: int, budget: int) -> float:
    """Linear warm-up over half of the budget at most, constant, then linear to 0 over the last `decay_share` of the budget."""
    rise = min(1.0, (images_seen + config.batch) / max(min(config.warmup_images, budget / 2), 1))
    fall = min(1.0, (budget - images_seen) / max(config.decay_share * budget, 1))
    return config.lr * rise * max(fall, 0.0)


def class_weights(labels: np.ndarray, balance: float) -> np.ndarray:
    """Probability of each record to be drawn so that classes appear ~ frequency^balance; float64 (n,), sums to 1."""
    counts = np.bincount(labels).astype(float)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** (balance - 1), 0)[labels]
    return np.asarray(weights / weights.sum())


@final
class EdmGenerator(StoredGenerator):
    """The default generator. `augmentation` lists the views that keep the label; only flips are used here. `dtype` is what
    convolutions compute in while it learns and draws; `denoiser` answers in float32."""

    def __init__(
        self,
        shape: ImageShape,
        config: EdmConfig | None = None,
        sampler: SamplerConfig | None = None,
        *,
        device: str | torch.device = "cpu",
        augmentation: Augmentation | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(shape, device)
        self.dtype = dtype
        self.config, self.sampler = config or EdmConfig(), sampler or SamplerConfig()
        if not can_rebuild(self.config, self.sampler.ema_std):
            raise ConfigError(
                f"sampler.ema_std must be near generator.ema_stds {self.config.ema_stds}, whose snapshots it is made from. Got "
                f"{self.sampler.ema_std}. Keep more snapshots, or store that width."
            )
        if self.sampler.guidance != 1 and not self.config.label_drop:
            raise ConfigError(
                f"sampler.guidance must be 1 where generator.label_drop is 0. Got {self.sampler.guidance}. Change one of them."
            )
        views = augmentation or Augmentation()
        self._views = Augmentation(0, views.horizontal, views.vertical)

    def build(self) -> nn.Module:
        """A fresh network with weights from torch's global generator."""
        c = self.config
        net: nn.Module = UNet(
            self.shape.channels,
            self.shape.classes,
            widths=c.channels,
            blocks=c.blocks,
            patch=patch_side(c.patch, self.shape.size, len(c.channels)),
            dropout=c.dropout,
        )
        if c.noise_floor:
            net = LocalBelow(net, self.shape.channels, math.log(c.noise_floor) / 4)
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def parameter_count(self) -> int:
        """See StoredGenerator."""
        return parameter_count(self.build())

    def _train(self, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report) -> None:
        _Fit(self, images, labels, seed, budget, report).run()

    def tensors(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """What is stored for `snapshot`, with the average of the sampler's width, rebuilt from stored ones if need be."""
        found, std = super().tensors(snapshot), self.sampler.ema_std
        if std in self.config.ema_stds:
            return found
        earlier = [s for s in self.snapshots() if s.images_seen <= snapshot.images_seen]
        stored = [(width, s.images_seen) for s in earlier for width in self.config.ema_stds]
        shares = rebuilding(stored, std, snapshot.images_seen)[0].reshape(len(earlier), -1)
        return {**found, **rebuilt([super(EdmGenerator, self).tensors(s) for s in earlier], self.config.ema_stds, std, shares)}

    def denoiser(self, snapshot: Snapshot | None = None) -> tuple[Denoise, Callable[[np.ndarray], Tensor]]:
        """`denoise(x, sigma (m,), labels (m,))` on the generator's own scale, and the function that puts uint8 images
        (n, height, width, channels) on it; `snapshot` None is the last one. Raises ConfigError before any fit."""
        net, pixels = self._network(self.tensors(self.chosen(snapshot)))

        def scale(images: np.ndarray) -> Tensor:
            return (to_input(torch.from_numpy(images), self.device) - pixels[:-1].view(1, -1, 1, 1)) * pixels[-1]

        return partial(denoise, net), scale

    def _network(self, tensors: Mapping[str, Tensor]) -> tuple[nn.Module, Tensor]:
        """The network with the average that the sampler names, and the pixel statistics."""
        prefix = f"{self.sampler.ema_std}/"
        net = self.build().eval().requires_grad_(False)
        net.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        return net, tensors["pixels"].to(self.device)

    def _open(self, tensors: Mapping[str, Tensor]) -> Draw:
        net, pixels = self._network(tensors)

        def render(noise: Tensor, labels: Tensor, spread: float) -> Tensor:
            return self._solve(partial(self._answer, net), pixels, noise, labels, spread)

        return in_batches(render, (self.shape.channels, self.shape.size, self.shape.size), self.shape, self.device)

    def _answer(self, net: nn.Module, x: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """The denoiser's answer, pushed away from that without a class where there is guidance (Ho & Salimans 2022)."""
        computed = partial(mixed, net, self.dtype)
        own, weight = denoise(computed, x, sigma, labels), self.sampler.guidance
        if weight == 1:
            return own
        return torch.lerp(denoise(computed, x, sigma, torch.full_like(labels, self.shape.classes)), own, weight)

    def _solve(self, answer: Denoise, pixels: Tensor, noise: Tensor, labels: Tensor, spread: float) -> Tensor:
        """Images on the [-1, 1] scale from standard normal noise (n, channels, side, side), along what `answer` denoises."""
        mean, scale, s = pixels[:-1].view(1, -1, 1, 1), pixels[-1], self.sampler
        sigmas = karras_sigmas(s.steps, s.sigma_min, s.sigma_max, s.rho)
        x = noise.to(memory_format=torch.channels_last) * (spread * float(sigmas[0]))

        def evaluate(state: Tensor, sigma: float) -> Tensor:
            return answer(state, torch.full((len(labels),), sigma, device=self.device), labels)

        drawn: Tensor = adams_bashforth(evaluate, x, sigmas, order=s.order)
        return drawn / scale + mean

    @torch.inference_mode()
    def between(
        self,
        labels: tuple[np.ndarray, np.ndarray],
        indices: tuple[np.ndarray, np.ndarray],
        shares: np.ndarray,
        *,
        seed: int,
        spread: float = 1.0,
        snapshot: Snapshot | None = None,
    ) -> np.ndarray:
        """See Interpolates.between. Classes are mixed by averaging the denoiser's two answers at every step."""
        with torch.random.fork_rng(devices=[]):
            net, pixels = self._network(self.tensors(self.chosen(snapshot)))
        noise_shape = (self.shape.channels, self.shape.size, self.shape.size)
        parts = [np.empty((0, self.shape.size, self.shape.size, self.shape.channels), np.uint8)]
        for start in range(0, len(shares), SAMPLE_BATCH):
            chosen = slice(start, start + SAMPLE_BATCH)
            start_noise, end_noise = (indexed_normal(seed, rows[chosen], noise_shape) for rows in indices)
            noise = mixed_noise(start_noise, end_noise, shares[chosen])
            first, second = (padded(asked[chosen], self.device) for asked in labels)
            share = padded(shares[chosen].astype(np.float32), self.device).view(-1, 1, 1, 1)
            answer = partial(_lerped, partial(self._answer, net), second, share)
            drawn = self._solve(answer, pixels, padded(noise, self.device), first, spread)
            parts.append(levels(drawn, len(noise)))
        return np.concatenate(parts)


def can_rebuild(config: EdmConfig, std: float) -> bool:
    """Whether the average of width `std` is stored, or can be made from the stored ones at the end of a run."""
    stored = [(width, seen + 1) for seen in range(config.snapshots) for width in config.ema_stds]
    return std in config.ema_stds or rebuilding(stored, std, config.snapshots)[1] < _WORST


def rebuilt(
    sources: Sequence[Mapping[str, Tensor]], widths: Sequence[float], std: float, shares: np.ndarray
) -> dict[str, Tensor]:
    """Tensors of the average of width `std`: `shares` (sources, widths) of those that each source holds of each width."""
    total: dict[str, Tensor] = {}
    for source, row in zip(sources, shares, strict=True):
        for width, share in zip(widths, row, strict=True):
            for name in [name for name in source if name.startswith(f"{width}/")]:
                ours = f"{std}/{name.removeprefix(f'{width}/')}"
                total[ours] = total.get(ours, torch.zeros_like(source[name])) + float(share) * source[name]
    return total


def _lerped(answer: Denoise, second: Tensor, share: Tensor, x: Tensor, sigma: Tensor, first: Tensor) -> Tensor:
    """The answer for `first`, by `share` of the way to that for `second`."""
    return torch.lerp(answer(x, sigma, first), answer(x, sigma, second), share)


def mixed_noise(one: np.ndarray, other: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Noise `shares` (n,) of the way from `one` to `other` (n, ...), of unit variance all the way; equal rows stay."""
    share = shares.astype(np.float32).reshape(-1, *[1] * (one.ndim - 1))
    mixed = ((1 - share) * one + share * other) / np.hypot(1 - share, share)
    same = (one == other).reshape(len(one), -1).all(1).reshape(share.shape)
    return np.where((share == 0) | same, one, np.where(share == 1, other, mixed))


def pixel_statistics(images: np.ndarray) -> Tensor:
    """float32 (channels + 1,): mean per channel on the [-1, 1] scale, then the factor that makes the deviation SIGMA_DATA."""
    step = max(1, len(images) // 5000)
    grey = images[::step].astype(np.float64) / 127.5 - 1
    mean = grey.mean((0, 1, 2))
    std = float(np.sqrt(((grey - mean) ** 2).mean()))
    return torch.tensor([*mean, SIGMA_DATA / max(std, 1e-3)], dtype=torch.float32)


def _computed(dtype: torch.dtype, loss: Callable[..., Tensor], net: nn.Module, *batch: Tensor) -> Tensor:
    """`loss` of a batch, the network computed in `dtype`."""
    return loss(partial(mixed, net, dtype), *batch)


class _Fit(Fitting):
    """The loop of Karras et al. 2022 with the averages of 2024."""

    def __init__(
        self, owner: EdmGenerator, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report
    ) -> None:
        self.owner, self.config, self.labels = owner, owner.config, torch.from_numpy(labels)
        super().__init__(owner, images, self.config.snapshots, seed, budget, report)
        self.stride = self.config.batch
        self.cumulative = np.cumsum(class_weights(labels, self.config.balance))
        self.pixels = pixel_statistics(images).to(owner.device)
        torch.manual_seed(derive_seed(seed, "generator", "weights"))
        self.net = owner.build().train()
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=self.config.lr,
            betas=(0.9, 0.99),
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        self.ema = PowerEma(self.net.parameters(), self.config.ema_stds)
        self.plain = not self.config.noise_floor and not self.config.skip_low_loss
        self.loss_of = Shared(self.net, partial(_computed, owner.dtype, denoising_loss if self.plain else denoising_errors))
        self.usual = UsualLoss(self.config.skip_low_loss) if self.config.skip_low_loss else None

    def parts(self) -> dict[str, Stateful]:
        parts: dict[str, Stateful] = {"net": self.net, "optimizer": self.optimizer, "ema": self.ema}
        return parts if self.usual is None else {**parts, "usual": self.usual}

    def step(self, seen: int, rng: torch.Generator) -> int:
        clean, once, labels = self.batch(seen, rng)
        set_rate(self.optimizer, learning_rate(self.config, seen, self.budget))
        loss = self.loss(clean, once, labels, rng)
        descend(loss, self.optimizer, clip=self.config.clip)
        self.ema.update(seen, seen + len(labels))
        self.now_and_then(seen, seen + len(labels), {"loss": loss})
        return len(labels)

    def batch(self, seen: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised images float (batch, channels, side, side), the noise that each holds once and for all, which has no
        channels where there is no floor, and their labels, some dropped to "no class"."""
        uniform = numpy_rng(self.seed, "generator", "batch", seen).random(self.config.batch)
        chosen = torch.from_numpy(np.searchsorted(self.cumulative, uniform * self.cumulative[-1]))
        views, channels = augment(self.with_noise(chosen), self.owner._views, rng), self.owner.shape.channels
        once = views[..., channels:].permute(0, 3, 1, 2).to(self.owner.device)
        clean = to_input(views[..., :channels], self.owner.device)
        clean = (clean - self.pixels[:-1].view(1, -1, 1, 1)) * self.pixels[-1]
        dropped = torch.rand(len(chosen), generator=rng) < self.config.label_drop
        labels = torch.where(dropped, self.owner.shape.classes, self.labels[chosen])
        return clean, once, labels.to(self.owner.device)

    def with_noise(self, chosen: Tensor) -> Tensor:
        """The images (n, side, side, channels) of these rows; where there is a floor, their noise as further channels, which is
        mirrored with them: another noise in the mirror image would be a second look at the record."""
        images = self.images[chosen]
        if not self.config.noise_floor:
            return images
        drawn = indexed_normal(derive_seed(self.seed, "generator", "floor"), chosen.numpy(), tuple(images.shape[1:]))
        return torch.cat([images.float(), torch.from_numpy(drawn)], dim=-1)

    def loss(self, clean: Tensor, once: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """Denoising loss at noise levels that are lognormal and stratified over the batch. From the floor on, of images that
        hold the floor's noise already; below it, where the local denoiser learns, of the images themselves."""
        n = len(labels)
        uniform = (torch.arange(n) + torch.rand(n, generator=rng)) / n
        normal = torch.special.ndtri(uniform.double().clamp_(1e-6, 1 - 1e-6)).float()
        sigma = (normal * self.config.p_std + self.config.p_mean).exp().to(clean.device)
        noise = torch.randn(clean.permute(0, 2, 3, 1).shape, generator=rng).permute(0, 3, 1, 2).to(clean.device)
        if self.plain:
            return self.loss_of(clean, noise, sigma, labels)
        floor = self.config.noise_floor
        held = torch.where(sigma < floor, 0.0, floor)
        image = clean + held[:, None, None, None] * once if floor else clean
        with alone() if floor and self.config.dropout else nullcontext():  # it draws for rows on one side of the floor
            errors = self.loss_of(image, held, noise, sigma, labels)
        return errors.mean() if self.usual is None else self.usual.without_low(errors, sigma)

    def keep(self, seen: int) -> None:
        names = [name for name, _ in self.net.named_parameters()]
        tensors = {f"{std}/{n}": t for std, ts in self.ema.averages.items() for n, t in zip(names, ts, strict=True)}
        buffers = {f"{std}/{n}": b for std in self.config.ema_stds for n, b in self.net.named_buffers()}
        self.owner.keep(seen, {"pixels": self.pixels, **tensors, **{n: b.clone() for n, b in buffers.items()}})
