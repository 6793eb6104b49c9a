"""What is asked of a generator's weights inside a shadow pipeline: every family has its attacks, and they see what was learned
by heart."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.generators.test_mix import MIX
from upcycle.audit.statistics import Scores, auc, auc_interval
from upcycle.config import EdmConfig, GanConfig, GeneratorConfig
from upcycle.generators import ImageShape, StoredGenerator, make_generator
from upcycle.recycle import Sampler
from upcycle.runs.shadows._generator import generator_scores, searched_scores

SHAPE = ImageShape(1, 8, 2)
EDM = EdmConfig(channels=(8,), patch=2, batch=32, warmup_images=32, snapshots=1)
GAN = GanConfig(width=4, d_width=8, latent=6, embedding=4, batch=16, snapshots=1, diffaugment=(), pack=1)
N = 120


@cache
def records(n: int = N) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise, which can only be learned by heart: images, labels, membership."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), np.arange(n) % 2, rng.permutation(np.arange(n) < n // 2)


def fitted(config: GeneratorConfig, images: int, folder: Path | None = None, n: int = N) -> StoredGenerator:
    pool, labels, members = records(n)
    return make_generator(SHAPE, config).fit(pool[members], labels[members], seed=0, budget=images, resume=folder)


def sampler(generator: StoredGenerator) -> Sampler:
    return Sampler(generator, np.array([0.5, 0.5]), 0)


@pytest.mark.slow
def test_a_discriminator_that_learned_its_images_by_heart_is_found_and_one_that_never_saw_them_is_not() -> None:
    pool, labels, members = records(60)
    score = generator_scores(sampler(fitted(GAN, 12_000, n=60)))["discriminator logit"]
    assert auc(Scores(score(pool, labels), members)) > 0.75
    others = np.random.default_rng(1).integers(0, 256, pool.shape, dtype=np.uint8)
    rate = auc_interval(Scores(score(others, labels), members))
    assert rate.low <= 0.5 <= rate.high


@pytest.mark.parametrize(
    ("config", "scores", "searched"),
    [
        (EDM, {"denoiser norm", "t-error"}, set()),
        (GAN.model_copy(update={"pack": 2}), {"discriminator logit"}, {"latent inversion"}),
        (MIX, {"denoiser norm", "t-error", "discriminator logit"}, {"latent inversion"}),
    ],
)
def test_every_family_is_asked_by_its_weights(
    config: GeneratorConfig, scores: set[str], searched: set[str], tmp_path: Path
) -> None:
    pool, labels, _ = records()
    pool = np.frombuffer(pool.tobytes(), np.uint8).reshape(pool.shape)  # cannot be written to, as what workers share
    fitted(config, 100, tmp_path)
    found = sampler(make_generator(SHAPE, config).load(tmp_path))
    assert set(generator_scores(found)) == scores
    assert set(searched_scores(found)) == searched
    for attack in {**generator_scores(found), **searched_scores(found)}.values():
        values = attack(pool[:20], labels[:20])
        assert values.shape == (20,)
        assert np.isfinite(values).all()
        assert np.ptp(values) > 0


def test_the_members_of_a_mix_count_alike_whatever_their_scale() -> None:
    from upcycle.runs.shadows._generator import _together

    a, b = np.random.default_rng(0).normal(size=(2, 40))
    found = _together([{"x": lambda *_: a, "y": lambda *_: a}, {"x": lambda *_: 1000 * b + 7}])
    np.testing.assert_allclose(found["x"](a, b), ((a - a.mean()) / a.std() + (b - b.mean()) / b.std()) / 2)
    np.testing.assert_array_equal(found["y"](a, b), a)


def test_inversion_comes_nearer_to_what_the_generator_draws_than_to_noise() -> None:
    pool, labels, _ = records()
    generator = fitted(GAN, 200)
    drawn = generator.sample(labels[:20], seed=3)
    invert = searched_scores(sampler(generator))["latent inversion"]
    assert invert(drawn, labels[:20]).mean() > invert(pool[:20], labels[:20]).mean() + 0.1
