"""A compact class-conditional GAN: residual generator and projection discriminator on patches (Miyato & Koyama 2018)."""

from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle.nets._conditional import ConditionalNorm, ProjectionHead, prepared

_COARSEST = 8  # side in patches from which no further halving pays


def halvings(side: int) -> int:
    """How often a map of `side` patches is halved: until it is at most 8 wide, and at least once."""
    count = 1
    while -(-side // 2**count) > _COARSEST:
        count += 1
    return count


@final
class GeneratorBlock(nn.Module):
    """Two 3x3 convolutions, each after a conditional normalisation; `up` doubles the side first."""

    def __init__(self, inner: int, outer: int, condition: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.norm1 = ConditionalNorm(inner, condition, spectral=False)
        self.norm2 = ConditionalNorm(outer, condition, spectral=False)
        self.conv1 = prepared(nn.Conv2d(inner, outer, 3, padding=1), spectral=False)
        self.conv2 = prepared(nn.Conv2d(outer, outer, 3, padding=1), spectral=False)
        self.skip: nn.Module = nn.Identity() if inner == outer else prepared(nn.Conv2d(inner, outer, 1), spectral=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        hidden, short = F.relu(self.norm1(x, condition)), self.skip(x)
        if self.up:
            hidden, short = F.interpolate(hidden, scale_factor=2.0), F.interpolate(short, scale_factor=2.0)
        hidden = F.relu(self.norm2(self.conv1(hidden), condition))
        return cast(Tensor, self.conv2(hidden) + short)


@final
class ConvGenerator(nn.Module):
    """Images float (n, channels, size, size) in [-1, 1] of latents (n, latent) and labels (n,); larger maps are cropped."""

    def __init__(
        self, channels: int, classes: int, size: int, *, width: int, latent: int, embedding: int, blocks: int, patch: int
    ) -> None:
        super().__init__()
        grid = -(-size // patch)
        count = halvings(grid)
        self.size, self.patch, self.base = size, patch, -(-grid // 2**count)
        widths = [width * min(2**k, 4) for k in range(count, -1, -1)]  # coarse to fine
        condition = latent + embedding
        self.label = nn.Embedding(classes, embedding)
        self.enter = prepared(nn.Linear(condition, widths[0] * self.base**2), spectral=False)
        self.blocks = nn.ModuleList()
        for level, outer in enumerate(widths):
            inner = widths[max(level - 1, 0)]
            for block in range(blocks):
                first = block == 0
                self.blocks.append(GeneratorBlock(inner if first else outer, outer, condition, up=first and level > 0))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.leave = prepared(nn.Conv2d(widths[-1], channels * patch**2, 3, padding=1), spectral=False)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        condition = torch.cat([latent, self.label(labels)], dim=1)
        hidden = self.enter(condition).view(len(latent), self.base, self.base, -1).permute(0, 3, 1, 2)
        for block in self.blocks:
            hidden = block(hidden, condition)
        out = F.pixel_shuffle(self.leave(F.relu(self.norm(hidden))), self.patch).tanh()
        return out[:, :, : self.size, : self.size]


@final
class DiscriminatorBlock(nn.Module):
    """Two 3x3 convolutions with spectral norm around a shortcut; `down` halves the side between them."""

    def __init__(self, inner: int, outer: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        self.conv1 = prepared(nn.Conv2d(inner, outer, 3, padding=1), spectral=True)
        self.conv2 = prepared(nn.Conv2d(outer, outer, 3, padding=1), spectral=True)
        self.skip: nn.Module = nn.Identity() if inner == outer else prepared(nn.Conv2d(inner, outer, 1), spectral=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden, short = self.conv1(F.relu(x)), x
        if self.down:
            hidden, short = F.avg_pool2d(hidden, 2), F.avg_pool2d(short, 2)
        return cast(Tensor, self.conv2(F.relu(hidden)) + self.skip(short))


@final
class ConvDiscriminator(nn.Module):
    """Scores (n,) of images float (n, channels, size, size) with labels (n,): high for real ones. Odd sides are padded."""

    def __init__(self, channels: int, classes: int, size: int, *, width: int, blocks: int, patch: int) -> None:
        super().__init__()
        count = halvings(-(-size // patch))
        self.patch, self.multiple = patch, patch * 2**count
        widths = [width * min(2**k, 4) for k in range(count + 1)]  # fine to coarse
        self.enter = prepared(nn.Conv2d(channels * patch**2, widths[0], 3, padding=1), spectral=True)
        body: list[nn.Module] = []
        for level, outer in enumerate(widths):
            inner = widths[max(level - 1, 0)]
            for block in range(blocks):
                first = block == 0
                body.append(DiscriminatorBlock(inner if first else outer, outer, down=first and level > 0))
        self.body = nn.Sequential(*body)
        places = (-(-size // self.multiple)) ** 2
        self.gather = prepared(nn.Linear(widths[-1] * places, 2 * widths[-1]), spectral=True)
        self.head = ProjectionHead(2 * widths[-1], classes)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        short = -images.shape[-1] % self.multiple
        folded = F.pixel_unshuffle(F.pad(images, (0, short, 0, short)), self.patch)
        hidden = self.body(self.enter(folded.contiguous(memory_format=torch.channels_last)))
        gathered = F.relu(self.gather(F.relu(hidden).permute(0, 2, 3, 1).flatten(1)))
        return cast(Tensor, self.head(gathered, labels))
