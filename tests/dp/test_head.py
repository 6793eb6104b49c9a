"""The linear head whose training is one release of the Gaussian mechanism."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.datasets import load_digits

from upcycle.data import ImageSet
from upcycle.dp import train_head
from upcycle.dp._account import epsilon as spent
from upcycle.dp._head import PrivateHead, features_of, least_squares, statistics, symmetric_noise
from upcycle.errors import ConfigError
from upcycle.nets import to_input


def digits() -> tuple[ImageSet, ImageSet]:
    """1,300 records to learn from, and the rest."""
    found = load_digits()
    images, labels = np.asarray(found.images * 15, np.uint8)[..., None], np.asarray(found.target, np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    return tuple(ImageSet(images[rows], labels[rows]) for rows in (order[:1300], order[1300:]))  # type: ignore[return-value]


def right(net: torch.nn.Module, data: ImageSet) -> float:
    with torch.no_grad():
        answers = net(to_input(torch.from_numpy(data.images), torch.device("cpu"))).argmax(1).numpy()
    return float((answers == data.labels).mean())


def as_released(products: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """The vector that gets noise of one size in every place: off the diagonal a symmetric value counts by root two."""
    upper = np.triu_indices(len(products), 1)
    return np.concatenate([np.diag(products), math.sqrt(2) * products[upper], sums.ravel()])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(8, 1), (8, 3), (28, 1)]))
def test_no_record_moves_what_is_released_by_more_than_the_noise_is_measured_in(seed: int, shape: tuple[int, int]) -> None:
    """Black, white and noisy images alike: a longer feature vector would make the epsilon a lie."""
    side, channels = shape
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (6, side, side, channels), dtype=np.uint8)
    images[0], images[1] = 0, 255
    data = ImageSet(images, rng.integers(0, 3, 6))
    features = features_of(PrivateHead(side, 3).features, data)
    whole = as_released(*statistics(features, data.labels, 3))
    for k in range(len(data)):
        others = np.arange(6) != k
        moved = whole - as_released(*statistics(features[others], data.labels[others], 3))
        assert np.linalg.norm(moved) <= math.sqrt(2) + 1e-5


def test_noise_has_one_standard_deviation_in_every_place_of_the_release() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([as_released(symmetric_noise(6, rng), np.zeros((0, 0))) for _ in range(4_000)])
    assert np.allclose(drawn.std(0), 1, atol=0.05)
    assert np.allclose(np.corrcoef(drawn.T) - np.eye(21), 0, atol=0.08)


@pytest.mark.parametrize("epsilon", [0.5, 3.0, 8.0])
def test_the_noise_is_exactly_what_the_gaussian_mechanism_needs(epsilon: float) -> None:
    """By Balle & Wang 2018, theorem 8, and never below what composition accounts for."""
    members = digits()[0]
    fit = train_head(members, 10, epsilon, seed=1)
    assert (fit.epsilon, fit.delta, fit.steps, fit.sampling_rate) == (epsilon, 1 / 1300, 1, 1.0)
    half, moved = 1 / (2 * fit.noise), epsilon * fit.noise
    assert norm.cdf(half - moved) - math.exp(epsilon) * norm.cdf(-half - moved) == pytest.approx(fit.delta, rel=1e-3)
    assert spent(fit.noise, 1.0, 1, fit.delta) >= 0.99 * epsilon


def test_without_noise_it_is_least_squares_and_noise_costs_accuracy() -> None:
    members, rest = digits()
    head = PrivateHead(8, 10)
    features = features_of(head.features, members)
    weights = least_squares(*statistics(features, members.labels, 10), 0.0, len(members))
    answers = (features_of(head.features, rest) @ weights).argmax(1)
    free, loose, tight = (
        (answers == rest.labels).mean(),
        *(right(train_head(members, 10, e, seed=0).net, rest) for e in (8, 0.5)),
    )
    assert free > 0.95
    assert free >= loose > 0.9 > tight > 0.3


def test_a_head_depends_on_its_arguments_only() -> None:
    members, _ = digits()
    first, again, other = (train_head(members, 10, 3.0, seed=seed).net.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_missing_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dp_accounting", None)
    with pytest.raises(ConfigError, match=r"upcycle\[dp\]"):
        train_head(digits()[0], 10, 3.0, seed=0)
