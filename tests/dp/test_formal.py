"""A formal student's budget: one epsilon over head, central images and DP-SGD, and one line where it cannot be kept."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import blobs
from upcycle.config import EdmConfig, SamplerConfig
from upcycle.data import ImageSet
from upcycle.dp import FormalSettings, composed, formal_ledger, labels_epsilon, train_formal, train_head
from upcycle.dp._central import _Coarse, central_images
from upcycle.dp._generator import DenoiserSettings
from upcycle.dp._head import features_of, statistics
from upcycle.errors import ConfigError
from upcycle.generators import EdmGenerator, ImageShape

HOW = FormalSettings(steps=4, drawn=60, denoiser=DenoiserSettings(levels=1))


@pytest.fixture(autouse=True)
def _extra() -> None:
    pytest.importorskip("dp_accounting", reason="accounting needs the extra [dp]")


def records(n: int = 200, seed: int = 0) -> ImageSet:
    images, labels = blobs(n, seed=seed)
    return ImageSet(images[..., None], labels)


@pytest.mark.parametrize(("records_", "epsilon"), [(300, 8.0), (5_000, 2.0)])
def test_the_whole_spends_no_more_than_its_epsilon_and_little_less(records_: int, epsilon: float) -> None:
    ledger = formal_ledger(records_, epsilon, HOW)
    head, central, denoiser = ledger.uses
    assert ledger.epsilon() <= epsilon and not ledger.unproven
    assert ledger.epsilon() > 0.9 * epsilon or denoiser.noise == pytest.approx(0.6, rel=0.01) or denoiser.times < HOW.steps
    assert composed([head], ledger.delta) == pytest.approx(labels_epsilon(epsilon, HOW), rel=1e-6)
    assert ledger.delta == 1 / records_ and denoiser.sampling_rate <= 0.5 and central.sampling_rate == 1


def test_the_head_s_noise_is_that_in_the_ledger() -> None:
    fit = train_head(records(), 3, labels_epsilon(8.0, HOW), seed=1)
    assert fit.noise == formal_ledger(200, 8.0, HOW).uses[0].noise


def test_without_steps_central_images_are_all_that_records_shaped() -> None:
    ledger = formal_ledger(300, 8.0, FormalSettings(steps=0))
    assert [use.times for use in ledger.uses] == [1, 1]


def test_an_epsilon_that_one_step_exceeds_is_one_line_with_one_that_works() -> None:
    with pytest.raises(ConfigError) as problem:
        formal_ledger(100, 0.05, FormalSettings())
    (line,) = problem.value.problems
    assert line.startswith("epsilon must leave room for a step of DP-SGD") and "Got 0.05." in line
    least = float(line.split("Give ")[1].split(" ")[0])
    assert formal_ledger(100, least, FormalSettings()).epsilon() <= least


def test_no_record_moves_central_sums_by_more_than_the_noise_is_measured_in() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 28, 28, 3), dtype=np.uint8)
    images[0], images[1] = 0, 255
    features = features_of(_Coarse(28), ImageSet(images, np.zeros(5, np.int64)))
    for row in features:
        products, sums = statistics(row[None], np.zeros(1, np.int64), 3)
        assert math.hypot(np.linalg.norm(products), np.linalg.norm(sums)) <= math.sqrt(2) + 1e-5


@pytest.mark.parametrize("shape", [(8, 1), (28, 3)])
def test_central_images_look_like_their_class_and_also_where_a_class_is_missing(shape: tuple[int, int]) -> None:
    side, channels = shape
    images, labels = blobs(200, size=side)
    data = ImageSet(np.repeat(images[..., None], channels, axis=3), labels)
    drawn, asked = central_images(data, 4, 0.01, 40, seed=1)
    assert drawn.shape == (40, side, side, channels) and drawn.dtype == np.uint8
    assert np.bincount(asked).tolist() == [10] * 4
    means = [drawn[asked == label].mean(0).ravel() for label in range(3)]
    truth = [data.images[labels == label].mean(0).ravel() for label in range(3)]
    near = [[np.linalg.norm(mean - true) for true in truth] for mean in means]
    assert np.argmin(near, axis=1).tolist() == [0, 1, 2]


def test_a_formal_generator_that_was_killed_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted(resume: Path | None = None) -> EdmGenerator:
        config = EdmConfig(channels=(8, 8), dropout=0, label_drop=0, snapshots=1, batch=16, images=64)
        start = EdmGenerator(ImageShape(1, 8, 3), config, SamplerConfig(steps=2))
        return train_formal(records(), start, HOW, formal_ledger(200, 8.0, HOW), seed=2, resume=resume)

    whole = fitted()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("upcycle.dp._formal.train_denoiser", _killed)
        fitted(tmp_path)
    resumed = fitted(tmp_path)
    for name, tensor in whole.tensors(whole.chosen(None)).items():
        assert torch.equal(resumed.tensors(resumed.chosen(None))[name], tensor)


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
