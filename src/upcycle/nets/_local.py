"""A denoiser for the last, faint noise that sees patches of 9 x 9 pixels only, and a network that calls it below a noise level.

What lies in a patch is shared by many records, and 20,000 weights hold none: the locality of a denoiser is what keeps it from
giving back what it was trained on (Kamb & Ganguli 2024, arXiv:2412.20292).
"""

from itertools import pairwise
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class LocalDenoiser(nn.Module):
    """Float (n, channels, side, side) in and out: four convolutions, so that a pixel follows from those at most four away. It
    is told the noise level, never the class; a normalisation over the image would let it see all of that."""

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        sizes = (channels + 1, width, width, width)
        self.inner = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(sizes))
        self.leave = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(cast(Tensor, self.leave.bias))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        level = noise[:, None, None, None].expand(-1, 1, *x.shape[2:])
        hidden = torch.cat([x, level.to(x.dtype)], dim=1)
        for convolution in self.inner:
            hidden = F.silu(convolution(hidden))
        return cast(Tensor, self.leave(hidden))


@final
class LocalBelow(nn.Module):
    """`net` from the noise level `edge` on, as networks are told it (c_noise), and a LocalDenoiser below: images of a batch go
    to one or the other (experts by noise level, Balaji et al. 2022, arXiv:2211.01324)."""

    def __init__(self, net: nn.Module, channels: int, edge: float) -> None:
        super().__init__()
        self.net, self.local, self.edge = net, LocalDenoiser(channels), edge

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor) -> Tensor:
        low = noise < self.edge
        if bool(low.all()):
            return cast(Tensor, self.local(x, noise))
        out = torch.zeros_like(x)
        out[~low] = self.net(x[~low], noise[~low], labels[~low]).to(x.dtype)
        if bool(low.any()):
            out[low] = self.local(x[low], noise[low]).to(x.dtype)
        return out
