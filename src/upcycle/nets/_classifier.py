"""The residual classifier of teacher, baseline and student (He et al. 2016, the CIFAR form with three stages)."""

import copy
import math
from collections.abc import Callable
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from upcycle.config import ClassifierConfig

ClassifierFactory = Callable[[int, int, int], nn.Module]
"""(channels, classes, size) -> a module from float (n, channels, size, size) in [-1, 1] to logits (n, classes)."""

Norm = Callable[[int], nn.Module]
"""Number of channels -> a normalisation layer for them."""

_LARGE = 48  # from this side on the stem halves the image: four times less work
_NARROW = 8  # of fewer channels, oneDNN 3.12 on AVX2 corrupts memory in the backward pass of a strided 1x1 convolution


@final
class ConvNorm(nn.Module):
    """Convolution without bias and a normalisation; `fused` for inference, where batch normalisation becomes part of it."""

    def __init__(self, inner: int, outer: int, kernel: int, stride: int = 1, *, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self._skip = stride if kernel == 1 and inner < _NARROW else 1
        self.conv = nn.Conv2d(inner, outer, kernel, stride // self._skip, padding=kernel // 2, bias=False)
        self.norm: nn.Module = norm(outer)

    def forward(self, x: Tensor) -> Tensor:
        seen = x[..., :: self._skip, :: self._skip] if self._skip > 1 else x
        return cast(Tensor, self.norm(self.conv(seen)))

    def fuse(self) -> None:
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


@final
class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, projected where shape changes."""

    def __init__(self, inner: int, outer: int, stride: int, *, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.first = ConvNorm(inner, outer, 3, stride, norm=norm)
        self.second = ConvNorm(outer, outer, 3, norm=norm)
        same = inner == outer and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else ConvNorm(inner, outer, 1, stride, norm=norm)
        self._inplace = norm is nn.BatchNorm2d  # hooks that take gradients sample by sample forbid it

    def forward(self, x: Tensor) -> Tensor:
        out = self.second(F.relu(self.first(x), inplace=self._inplace))
        shortcut = self.shortcut(x)
        return F.relu(out.add_(shortcut) if self._inplace else out + shortcut, inplace=self._inplace)


@final
class ResidualClassifier(nn.Module):
    """Logits (n, classes) of float images (n, channels, side, side) in [-1, 1]; any side from 8 on."""

    def __init__(self, channels: int, classes: int, size: int, *, width: int, blocks: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.stem = ConvNorm(channels, width, 3, 2 if size >= _LARGE else 1, norm=norm)
        self._inplace = norm is nn.BatchNorm2d
        widths = [width, width, 2 * width, 4 * width]
        stages = []
        for stage in range(3):
            for block in range(blocks):
                inner = widths[stage] if block == 0 else widths[stage + 1]
                stages.append(ResidualBlock(inner, widths[stage + 1], 2 if stage and block == 0 else 1, norm=norm))
        self.body = nn.Sequential(*stages)
        self.head = nn.Linear(widths[3], classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(F.relu(self.stem(x), inplace=self._inplace))
        return cast(Tensor, self.head(hidden.mean((2, 3))))


def classifier_factory(config: ClassifierConfig) -> ClassifierFactory:
    """The factory of the network that `config` describes."""

    def build(channels: int, classes: int, size: int) -> nn.Module:
        net = ResidualClassifier(channels, classes, size, width=config.width, blocks=config.blocks)
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    return build


def group_norm_factory(config: ClassifierConfig) -> ClassifierFactory:
    """The same network with group normalisation (Wu & He 2018), whose answer to an image depends on no other image: what
    DP-SGD needs."""

    def build(channels: int, classes: int, size: int) -> nn.Module:
        return ResidualClassifier(channels, classes, size, width=config.width, blocks=config.blocks, norm=_group_norm)

    return build


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(math.gcd(channels, 4), channels)


def for_inference(net: nn.Module) -> nn.Module:
    """A frozen copy in evaluation mode, its batch normalisations folded into the convolutions; same outputs to rounding."""
    frozen = copy.deepcopy(net).eval().requires_grad_(False)
    for module in frozen.modules():
        if isinstance(module, ConvNorm):
            module.fuse()
    return frozen


@torch.inference_mode()
def predict_logits(net: nn.Module, images: Tensor, device: torch.device, *, batch: int = 500) -> Tensor:
    """Logits float32 (n, classes) on the CPU of uint8 images (n, height, width, channels)."""
    from upcycle.nets._augment import to_input

    frozen = for_inference(net).to(device)
    return torch.cat([frozen(to_input(part, device)).float().cpu() for part in torch.split(images, batch)])


def parameter_count(net: nn.Module) -> int:
    """Number of trainable and fixed parameters of a network."""
    return sum(p.numel() for p in net.parameters())
