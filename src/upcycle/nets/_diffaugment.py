"""Differentiable views inside the adversarial loss (Zhao et al. 2020, DiffAugment): the same kind for real and drawn images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_SHIFT, _HOLE = 1 / 8, 1 / 2  # of the side, as in the paper


def diff_augment(images: Tensor, policy: Sequence[str], rng: torch.Generator) -> Tensor:
    """A random view of every image; float (n, channels, side, side) in and out, gradients pass through.

    `policy` names any of color, translation and cutout; labels are no business of it. Numbers are drawn from `rng`, on the
    CPU. Pixels that a translation moves in repeat the edge (the paper has grey there, which no real scan shows).
    """
    for name in policy:
        images = _VIEWS[name](images, rng)
    return images


def _color(images: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness +-0.5, saturation x 0..2, contrast x 0.5..1.5."""
    light, colour, contrast = torch.rand(3, len(images), 1, 1, 1, generator=rng).to(images.device).unbind()
    images = images + (light - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * colour) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def _translation(images: Tensor, rng: torch.Generator) -> Tensor:
    """Shifts by up to an eighth of the side. A product with 0/1 matrices: its gradient needs no scatter, which is slow."""
    n, _, height, width = images.shape
    rows = _selection(n, height, rng).to(images.device)
    columns = _selection(n, width, rng).to(images.device)
    return rows[:, None] @ images @ columns[:, None].transpose(2, 3)


def _selection(n: int, side: int, rng: torch.Generator) -> Tensor:
    """0/1 matrices float (n, side, side): row i picks where output line i comes from."""
    most = max(1, round(side * _SHIFT))
    offset = torch.randint(-most, most + 1, (n, 1), generator=rng)
    source = (torch.arange(side) + offset).clamp_(0, side - 1)
    return torch.nn.functional.one_hot(source, side).to(torch.float32)


def _cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    """A square of half the side, somewhere, set to mid-grey."""
    n, _, height, width = images.shape
    rows, columns = _hole(n, height, rng), _hole(n, width, rng)
    keep = ~(rows[:, None, :, None] & columns[:, None, None, :])
    return images * keep.to(images.device, images.dtype)


def _hole(n: int, side: int, rng: torch.Generator) -> Tensor:
    """Which lines lie in the hole; bool (n, side)."""
    length = max(1, round(side * _HOLE))
    centre = torch.randint(0, side + (1 - length % 2), (n, 1), generator=rng)
    lines = torch.arange(side)
    return (lines >= centre - length // 2) & (lines < centre - length // 2 + length)


_VIEWS = {"color": _color, "translation": _translation, "cutout": _cutout}
