"""The local denoiser sees patches only, and answers for faint noise alone."""

from __future__ import annotations

import pytest
import torch

from upcycle.nets import LocalBelow, LocalDenoiser, parameter_count


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_follows_from_those_at_most_four_away(channels: int) -> None:
    net = LocalDenoiser(channels)
    torch.nn.init.normal_(net.leave.weight)
    x = torch.randn(1, channels, 21, 21, requires_grad=True)
    net(x, torch.tensor([-0.5]))[0, :, 10, 10].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)) > 0
    assert seen[6:15, 6:15].all() and seen.sum() == 81
    assert parameter_count(net) < 21_000


class _Named(torch.nn.Module):
    def forward(self, x: torch.Tensor, noise: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(x) * labels[:, None, None, None]


def test_the_other_network_answers_from_the_edge_on_and_never_below() -> None:
    net = LocalBelow(_Named(), 1, edge=-0.4)
    torch.nn.init.constant_(net.local.leave.bias, 100.0)
    x, labels = torch.zeros(4, 1, 6, 6), torch.tensor([1, 2, 3, 4])
    out = net(x, torch.tensor([-0.4, -0.41, 0.0, -9.0]), labels)
    assert out[:, 0, 0, 0].tolist() == [1, 100, 3, 100]
    assert net(x, torch.full((4,), -1.0), labels).unique().tolist() == [100]
    assert net(x, torch.full((4,), 1.0), labels)[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
