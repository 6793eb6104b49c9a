"""Label-preserving views of uint8 batches, the way from bytes to network input, and the views of DiffAugment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Augmentation:
    """Which views keep the label: a largest shift in pixels, mirror images left-right or upside-down, and differences from
    the image's own mean times a factor between 1 / (1 + contrast) and 1 + contrast."""

    shift: int = 0
    horizontal: bool = False
    vertical: bool = False
    contrast: float = 0.0


def augment(images: Tensor, how: Augmentation, rng: torch.Generator) -> Tensor:
    """One random view of every image. uint8 (n, height, width, channels) in and out; edges are repeated under shifts, and
    values that a contrast takes out of 0..255 are cut off."""
    views = _moved(images, how, rng) if how.shift or how.horizontal or how.vertical else images
    return _contrasted(views, how.contrast, rng) if how.contrast else views


def _moved(images: Tensor, how: Augmentation, rng: torch.Generator) -> Tensor:
    n, height, width, _ = images.shape
    rows = _source(n, height, how.shift, how.vertical, rng)
    cols = _source(n, width, how.shift, how.horizontal, rng)
    return images[torch.arange(n)[:, None, None], rows[:, :, None], cols[:, None, :]]


def _contrasted(images: Tensor, contrast: float, rng: torch.Generator) -> Tensor:
    """Every image with its contrast multiplied by a random factor whose logarithm is uniform."""
    factors = torch.exp((2 * torch.rand(len(images), 1, 1, 1, generator=rng) - 1) * math.log1p(contrast))
    values = images.to(torch.float32)
    return torch.lerp(values.mean((1, 2, 3), keepdim=True), values, factors).round_().clamp_(0, 255).to(torch.uint8)


def _source(n: int, side: int, shift: int, flip: bool, rng: torch.Generator) -> Tensor:
    """Where each of `side` output lines comes from; int64 (n, side)."""
    offset = torch.randint(-shift, shift + 1, (n, 1), generator=rng)
    lines = (torch.arange(side) + offset).clamp_(0, side - 1)
    if not flip:
        return lines
    mirrored = torch.rand(n, 1, generator=rng) < 0.5
    return torch.where(mirrored, side - 1 - lines, lines)


def to_input(images: Tensor, device: torch.device) -> Tensor:
    """uint8 (n, height, width, channels) to float32 (n, channels, height, width) in [-1, 1], channels last in memory."""
    return images.to(device).permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1)
