"""Records whose loss is abnormally low at their noise level teach nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from upcycle.config import EdmConfig
from upcycle.generators import EdmGenerator, ImageShape
from upcycle.generators._low_loss import UsualLoss

SIGMA = torch.tensor([0.1, 0.1, 0.1, 3.0, 3.0])


def test_a_loss_far_below_what_is_usual_at_its_level_counts_as_nothing() -> None:
    usual = UsualLoss(0.5)
    first = usual.without_low(torch.tensor([1.0, 1.0, 0.0, 0.1, 0.1]), SIGMA)
    assert first.item() == pytest.approx(2.2 / 5)  # nothing is usual yet
    errors = torch.tensor([1.0, 0.3, 0.4, 0.1, 0.04], requires_grad=True)  # usual: 2/3 at the low level, 0.1 at the high one
    loss = usual.without_low(errors, SIGMA)
    assert loss.item() == pytest.approx((1.0 + 0.4 + 0.1) / 5)
    loss.backward()
    assert errors.grad is not None and errors.grad.tolist() == pytest.approx([0.2, 0, 0.2, 0.2, 0])


def test_all_losses_count_for_what_is_usual_and_the_memory_is_restored() -> None:
    usual, other = UsualLoss(0.5), UsualLoss(0.5)
    for _ in range(3):
        usual.without_low(torch.tensor([1.0, 0.1, 0.1, 2.0, 2.0]), SIGMA)
    assert usual.level[~usual.level.isnan()].tolist() == pytest.approx([0.4, 2.0])
    other.load_state_dict(usual.state_dict())
    torch.testing.assert_close(other.level, usual.level, equal_nan=True)


def test_a_fit_that_was_killed_goes_on_with_what_is_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = EdmConfig(channels=(8, 16), batch=64, warmup_images=64, snapshots=1, skip_low_loss=0.7)
    images, labels = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8), np.arange(64) % 2

    def fitted(folder: Path) -> bytes:
        generator = EdmGenerator(ImageShape(1, 8, 2), config).fit(images, labels, seed=0, budget=640, resume=folder)
        return generator.sample(labels[:8], seed=1).tobytes()

    whole, before = fitted(tmp_path / "whole"), UsualLoss.without_low
    steps = iter(range(5))

    def killed(*arguments: object) -> object:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return before(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("upcycle._training.Checkpoint.due", lambda _: True)
    monkeypatch.setattr(UsualLoss, "without_low", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "killed")
    monkeypatch.setattr(UsualLoss, "without_low", before)
    assert fitted(tmp_path / "killed") == whole
