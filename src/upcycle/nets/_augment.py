"""Label-preserving views of uint8 image batches, and the way from bytes to network input."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


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
