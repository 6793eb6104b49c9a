"""Images that a class is like, from sums with noise: what a private denoiser may learn from before it sees a record (after
"DP-FETA", arXiv:2504.01395, whose central images are means too)."""

import math
from typing import Final, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._random import numpy_rng
from upcycle.data import ImageSet
from upcycle.dp._head import features_of, noisy, statistics

_GRID: Final = 8  # cells a side that means have at most: more of them would be noise on a few hundred records
_CONSTANT: Final = 0.2  # share of the squared length of a feature vector that counts the records


@final
class _Coarse(nn.Module):
    """float (n, channels, side, side) in [-1, 1] to (n, features) of length 1 at most: block means, and a constant."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.cells = min(_GRID, side)

    def forward(self, images: Tensor) -> Tensor:
        coarse = F.adaptive_avg_pool2d(images, self.cells).flatten(1)
        scaled = coarse * math.sqrt((1 - _CONSTANT) / coarse.shape[1])
        return torch.cat([scaled, torch.full_like(scaled[:, :1], math.sqrt(_CONSTANT))], dim=1)


def central_images(members: ImageSet, classes: int, noise: float, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, side, side, channels) and their classes int64 (count,), as many of each: Gaussian images of every class,
    whose means and common covariance one Gaussian mechanism of that `noise` released."""
    side, channels = members.images.shape[2:]
    measure = _Coarse(side)
    found = statistics(features_of(measure, members), members.labels, classes)
    products, sums, spread = noisy(*found, noise, numpy_rng(seed, "central images", repr(noise)))
    means, spreads = _gaussians(products, sums, spread, len(members))
    labels, rng = np.arange(count) % classes, numpy_rng(seed, "central images", "drawn")
    drawn = means[labels] + rng.standard_normal((count, len(spreads))) @ spreads
    scaled = drawn * math.sqrt(drawn.shape[1] / (1 - _CONSTANT))
    coarse = torch.from_numpy(scaled.astype(np.float32)).view(count, channels, measure.cells, measure.cells)
    fine = F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)
    levels = ((fine + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().numpy(), labels


def _gaussians(products: np.ndarray, sums: np.ndarray, spread: float, records: int) -> tuple[np.ndarray, np.ndarray]:
    """Means (classes, features) and a root (features, features) of the covariance within a class, as far as it stands out of
    the noise. A class of hardly any records by the noisy count is grey, not noise enlarged."""
    classes, counts = sums.shape[1], sums[-1] / math.sqrt(_CONSTANT)
    means = (sums[:-1] / np.maximum(counts, records / (4 * classes))).T
    shares = np.maximum(counts, 0) / records
    within = products[:-1, :-1] / records - (means.T * shares) @ means
    values, axes = np.linalg.eigh(within)
    edge = spread * math.sqrt(2 * len(within)) / records  # of the eigenvalues of the noise alone
    return means, (axes * np.sqrt(np.where(values > edge, values, 0))).T
