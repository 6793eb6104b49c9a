"""Building blocks of the adversarial networks: normalisation by condition, projection, spectral norm, self-attention."""

from typing import TypeVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear, nn.Embedding)


def prepared(layer: Layer, *, spectral: bool) -> Layer:
    """`layer` with orthogonal weights, zero bias and, if `spectral`, its weight divided by its largest singular value
    (Miyato et al. 2018; one power iteration a forward pass in training)."""
    nn.init.orthogonal_(layer.weight)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(cast(Tensor, layer.bias))
    return cast(Layer, spectral_norm(layer)) if spectral else layer


@torch.no_grad()
def plain_state(net: nn.Module) -> dict[str, Tensor]:
    """The state of the same network without spectral norm: weights already divided, and no vectors of the power iteration.

    An average of these is an average of the functions' own weights; averaged singular vectors would not be of unit length.
    """
    state = {name: t for name, t in net.state_dict().items() if ".parametrizations." not in f".{name}"}
    for name, module in net.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            holder = cast(nn.ModuleDict, module.parametrizations)["weight"]
            training = holder.training
            holder.eval()  # reading the weight in training would do another power iteration
            state[f"{name}.weight" if name else "weight"] = cast(Tensor, module.weight).detach()
            holder.train(training)
    return state


@final
class ConditionalNorm(nn.Module):
    """Batch normalisation whose gain 1 + W c and shift V c are linear in a condition c (n, condition) (Brock et al. 2019).

    The 1 matters: without it the network starts as the zero function and does not learn.
    """

    def __init__(self, channels: int, condition: int, *, spectral: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(condition, channels, bias=False)
        self.shift = nn.Linear(condition, channels, bias=False)
        for layer in (self.gain, self.shift):
            if spectral:
                prepared(layer, spectral=True)
            else:
                nn.init.normal_(layer.weight, std=0.02)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, shift = self.gain(condition)[:, :, None, None], self.shift(condition)[:, :, None, None]
        return torch.addcmul(shift, self.norm(x), gain + 1)


@final
class ProjectionHead(nn.Module):
    """Score (n,) of features h (n, width) for labels y (n,): w h + b + <e_y, h> (Miyato & Koyama 2018)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = prepared(nn.Linear(width, 1), spectral=True)
        self.embed = prepared(nn.Embedding(classes, width), spectral=True)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return cast(Tensor, self.linear(features)[:, 0] + (self.embed(labels) * features).sum(1))


@final
class SelfAttention(nn.Module):
    """x + gamma * attention(x) over all places, gamma starting at 0; keys and values at half resolution (Zhang et al. 2019)."""

    def __init__(self, channels: int, *, spectral: bool) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = prepared(nn.Conv2d(channels, narrow, 1, bias=False), spectral=spectral)
        self.key = prepared(nn.Conv2d(channels, narrow, 1, bias=False), spectral=spectral)
        self.value = prepared(nn.Conv2d(channels, half, 1, bias=False), spectral=spectral)
        self.out = prepared(nn.Conv2d(half, channels, 1, bias=False), spectral=spectral)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        query = self.query(x).flatten(2).transpose(1, 2)  # (n, places, narrow)
        key = F.max_pool2d(self.key(x), 2).flatten(2).transpose(1, 2)
        value = F.max_pool2d(self.value(x), 2).flatten(2).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        mixed = mixed.transpose(1, 2).reshape(n, -1, height, width).contiguous(memory_format=torch.channels_last)
        return torch.addcmul(x, self.gamma, self.out(mixed))
