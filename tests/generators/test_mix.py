"""Mixes of generators: exact shares, purity, resume, and configuration by family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upcycle._presets import PRESETS
from upcycle._random import derive_seed
from upcycle._settings import differences, resolve, to_yaml
from upcycle.config import FAMILIES, BigGanConfig, EdmConfig, GanConfig, MixConfig, MixMember, SamplerConfig
from upcycle.errors import ConfigError
from upcycle.generators import (
    EdmGenerator,
    GanGenerator,
    ImageShape,
    MixGenerator,
    check_generator,
    make_generator,
    training_bytes,
)
from upcycle.generators._mix import members_of

GAN = GanConfig(width=4, d_width=4, latent=6, embedding=4, batch=16, snapshots=2, images=300)
EDM = EdmConfig(channels=(8,), patch=2, batch=32, warmup_images=32, snapshots=3, images=100)
MIX = MixConfig(members=(MixMember(generator=GAN, seeds=2, share=3), MixMember(generator=EDM)))
SHAPE = ImageShape(1, 8, 2)


def toy(n: int = 64) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), np.arange(n) % 2


@settings(max_examples=25, deadline=None)
@given(parts=st.lists(st.integers(1, 50), min_size=1, max_size=6), seed=st.integers(0, 2**40), block=st.integers(0, 2**30))
def test_every_thousand_images_hold_each_share_exactly(parts: list[int], seed: int, block: int) -> None:
    shares = np.array(parts) / sum(parts)
    chosen = members_of(seed, block * 1000 + np.arange(1000), parts)
    counts = np.bincount(chosen, minlength=len(parts))
    exact = 1000 * shares
    assert (np.abs(counts - exact) < 1 + 1e-6).all()
    whole = np.abs(exact - exact.round()) < 1e-9
    if whole.all():
        assert (counts == exact.round()).all()


def test_member_of_an_image_depends_on_seed_and_index_only() -> None:
    indices = np.arange(3000)
    whole = members_of(5, indices, [0.5, 0.3, 0.2])
    picked = np.array([2999, 4, 1700])
    assert np.array_equal(members_of(5, picked, [0.5, 0.3, 0.2]), whole[picked])
    assert not np.array_equal(members_of(6, indices, [0.5, 0.3, 0.2]), whole)
    assert np.array_equal(np.bincount(whole), [1500, 900, 600])


def test_shares_hold_within_every_class_too() -> None:
    chosen = members_of(0, np.arange(20_000), [0.7, 0.3])
    for label in range(10):
        assert np.mean(chosen[label::10] == 0) == pytest.approx(0.7, abs=0.04)


def test_mix_keeps_the_contract() -> None:
    def make(channels: int, size: int, classes: int) -> object:
        return make_generator(ImageShape(channels, size, classes), MIX, SamplerConfig(steps=2))

    check_generator(make, channels=3, size=9, budget=256)  # type: ignore[arg-type]


def test_images_of_a_mix_are_those_of_its_members() -> None:
    images, labels = toy()
    mix = make_generator(SHAPE, MIX, SamplerConfig(steps=2)).fit(images, labels, seed=4, budget=350)
    assert isinstance(mix, MixGenerator)
    asked = np.arange(1000) % 2
    drawn = mix.sample(asked, seed=7)
    chosen = members_of(7, np.arange(1000), mix.shares)
    assert np.array_equal(np.bincount(chosen), [375, 375, 250])
    for k, member in enumerate(mix.members):
        mine = np.flatnonzero(chosen == k)
        alone = member.sample(asked[mine], seed=derive_seed(7, "mix", k), indices=mine)
        assert np.array_equal(drawn[mine], alone)


def test_budget_goes_to_members_by_their_images_and_snapshots_are_aligned_from_the_end() -> None:
    images, labels = toy()
    mix = make_generator(SHAPE, MIX, SamplerConfig(steps=2)).fit(images, labels, seed=0, budget=1400)
    assert isinstance(mix, MixGenerator)
    seen = [member.snapshots()[-1].images_seen for member in mix.members]
    assert seen == [608, 608, 224]  # 600, 600 and 200, up to whole steps
    assert [s.images_seen for s in mix.snapshots()][-1] == sum(seen)
    assert len(mix.snapshots()) == 2, "the member with fewest snapshots sets their number"


def test_mix_killed_between_members_resumes_to_the_same_bits_and_leaves_no_member_folder(tmp_path: Path) -> None:
    images, labels = toy()
    whole = make_generator(SHAPE, MIX, SamplerConfig(steps=2)).fit(images, labels, seed=0, budget=350)
    killed = make_generator(SHAPE, MIX, SamplerConfig(steps=2))
    assert isinstance(killed, MixGenerator)

    class Killed(Exception):
        pass

    def die(*args: object, **more: object) -> None:
        raise Killed

    last = killed.members[2]
    last.fit = die  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        killed.fit(images, labels, seed=0, budget=350, resume=tmp_path)
    assert (tmp_path / "member-1").is_dir() and not killed.snapshots()
    again = make_generator(SHAPE, MIX, SamplerConfig(steps=2)).fit(images, labels, seed=0, budget=350, resume=tmp_path)
    for one, other in zip(whole.snapshots(), again.snapshots(), strict=True):
        a, b = whole.tensors(one), again.tensors(other)
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    opened = make_generator(SHAPE, MIX, SamplerConfig(steps=2)).load(tmp_path)
    assert np.array_equal(opened.sample(labels[:20], seed=1), whole.sample(labels[:20], seed=1))


def test_spread_of_a_member_multiplies_that_of_the_sampler() -> None:
    images, labels = toy()
    members = (MixMember(generator=GAN, spread=2.0),)
    wide = make_generator(SHAPE, MixConfig(members=members)).fit(images, labels, seed=0, budget=64)
    assert isinstance(wide, MixGenerator)
    alone = wide.members[0].sample(labels, seed=derive_seed(3, "mix", 0), spread=1.5 * 2.0)
    assert np.array_equal(wide.sample(labels, seed=3, spread=1.5), alone)


@pytest.mark.parametrize(
    ("family", "kind"), [("edm", EdmGenerator), ("gan", GanGenerator), ("biggan", GanGenerator), ("mix", MixGenerator)]
)
def test_family_of_the_configuration_chooses_the_generator(family: str, kind: type) -> None:
    config = resolve("quick", config_file=None, overrides=[f"generator.family={family}"])
    assert type(config.generator) is FAMILIES[family]
    assert isinstance(make_generator(SHAPE, config.generator, config.sampler), kind)
    assert training_bytes(SHAPE, config.generator) > 0


def test_another_family_starts_from_its_own_defaults_and_takes_its_own_settings(tmp_path: Path) -> None:
    overrides = ["generator.width=8", "generator.family=gan", "generator.d_steps=2"]
    config = resolve("quick", config_file=None, overrides=overrides)
    assert config.generator == GanConfig(width=8, d_steps=2)
    file = tmp_path / "mine.yaml"
    file.write_text(to_yaml(config))
    assert resolve("demo", config_file=file, overrides=()) == config
    lines = differences(PRESETS["quick"], config)
    assert "generator.family: edm -> gan" in lines and "generator.d_steps: none -> 2" in lines


def test_mix_is_written_and_read_back(tmp_path: Path) -> None:
    text = "generator.members=[{generator: {family: gan, width: 8}, seeds: 3}, {generator: {family: edm}, share: 2}]"
    config = resolve("quick", config_file=None, overrides=["generator.family=mix", text])
    assert config.generator == MixConfig(
        members=(MixMember(generator=GanConfig(width=8), seeds=3), MixMember(generator=EdmConfig(), share=2))
    )
    file = tmp_path / "mine.yaml"
    file.write_text(to_yaml(config))
    assert resolve("quick", config_file=file, overrides=()) == config


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["generator.family=gna"],
            "setting generator.family must be one of edm, gan, biggan, mix. Got 'gna'. Did you mean 'gan'?",
        ),
        (
            ["generator.family=gan", "generator.d_steps=0"],
            "setting generator.d_steps must be greater than or equal to 1. Got 0. See docs/settings.md.",
        ),
        (
            ["generator.latent=3"],
            "setting generator.latent must be one of its family. Got one of gan, biggan. Set generator.family too.",
        ),
        (
            ["generator.family=mix", "generator.members=[{generator: {family: gan, lr: -1}}]"],
            "setting generator.members.0.generator.lr must be greater than 0. Got -1. See docs/settings.md.",
        ),
        (
            ["generator.family=mix", "generator.members=[]"],
            "setting generator.members must be a list of at least 1. Got []. See docs/settings.md.",
        ),
    ],
)
def test_bad_setting_of_a_family_is_one_plain_line(overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("quick", config_file=None, overrides=overrides)
    assert list(caught.value.problems) == [line]


def test_paper_preset_is_the_predecessors_recipe() -> None:
    generator = PRESETS["paper"].generator
    assert isinstance(generator, BigGanConfig)
    assert (generator.width, generator.latent, generator.d_steps, generator.same_batch) == (128, 128, 3, True)
    assert generator.step_images == 192 and generator.pack == 1 and generator.diversity == 0
    assert generator.diffaugment == () and generator.betas == (0.5, 0.999)


def test_the_average_of_the_paper_preset_forgets_the_weights_it_starts_from() -> None:
    generator = PRESETS["paper"].generator
    assert isinstance(generator, BigGanConfig)
    steps = generator.images // generator.step_images - generator.ema_start
    assert generator.ema_decay**steps < 0.01
    assert 0.9999**steps == pytest.approx(0.59, abs=0.005), "why the predecessor's decay is not taken"


def test_the_first_member_draws_the_share_that_the_sampler_says() -> None:
    mix = make_generator(SHAPE, MIX, SamplerConfig(first_share=0.5))
    assert isinstance(mix, MixGenerator)
    chosen = members_of(7, np.arange(1_000), mix.shares)
    assert np.bincount(chosen).tolist() == [250, 250, 500]  # two seeds of the first, one of the second


def test_every_member_of_a_mix_can_be_taken_out_as_it_draws_there(tmp_path: Path) -> None:
    images, labels = toy()
    make_generator(SHAPE, MIX).fit(images, labels, seed=0, budget=700, resume=tmp_path)
    mix = make_generator(SHAPE, MIX).load(tmp_path)
    assert isinstance(mix, MixGenerator)
    asked, rows = np.arange(40) % 2, np.arange(40)
    whole, chosen = mix.sample(asked, seed=3), members_of(3, rows, mix.shares)
    for k, member in enumerate(mix.parted()):
        mine = chosen == k
        own = member.sample(asked[mine], seed=derive_seed(3, "mix", k), spread=mix.spreads[k], indices=rows[mine])
        np.testing.assert_array_equal(own, whole[mine])
        assert not isinstance(member, GanGenerator) or member.discriminator() is not None
