"""BigGAN-deep at 32 pixels (Brock et al. 2019, appendix B), built as in GaFi (Lomurno et al. 2023, public source).

Bottleneck blocks of a quarter of the channels; latent and class embedding together condition every normalisation of the
generator (the hierarchical latent of the deep variant); shortcuts of changing blocks are 1x1 convolutions, as there.
"""

from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle.nets._conditional import ConditionalNorm, ProjectionHead, SelfAttention, prepared

_BASE = 4  # side of the first map


def doublings(size: int) -> int:
    """How often the first map of side 4 is doubled to reach `size`, at least once."""
    count = 1
    while _BASE * 2**count < size:
        count += 1
    return count


def _levels(width: int, count: int) -> list[int]:
    """Channels at every resolution, coarse to fine: 4 x `width` throughout up to 32 pixels, above them 16 x, 8 x ... 1 x."""
    if count <= 3:
        return [4 * width] * (count + 1)
    return [width * min(16, 2 ** (count - k)) for k in range(count + 1)]


@final
class DeepGeneratorBlock(nn.Module):
    """1x1, 3x3, 3x3, 1x1 convolutions, each after a conditional normalisation; `up` doubles the side after the first."""

    def __init__(self, inner: int, outer: int, condition: int, *, up: bool, spectral: bool) -> None:
        super().__init__()
        self.up, narrow = up, max(inner // 4, 1)
        shapes = [(inner, narrow, 1), (narrow, narrow, 3), (narrow, narrow, 3), (narrow, outer, 1)]
        self.norms = nn.ModuleList(ConditionalNorm(i, condition, spectral=spectral) for i, _, _ in shapes)
        self.convs = nn.ModuleList(prepared(nn.Conv2d(i, o, k, padding=k // 2), spectral=spectral) for i, o, k in shapes)
        self.skip = prepared(nn.Conv2d(inner, outer, 1), spectral=spectral)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        hidden, short = x, self.skip(x)
        for place, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            hidden = F.relu(norm(hidden, condition))
            if self.up and place == 1:
                hidden, short = F.interpolate(hidden, scale_factor=2.0), F.interpolate(short, scale_factor=2.0)
            hidden = conv(hidden)
        return cast(Tensor, hidden + short)


@final
class BigGanGenerator(nn.Module):
    """Images float (n, channels, size, size) in [-1, 1] of latents (n, latent) and labels (n,); larger maps are cropped.

    `spectral` False is the network that samples: it takes `plain_state` of the trained one.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        width: int,
        latent: int,
        embedding: int,
        depth: int,
        attention: bool,
        spectral: bool,
    ) -> None:
        """`shape` (channels, classes, size)."""
        super().__init__()
        channels, classes, self.size = shape
        count = doublings(self.size)
        levels, condition = _levels(width, count), latent + embedding
        self.label = prepared(nn.Embedding(classes, embedding), spectral=False)
        self.enter = prepared(nn.Linear(condition, levels[0] * _BASE**2), spectral=spectral)
        self.body = nn.ModuleList()
        for stage in range(count):
            inner, outer = levels[stage : stage + 2]
            for block in range(depth):
                last = block == depth - 1
                self.body.append(DeepGeneratorBlock(inner, outer if last else inner, condition, up=last, spectral=spectral))
            if attention and stage == count - 2:
                self.body.append(SelfAttention(outer, spectral=spectral))
        self.norm = nn.BatchNorm2d(levels[-1])
        self.leave = prepared(nn.Conv2d(levels[-1], channels, 3, padding=1), spectral=spectral)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        condition = torch.cat([latent, self.label(labels)], dim=1)
        hidden = self.enter(condition).view(len(latent), _BASE, _BASE, -1).permute(0, 3, 1, 2)
        for block in self.body:
            hidden = block(hidden) if isinstance(block, SelfAttention) else block(hidden, condition)
        return self.leave(F.relu(self.norm(hidden))).tanh()[:, :, : self.size, : self.size]  # type: ignore[no-any-return]


@final
class DeepDiscriminatorBlock(nn.Module):
    """1x1, 3x3, 3x3, 1x1 convolutions with spectral norm; `down` halves the side before the last."""

    def __init__(self, inner: int, outer: int, *, down: bool) -> None:
        super().__init__()
        self.down, narrow = down, max(outer // 4, 1)
        shapes = [(inner, narrow, 1), (narrow, narrow, 3), (narrow, narrow, 3), (narrow, outer, 1)]
        self.convs = nn.ModuleList(prepared(nn.Conv2d(i, o, k, padding=k // 2), spectral=True) for i, o, k in shapes)
        changes = down or inner != outer
        self.skip: nn.Module = prepared(nn.Conv2d(inner, outer, 1), spectral=True) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        hidden, short = x, x
        for place, conv in enumerate(self.convs):
            if self.down and place == 3:
                hidden, short = F.avg_pool2d(hidden, 2), F.avg_pool2d(short, 2)
            hidden = conv(F.relu(hidden))
        return cast(Tensor, hidden + self.skip(short))


@final
class BigGanDiscriminator(nn.Module):
    """Scores (n,) of images float (n, channels, size, size) with labels (n,): high for real ones."""

    def __init__(self, channels: int, classes: int, size: int, *, width: int, depth: int, attention: bool) -> None:
        super().__init__()
        count = doublings(size)
        levels = [width, *_levels(width, count)[1:]] if count <= 3 else _levels(width, count)[::-1]
        self.enter = prepared(nn.Conv2d(channels, levels[0], 3, padding=1), spectral=True)
        body: list[nn.Module] = []
        for stage in range(count):
            inner, outer = levels[stage : stage + 2]
            halve = count > 3 or stage < count - 1  # the last stage up to 32 pixels keeps its side
            body += [DeepDiscriminatorBlock(inner if b == 0 else outer, outer, down=halve and b == 0) for b in range(depth)]
            if attention and halve and stage == 0:
                body.append(SelfAttention(outer, spectral=True))
        self.body = nn.Sequential(*body)
        self.head = ProjectionHead(levels[-1], classes)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        hidden = self.body(self.enter(images.contiguous(memory_format=torch.channels_last)))
        return cast(Tensor, self.head(F.relu(hidden).sum((2, 3)), labels))
