"""Run by torchrun, with the path of a JSON file: how far gradients worked out by all processes are from those of one."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._parallel import Shared, leading
from upcycle.nets import ResidualClassifier, UNet

ROWS = 37  # of three processes none has as many rows as another


def cross_entropy(net: nn.Module, views: Tensor, wanted: Tensor) -> Tensor:
    return F.cross_entropy(net(views), wanted)


def errors(net: nn.Module, views: Tensor, level: Tensor, labels: Tensor) -> Tensor:
    return torch.as_tensor(net(views, level, labels) - views).square().flatten(1).mean(1)


def apart(net: nn.Module, loss: object, *batch: Tensor) -> dict[str, float]:
    """The largest differences in losses, gradients and running moments, relative to the largest of each."""
    other = copy.deepcopy(net)
    assert callable(loss)
    found = []
    for one, of_batch in ((net, lambda *rows: loss(net, *rows)), (other, Shared(other, loss))):
        torch.manual_seed(3)
        value = of_batch(*batch)
        (value * torch.linspace(0.5, 2, value.numel()).view(value.shape)).sum().backward()
        gradients = torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None])
        moments = torch.cat([b.flatten().double() for b in one.buffers()])
        found.append({"losses": value.detach(), "gradients": gradients, "moments": moments})
    return {name: float((found[0][name] - found[1][name]).abs().max() / found[0][name].abs().max()) for name in found[0]}


def classifier() -> dict[str, float]:
    """With batch normalisation; in float64, where rounding hides nothing."""
    net = ResidualClassifier(3, 5, 16, width=8, blocks=1).to(memory_format=torch.channels_last).double()  # type: ignore[call-overload]
    return apart(net, cross_entropy, torch.randn(ROWS, 3, 16, 16).double(), torch.randint(0, 5, (ROWS,)))


def denoiser() -> dict[str, float]:
    """With dropout, and a loss of every row."""
    net = UNet(1, 5, widths=(8, 16), blocks=1, patch=1, dropout=0.1)
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    return apart(net, errors, torch.randn(ROWS, 1, 16, 16), torch.rand(ROWS), torch.randint(0, 6, (ROWS,)))


if __name__ == "__main__":
    with leading(torch.set_num_threads) as first:
        if first:
            torch.manual_seed(0)
            Path(sys.argv[1]).write_text(json.dumps({"classifier": classifier(), "denoiser": denoiser()}))
