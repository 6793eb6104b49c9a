"""Muon's orthogonal steps, and that a fit with them resumes on the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from upcycle.config import EdmConfig
from upcycle.generators import EdmGenerator, ImageShape
from upcycle.generators._muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(48, 36), (4, 432), (24, 216), (1, 9)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonal(matrix) @ v.T
    known = s[s > 0.05 * s.norm()].numel()  # smaller ones are on the way
    assert found.diagonal()[:known].min() > 0.6 and found.diagonal().max() < 1.25
    torch.testing.assert_close(found, torch.diag(found.diagonal()), atol=1e-4, rtol=0)


def test_the_polynomial_of_the_gram_matrix_is_newton_schulz() -> None:
    matrix = torch.randn(6, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = matrix / matrix.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x - 4.7750 * gram @ x + 2.0315 * gram @ gram @ x
    torch.testing.assert_close(orthogonal(matrix), x)
    assert not orthogonal(torch.zeros(2, 3)).any()


def test_convolutions_take_orthogonal_steps_and_all_else_those_of_adamw() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8))
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8))
    other.load_state_dict(net.state_dict())
    before = net[0].weight.detach().clone()  # type: ignore[union-attr]
    for model, kind in ((net, Muon), (other, torch.optim.AdamW)):
        optimizer = kind(model.parameters(), lr=0.01, weight_decay=0.0, fused=True)
        model(torch.ones(1, 3, 5, 5) * torch.arange(5.0)).square().mul(torch.arange(8.0)[:, None, None]).mean().backward()
        optimizer.step()
    for name, value in net.named_parameters():
        assert torch.equal(value, other.get_parameter(name)) == (value.ndim != 4), name
    step = (before - net[0].weight.detach()).flatten(1)  # type: ignore[operator, union-attr]
    assert torch.linalg.matrix_norm(step, 2).item() == pytest.approx(0.01 * 0.2 * 27**0.5, rel=0.3)


def test_a_fit_with_muon_that_was_killed_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = EdmConfig(channels=(8, 16), batch=64, warmup_images=64, snapshots=1, optimizer="muon")
    images, labels = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8), np.arange(64) % 2

    def fitted(folder: Path) -> bytes:
        generator = EdmGenerator(ImageShape(1, 8, 2), config).fit(images, labels, seed=0, budget=640, resume=folder)
        return generator.sample(labels[:8], seed=1).tobytes()

    whole, before = fitted(tmp_path / "whole"), Muon.step
    steps = iter(range(5))

    def killed(self: Muon) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        before(self)

    monkeypatch.setattr("upcycle._training.Checkpoint.due", lambda _: True)
    monkeypatch.setattr(Muon, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "killed")
    monkeypatch.setattr(Muon, "step", before)
    assert fitted(tmp_path / "killed") == whole
