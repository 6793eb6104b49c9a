"""Losses of adversarial training, as functions of the discriminator's scores (n,)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


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
