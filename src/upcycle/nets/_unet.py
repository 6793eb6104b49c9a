"""A small class-conditional convolutional U-Net on patches (Ho et al. 2020; Karras et al. 2022, 2024)."""

import math
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._parallel import drawn


class _Norm(nn.GroupNorm):
    """Group normalisation in float32 whatever the input: a CPU takes twice as long over bfloat16 (docs/log.md)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


def _norm(channels: int) -> nn.GroupNorm:
    return _Norm(math.gcd(8, channels), channels)


def dropout(x: Tensor, share: float) -> Tensor:
    """x with about `share` of its values set to 0 and the rest scaled up; eight values take one draw of torch's generator.

    torch draws one number a value, on one thread: 11 % of a training step. Shares are rounded to 1/256.
    """
    low = round(256 * share)
    n, channels, height, width = x.shape  # values in memory order, so that a channels-last mask needs no copy
    rows, mine = drawn(n)
    values = rows * channels * height * width
    bits = torch.empty((values + 7) // 8, dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)
    kept = (bits[:values] >= low).to(x.dtype).mul_(256 / (256 - low)).to(x.device)
    return x * kept.view(rows, height, width, channels)[mine].permute(0, 3, 1, 2)


@final
class UNetBlock(nn.Module):
    """Residual block whose second normalisation is scaled and shifted by the embedding of noise level and class."""

    def __init__(self, inner: int, outer: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(inner), _norm(outer)
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1)
        self.affine = nn.Linear(embedding, 2 * outer)
        self.skip: nn.Module = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)
        self.dropout = dropout
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(cast(Tensor, self.conv2.bias))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        spare = not torch.is_grad_enabled()  # in sampling no backward pass needs the maps that SiLU reads
        hidden = self.conv1(F.silu(self.norm1(x), inplace=spare))
        scale, shift = self.affine(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = F.silu(torch.addcmul(shift, self.norm2(hidden), scale + 1), inplace=spare)
        if self.dropout and self.training:
            hidden = dropout(hidden, self.dropout)
        return cast(Tensor, self.conv2(hidden).add_(self.skip(x)))


@final
class NoiseClassEmbedding(nn.Module):
    """One vector (n, width) for noise level c_noise (n,) and class label int64 (n,); label == classes means "no class"."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, math.log(1000), width // 4)) * 0.5)
        self.noise = nn.Linear(2 * (width // 4), width)
        self.label = nn.Embedding(classes + 1, width)
        self.out = nn.Linear(width, width)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        phase = noise[:, None] * cast(Tensor, self.frequencies)
        waves = torch.cat([phase.cos(), phase.sin()], dim=1)
        return F.silu(self.out(F.silu(self.noise(waves) + self.label(labels))))


@final
class UNet(nn.Module):
    """Output of the input's shape, float (n, channels, side, side). Odd sides are padded inside and cropped again."""

    def __init__(
        self, channels: int, classes: int, *, widths: tuple[int, ...], blocks: int, patch: int, dropout: float
    ) -> None:
        super().__init__()
        self.patch, self.multiple = patch, patch * 2 ** (len(widths) - 1)
        embedding = 4 * widths[0]
        folded = channels * patch**2
        self.embed = NoiseClassEmbedding(embedding, classes)
        self.enter = nn.Conv2d(folded, widths[0], 3, padding=1)
        skips, width = [widths[0]], widths[0]
        self.down = nn.ModuleList()
        for level in widths:
            column = nn.ModuleList()
            for _ in range(blocks):
                column.append(UNetBlock(width, level, embedding, dropout))
                width = level
                skips.append(width)
            self.down.append(column)
        self.middle = UNetBlock(width, width, embedding, dropout)
        self.up = nn.ModuleList()
        for depth, level in enumerate(reversed(widths)):
            column = nn.ModuleList()
            for _ in range(blocks + (depth == len(widths) - 1)):  # the last takes the skip of `enter` too
                column.append(UNetBlock(width + skips.pop(), level, embedding, dropout))
                width = level
            self.up.append(column)
        self.leave_norm = _norm(width)
        self.leave = nn.Conv2d(width, folded, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(cast(Tensor, self.leave.bias))

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor) -> Tensor:
        side = x.shape[-1]
        short = -side % self.multiple
        embedding = self.embed(noise, labels)
        hidden = self.enter(F.pixel_unshuffle(F.pad(x, (0, short, 0, short)), self.patch))
        skips = [hidden]
        for depth, column in enumerate(self.down):
            hidden = F.avg_pool2d(hidden, 2) if depth else hidden
            for block in cast(nn.ModuleList, column):
                hidden = block(hidden, embedding)
                skips.append(hidden)
        hidden = self.middle(hidden, embedding)
        for depth, column in enumerate(self.up):
            hidden = F.interpolate(hidden, scale_factor=2.0) if depth else hidden
            for block in cast(nn.ModuleList, column):
                hidden = block(torch.cat([hidden, skips.pop()], dim=1), embedding)
        spare = not torch.is_grad_enabled()
        out = F.pixel_shuffle(self.leave(F.silu(self.leave_norm(hidden), inplace=spare)), self.patch)
        return out[:, :, :side, :side]
