"""The border between two classes, and how sure a classifier should be: toys with known answers."""

import numpy as np
import pytest
import torch
from torch import nn

from upcycle.nets import ResidualClassifier
from upcycle.recycle import choose_border, fit_temperature, move_border


def two(odds: list[float]) -> np.ndarray:
    return np.stack([np.zeros(len(odds)), np.array(odds)], 1)


def test_the_border_lies_where_the_objective_is_best() -> None:
    """Of the first class 90 lie at -2 and 10 at -1, of the second 2 at -1 and 8 at 1: by accuracy the border stays, by balanced
    accuracy nothing is gained either; with 8 at -1 it is worth while by balanced accuracy alone."""
    labels = np.repeat([0, 1], [100, 10])
    few = two([-2.0] * 90 + [-1.0] * 10 + [-1.0] * 2 + [1.0] * 8)
    many = two([-2.0] * 90 + [-1.0] * 10 + [-1.0] * 8 + [1.0] * 2)
    assert choose_border("accuracy", few, labels) == choose_border("balanced", few, labels) == 0
    assert choose_border("accuracy", many, labels) == 0
    assert choose_border("balanced", many, labels) == choose_border("auroc", many, labels) == -1.5


def test_a_border_that_only_luck_prefers_stays_even() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert choose_border("accuracy", two([-2, -1, -3, -0.5, 1, 2]), labels) == 0, "one image of six is within an error"
    assert choose_border("accuracy", two([-1, -2, -3, -4]), np.zeros(4, int)) == 0, "one class has no border"


def test_a_moved_border_is_part_of_the_weights() -> None:
    net, images = ResidualClassifier(1, 2, 8, width=4, blocks=1).eval(), torch.randn(16, 1, 8, 8)
    with torch.no_grad():
        before = net(images)
        border = float((before[:, 1] - before[:, 0]).median()) + 1e-3
        assert move_border(net, border, images)
        after = net(images)
    assert torch.equal(after.argmax(1), (before[:, 1] - before[:, 0] > border).long())
    assert torch.allclose(after.sum(1), before.sum(1), atol=1e-4), "the mean logit stays"


def test_a_network_whose_logits_do_not_come_from_a_last_bias_is_left_as_it_was() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 3 * self.last(x.flatten(1))

    net, images = Scaled(), torch.randn(8, 1, 2, 2)
    before = net(images)
    assert not move_border(net, 0.7, images) and not move_border(nn.Identity(), 0.7, images)
    assert torch.allclose(net(images), before, atol=1e-5)


def test_the_temperature_of_logits_that_are_three_times_too_sure_is_three() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 20_000)
    right = 1 / (1 + np.exp(-odds))
    labels = np.eye(2)[(rng.random(20_000) < right).astype(int)]
    assert fit_temperature(two((3 * odds).tolist()), np.stack([1 - right, right], 1)) == pytest.approx(3, rel=1e-3)
    assert fit_temperature(two((3 * odds).tolist()), labels) == pytest.approx(3, rel=0.05)
