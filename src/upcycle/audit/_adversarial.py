"""White-box attacks on a generative adversarial network: its discriminator, and how well its latents rebuild the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from upcycle.audit._card import AttackCard
from upcycle.audit._features import check_labels
from upcycle.audit._inputs import AuditInputError

if TYPE_CHECKING:
    from torch import Tensor

    Judge = Callable[[Tensor, Tensor], Tensor]

ADVERSARIAL_CARDS: Final = (
    AttackCard(
        "discriminator logit",
        "Hayes et al. 2019 (LOGAN), arXiv:1705.07663",
        "the discriminator, which no release holds: an upper bound for those who have the generator's weights alone",
        "an overfitted discriminator calls its own training images real more surely",
        "T4",
    ),
    AttackCard(
        "latent inversion",
        "Chen et al. 2020 (GAN-Leaks), arXiv:1909.03935, white box",
        "the weights of the generator",
        "a generator rebuilds what it was trained on more closely than other images",
        "T4",
    ),
)


@dataclass(frozen=True)
class Inversion:
    """How a latent is searched: `steps` of Adam at `rate` from each of `restarts` normal starts; `prior` is the weight of
    the latent's mean square beside the pixels' mean square."""

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
