"""White-box attacks on a generator: on a diffusion model through its denoiser D(x; sigma), one norm, or the error of one step
there and back; on an adversarial network through its discriminator, or by how well its latents rebuild a record.

The denoiser is any callable, so that every diffusion model with such a form can be attacked; `EdmGenerator.denoiser`
gives ours and the scale of its images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from upcycle.audit.attacks._attack import Attack, AttackCard, Needs, ThreatModel
from upcycle.audit.attacks._signals import check_labels
from upcycle.errors import AuditInputError

if TYPE_CHECKING:
    from torch import Tensor

    Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
    Judge = Callable[[Tensor, Tensor], Tensor]

_ACCESS: Final = "the weights of the diffusion model"


def denoiser_norm(denoise: Denoise, images: Tensor, labels: np.ndarray, *, sigma: float = 0.1, batch: int = 256) -> np.ndarray:
    """Minus the root mean square of the predicted noise (x - D(x; sigma)) / sigma at the clean image, float64 (n,).

    `denoise(x, sigma (m,), labels (m,))` of x float (m, channels, side, side) on the model's own scale, where sigma is a
    deviation. Raises AuditInputError.
    """
    _check(sigma)
    return _over_batches(lambda x, y: -_rms(_noise(denoise, x, sigma, y)), images, labels, batch)


def t_error(
    denoise: Denoise, images: Tensor, labels: np.ndarray, *, sigma: float = 0.5, steps: int = 10, batch: int = 256
) -> np.ndarray:
    """Minus the root mean square error of one step there and back at noise level `sigma`, float64 (n,).

    The image is carried from sigma / steps to `sigma` by deterministic DDIM steps (Euler on the probability flow), one
    step further, and that one back. See `denoiser_norm` for the arguments.
    """
    _check(sigma, steps)
    levels = sigma * np.arange(1, steps + 2) / steps

    def error(x: Tensor, y: Tensor) -> Tensor:
        for low, high in pairwise(levels[:-1]):
            x = x + (high - low) * _noise(denoise, x, low, y)
        ahead = x + (levels[-1] - levels[-2]) * _noise(denoise, x, levels[-2], y)
        back = ahead + (levels[-2] - levels[-1]) * _noise(denoise, ahead, levels[-1], y)
        return -_rms(back - x)

    return _over_batches(error, images, labels, batch)


def _noise(denoise: Denoise, x: Tensor, sigma: float, labels: Tensor) -> Tensor:
    return (x - denoise(x, x.new_full((len(x),), sigma), labels)) / sigma


def _rms(x: Tensor) -> Tensor:
    return x.double().flatten(1).square().mean(dim=1).sqrt()


def _over_batches(attack: Callable[[Tensor, Tensor], Tensor], images: Tensor, labels: np.ndarray, batch: int) -> np.ndarray:
    import torch

    if images.ndim != 4 or not images.is_floating_point() or not bool(images.isfinite().all()):
        raise AuditInputError(
            f"images must be finite floats of shape (n, channels, side, side). Got {images.dtype} {tuple(images.shape)}. "
            "Put them on the scale of the model."
        )
    own = torch.from_numpy(check_labels(labels, len(images))).to(images.device)
    with torch.no_grad():
        parts = [attack(x, y) for x, y in zip(torch.split(images, batch), torch.split(own, batch), strict=True)]
    return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float64)


def _check(sigma: float, steps: int = 2) -> None:
    if not sigma > 0 or steps < 2:
        raise AuditInputError(f"sigma must be above 0 and steps at least 2. Got {sigma} and {steps}. Change them.")


@dataclass(frozen=True)
class Inversion:
    """How a latent is searched: `steps` of Adam at `rate` from each of `restarts` normal starts; `prior` is the weight of
    the latent's mean square relative to the pixels' mean square."""

    steps: int = 200
    rate: float = 0.05
    restarts: int = 2
    prior: float = 1e-4


def discriminator_logit(discriminator: Judge, images: Tensor, labels: np.ndarray, *, batch: int = 256) -> np.ndarray:
    """The discriminator's logit for "real", float64 (n,). `discriminator(images (m, ...), labels (m,))` gives (m,) or
    (m, 1). Raises AuditInputError."""
    import torch

    own = _own(images, labels)
    with torch.no_grad():
        parts = [discriminator(x, y) for x, y in zip(torch.split(images, batch), torch.split(own, batch), strict=True)]
    logits = torch.cat(parts).double().cpu()
    if logits.numel() != len(images) or not bool(logits.isfinite().all()):
        raise AuditInputError(
            f"discriminator must return one finite number per image. Got shape {tuple(logits.shape)}. Give the logit."
        )
    return np.asarray(logits.flatten().numpy())


def latent_inversion(
    generate: Judge,
    images: Tensor,
    labels: np.ndarray,
    *,
    latents: tuple[int, ...],
    search: Inversion | None = None,
    seed: int = 0,
    batch: int = 128,
) -> np.ndarray:
    """Minus the smallest root mean square difference between a record and what a searched latent generates, float64 (n,).

    `generate(z (m, *latents), labels (m,))` gives images (m, ...) like `images` and must carry gradients to z. Each record
    is searched on its own; starts depend on `seed` and the record's place. Raises AuditInputError.
    """
    import torch

    own, plan = _own(images, labels), search or Inversion()
    best = torch.full((len(images),), torch.inf, dtype=torch.float64)
    for restart in range(plan.restarts):
        rng = torch.Generator().manual_seed(seed + restart)
        start = torch.randn((len(images), *latents), generator=rng).to(images.device)
        for rows in torch.split(torch.arange(len(images)), batch):
            found = _search(generate, images[rows], own[rows], start[rows], plan)
            best[rows] = torch.minimum(best[rows], found.double().cpu())
    return np.asarray(-best.numpy())


def _search(generate: Judge, images: Tensor, labels: Tensor, start: Tensor, plan: Inversion) -> Tensor:
    """Root mean square error (m,) of the best latent on the way."""
    import torch

    z = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([z], lr=plan.rate)
    best = torch.full((len(images),), torch.inf, device=images.device)
    for _ in range(plan.steps):
        error = (generate(z, labels) - images).flatten(1).square().mean(dim=1)
        best = torch.minimum(best, error.detach().sqrt())
        (gradient,) = torch.autograd.grad((error + plan.prior * z.flatten(1).square().mean(dim=1)).sum(), z)
        z.grad = gradient
        optimiser.step()
    return best


def _own(images: Tensor, labels: np.ndarray) -> Tensor:
    import torch

    if images.ndim < 2 or not images.is_floating_point() or not bool(images.isfinite().all()):
        raise AuditInputError(
            f"images must be finite floats of shape (n, ...). Got {images.dtype} {tuple(images.shape)}. "
            "Put them on the scale of the model."
        )
    return torch.from_numpy(check_labels(labels, len(images))).to(images.device)


def _attack(name: str, paper: str, access: str, assumption: str, score: object) -> Attack:
    return Attack(AttackCard(name, paper, access, assumption, ThreatModel.GENERATOR), Needs.GENERATOR, score)  # type: ignore[arg-type]


DENOISER_NORM: Final = _attack(
    "denoiser norm",
    "Rao et al. 2025 (SimA), arXiv:2509.25003",
    _ACCESS,
    "at a small noise level the denoiser pulls a record towards training images near it: not at all for a member",
    denoiser_norm,
)
T_ERROR: Final = _attack(
    "t-error",
    "Duan et al. 2023 (SecMI), arXiv:2302.01316",
    _ACCESS,
    "a deterministic step up and back returns to where it was more exactly for members",
    t_error,
)
DISCRIMINATOR: Final = _attack(
    "discriminator logit",
    "Hayes et al. 2019 (LOGAN), arXiv:1705.07663",
    "the discriminator, which no release holds: an upper bound for those who have the generator's weights alone",
    "an overfitted discriminator calls its own training images real more surely",
    discriminator_logit,
)
INVERSION: Final = _attack(
    "latent inversion",
    "Chen et al. 2020 (GAN-Leaks), arXiv:1909.03935, white box",
    "the weights of the generator",
    "a generator rebuilds what it was trained on more closely than other images",
    latent_inversion,
)
