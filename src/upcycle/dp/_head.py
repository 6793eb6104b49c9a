"""A linear head on fixed features that is one release of the Gaussian mechanism (Tramèr & Boneh 2021, arXiv:2011.11660).

Features that are not learned cost no privacy, and least squares needs the data only through two sums: of the products of a
record's features, and of its features by class (sufficient statistics; Wang 2018, arXiv:1803.02596). Both get noise once, where
DP-SGD must answer for every step.
"""

import math
from importlib import import_module
from typing import Final, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._random import numpy_rng
from upcycle.data import ImageSet
from upcycle.dp._account import need_extra
from upcycle.dp._train import PrivateFit
from upcycle.nets import to_input

_DIRECTIONS: Final = 8
_CONSTANT: Final = 0.2  # share of the squared length of a feature vector that is the same for every image
_SHARP: Final = 0.1  # scores of least squares are divided by this for logits; it changes no answer
_BATCH: Final = 1_000


@final
class OrientedEnergy(nn.Module):
    """float (n, channels, side, side) to (n, features) of length 1: how strong edges of each direction are in each cell of a
    grid (Dalal & Triggs 2005), square roots, and a constant. Nothing in it was learned."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.cells = min(max(4, side // 4), 7, side)
        self.size = self.cells**2 * _DIRECTIONS + 1

    def forward(self, images: Tensor) -> Tensor:
        grey = images.mean(1, keepdim=True)
        padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
        across = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
        down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
        turn = (torch.atan2(down, across) / (2 * math.pi) % 1) * _DIRECTIONS
        bins = torch.arange(_DIRECTIONS, device=images.device)[:, None, None]
        apart = (turn - bins + _DIRECTIONS / 2) % _DIRECTIONS - _DIRECTIONS / 2
        energy = torch.hypot(across, down) * (1 - apart.abs()).clamp(min=0)
        cells = F.adaptive_avg_pool2d(energy, self.cells).flatten(1).sqrt()
        unit = F.normalize(cells, dim=1) * math.sqrt(1 - _CONSTANT)
        return torch.cat([unit, torch.full_like(unit[:, :1], math.sqrt(_CONSTANT))], dim=1)


@final
class PrivateHead(nn.Module):
    """Logits (n, classes) of images (n, channels, side, side) in [-1, 1]."""

    def __init__(self, side: int, classes: int) -> None:
        super().__init__()
        self.features = OrientedEnergy(side)
        self.linear = nn.Linear(self.features.size, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.features(images)) / _SHARP  # type: ignore[no-any-return]


def train_head(members: ImageSet, classes: int, epsilon: float, *, seed: int) -> PrivateFit:
    """The head whose training is (epsilon, delta)-private per record, which is added or removed; delta is 1 / members. Raises
    ConfigError without the extra [dp].

    Noise follows from `seed` and `epsilon`: two heads of one seed have independent noise, without which they would not
    compose. The guarantee holds against those who do not know the seed.
    """
    delta = 1 / len(members)
    noise = exact_noise(epsilon, delta)
    head = PrivateHead(members.images.shape[1], classes)
    found = statistics(features_of(head.features, members), members.labels, classes)
    products, sums, spread = noisy(*found, noise, numpy_rng(seed, "private head", repr(epsilon)))
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(least_squares(products, sums, spread, len(members)).T))
    return PrivateFit(head.eval(), noise, 1, 1.0, epsilon, delta)


def exact_noise(epsilon: float, delta: float) -> float:
    """The noise of one Gaussian mechanism of that epsilon, exactly (Balle & Wang 2018). Raises ConfigError without [dp]."""
    need_extra()
    return float(import_module("dp_accounting").get_sigma_gaussian(epsilon, delta))


def features_of(measure: nn.Module, members: ImageSet) -> np.ndarray:
    """float64 (n, features)."""
    images = torch.from_numpy(np.ascontiguousarray(members.images))
    with torch.no_grad():
        found = [measure(to_input(batch, torch.device("cpu"))) for batch in torch.split(images, _BATCH)]
    return np.asarray(torch.cat(found).double().numpy())


def statistics(features: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the records of the products of their features (features, features), and of their features by class (features,
    classes). A record of length 1 moves each by a length of 1."""
    return features.T @ features, features.T @ np.eye(classes)[labels]


def noisy(
    products: np.ndarray, sums: np.ndarray, noise: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Both statistics as one Gaussian mechanism of that `noise` releases them, and the deviation of what was added: a record
    moves each by a length of 1 at most, and so both by the root of two."""
    spread = noise * math.sqrt(2)
    return products + spread * symmetric_noise(len(products), rng), sums + spread * rng.standard_normal(sums.shape), spread


def symmetric_noise(size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size), symmetric: every direction of Frobenius length 1 has a standard deviation of 1, so that off the diagonal,
    where a value stands twice, the variance is 1 / 2."""
    drawn = rng.standard_normal((size, size))
    return (drawn + drawn.T) / 2


def least_squares(products: np.ndarray, sums: np.ndarray, spread: float, records: int) -> np.ndarray:
    """Weights (features, classes), pulled to 0 by as much as the noise could make the products negative."""
    ridge = max(1e-3 * records / len(products), 2 * spread * math.sqrt(len(products)))
    return np.linalg.solve(products + ridge * np.eye(len(products)), sums)
