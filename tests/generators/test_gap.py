"""The gap between members' and held-out records' denoising loss."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.config import EdmConfig, GanConfig, MixConfig, MixMember
from upcycle.generators import EdmGenerator, ImageShape, denoising_gap, folds_generator, gap_limit, make_generator

CONFIG = EdmConfig(channels=(16, 16), patch=1, batch=64, warmup_images=500, dropout=0, snapshots=2)
SHAPE = ImageShape(1, 8, 2)


def noise(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that have nothing in common, so that whoever knows one has remembered it."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8), np.arange(count) % 2


def test_the_gap_opens_as_a_generator_remembers_and_is_none_between_records_it_never_saw() -> None:
    few, others, more = noise(4, 1), noise(200, 2), noise(200, 3)
    generator = EdmGenerator(SHAPE, CONFIG).fit(*few, seed=0, budget=12_000)
    early, late = (denoising_gap(generator, snapshot, few, others) for snapshot in generator.snapshots())
    assert late > early > 0 and late > 0.2
    assert denoising_gap(generator, generator.snapshots()[-1], more, others) == pytest.approx(0, abs=0.05)


def test_generators_by_folds_are_asked_about_what_each_learned() -> None:
    few, others = noise(8, 1), noise(200, 2)
    apart = np.arange(8) % 2
    mixed = folds_generator([EdmGenerator(SHAPE, CONFIG) for _ in range(2)], apart).fit(*few, seed=0, budget=16_000)
    last = mixed.snapshots()[-1]
    turned = denoising_gap(mixed, last, few, others, 1 - apart)
    assert denoising_gap(mixed, last, few, others, apart) > 0.1 > turned


def test_a_gan_has_no_gap_and_a_mix_the_smallest_limit_of_its_members() -> None:
    gan = make_generator(SHAPE, GanConfig(images=64, latent=4, embedding=4, width=4, d_width=4)).fit(
        *noise(64, 0), seed=0, budget=64
    )
    assert denoising_gap(gan, gan.snapshots()[-1], noise(4, 0), noise(4, 1)) == 0
    edm = [EdmConfig(gap_stop=share) for share in (0.0, 0.2, 0.1)]
    assert gap_limit(MixConfig(members=tuple(MixMember(generator=g) for g in (*edm, GanConfig())))) == 0.1
    assert gap_limit(GanConfig()) == gap_limit(edm[0]) == gap_limit(MixConfig()) == 0
