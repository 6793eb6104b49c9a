"""The bank: pure draws, a ring that heals itself, and label shares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import Numbers
from upcycle.config import BankConfig
from upcycle.recycle import Bank, Sampler, bank_size, label_prior


def _bank(folder: Path, size: int = 40) -> tuple[Bank, Numbers]:
    generator = Numbers()
    return Bank(folder, Sampler(generator, np.array([0.5, 0.5]), seed=0), size, (2, 2, 1)), generator


def _draws(bank: Bank) -> np.ndarray:
    return bank.images[:, 0, 0, 0].astype(int) + 256 * bank.images[:, 0, 1, 0].astype(int)


def test_bank_holds_the_latest_draws_after_each_advance(tmp_path: Path) -> None:
    bank, generator = _bank(tmp_path)
    bank.advance(40)
    assert sorted(_draws(bank)) == list(range(40))
    bank.advance(55)
    assert sorted(_draws(bank)) == list(range(15, 55))
    assert len(generator.asked) == 55, "only the rolling part may be drawn anew"
    assert np.array_equal(bank.images[:, 1, 1, 0], bank.labels)


def test_whole_set_regeneration_replaces_every_image(tmp_path: Path) -> None:
    bank, _ = _bank(tmp_path)
    bank.advance(40).advance(80)
    assert sorted(_draws(bank)) == list(range(40, 80))


def test_reopened_bank_draws_nothing_again_and_a_damaged_slot_is_redrawn(tmp_path: Path) -> None:
    _bank(tmp_path)[0].advance(50)
    ids = np.lib.format.open_memmap(tmp_path / "ids.npy", mode="r+")
    ids[3] = 0
    ids.flush()
    bank, generator = _bank(tmp_path)
    bank.advance(50)
    assert len(generator.asked) == 1
    assert sorted(_draws(bank)) == list(range(10, 50))


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.integers(40, 200), min_size=1, max_size=5))
def test_bank_depends_on_where_it_is_not_on_the_way_there(steps: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    walked, straight = (_bank(tmp_path_factory.mktemp("bank"))[0] for _ in range(2))
    for total in steps:
        walked.advance(total)
    straight.advance(steps[-1])
    assert np.array_equal(walked.images, straight.images) and np.array_equal(walked.labels, straight.labels)


def test_labels_asked_for_match_the_prior_and_not_the_chunking(tmp_path: Path) -> None:
    sampler = Sampler(Numbers(), np.array([0.6, 0.3, 0.1]), seed=4)
    labels = sampler.labels(np.arange(5_000))
    assert np.bincount(labels) / 5_000 == pytest.approx([0.6, 0.3, 0.1], abs=2e-3)
    assert np.array_equal(sampler.labels(np.array([4_321, 7])), labels[[4_321, 7]])


def test_prior_powers_are_the_data_the_root_and_equal_shares() -> None:
    labels = np.array([0] * 16 + [1] * 4)
    assert label_prior(labels, 3, 1.0) == pytest.approx([0.8, 0.2, 0])
    assert label_prior(labels, 3, 0.5) == pytest.approx([2 / 3, 1 / 3, 0])
    assert label_prior(labels, 3, 0.0) == pytest.approx([0.5, 0.5, 0])


def test_bank_size_is_a_multiple_of_the_members_within_limits() -> None:
    config = BankConfig(multiple=4, min_images=100, max_images=1000)
    assert [bank_size(config, n) for n in (10, 100, 10_000)] == [100, 400, 1000]


def test_advance_below_the_size_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        _bank(tmp_path)[0].advance(39)


class Shades(Numbers):
    """Images of one grey level: 200 times a number in [0, 1) that follows from label and index, or the mean of two such."""

    def paint(self, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return _grey(_level(labels, rows))

    def between(
        self,
        labels: tuple[np.ndarray, np.ndarray],
        indices: tuple[np.ndarray, np.ndarray],
        shares: np.ndarray,
        **kwargs: object,
    ) -> np.ndarray:
        start, end = (_level(asked, rows) for asked, rows in zip(labels, indices, strict=True))
        return _grey(start + (end - start) * shares)


def _level(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.array([np.random.default_rng([int(label), int(row)]).random() for label, row in zip(labels, rows, strict=True)])


def _grey(level: np.ndarray) -> np.ndarray:
    return np.broadcast_to((200 * level).astype(np.uint8)[:, None, None, None], (len(level), 2, 2, 1)).copy()


def _darkness(images: np.ndarray) -> np.ndarray:
    return -images.reshape(len(images), -1).mean(1)


def test_a_hard_draw_is_the_hardest_of_its_attempts_and_the_others_stay_as_they_are() -> None:
    usual = Sampler(Shades(), np.ones(2), seed=3)  # type: ignore[arg-type]
    some = replace(usual, hard=0.5, candidates=4, hardness=_darkness)
    draws = np.arange(3_000)
    before, after = usual.draw(draws)[0][:, 0, 0, 0], some.draw(draws)[0][:, 0, 0, 0]
    changed = after != before
    assert (after[changed] < before[changed]).all()
    assert abs(changed.mean() - 0.5 * 3 / 4) < 0.04  # the first attempt is the darkest of four in a quarter of all cases
    every = replace(some, hard=1.0).draw(draws)[0][:, 0, 0, 0].mean()
    assert abs(every - 200 / 5) < 3  # the least of four uniform numbers has mean 1/5


def test_a_hard_draw_is_never_one_that_the_filter_refuses() -> None:
    light = lambda images, labels: images[:, 0, 0, 0] >= 50  # noqa: E731 - the filter's signature
    sampler = Sampler(Shades(), np.ones(2), seed=3, accept=light, hard=1.0, hardness=_darkness)  # type: ignore[arg-type]
    levels = sampler.draw(np.arange(1_000))[0][:, 0, 0, 0]
    assert levels.min() >= 50 and np.median(levels) < 100  # the darkest of those that may stay


def test_images_between_classes_have_the_planned_share_and_half_the_variance_of_a_blend() -> None:
    usual = Sampler(Shades(), np.ones(2), seed=3)  # type: ignore[arg-type]
    draws = np.arange(3_000)
    before, labels = usual.draw(draws)
    after, same = replace(usual, between=0.3).draw(draws)
    np.testing.assert_array_equal(labels, same)
    assert abs((after != before).any((1, 2, 3)).mean() - 0.3) < 0.03
    blends = replace(usual, between=1.0).draw(draws)[0][:, 0, 0, 0] / 200
    assert abs(blends.var() * 12 - 2 / 3) < 0.06  # E[(1-w)^2 + w^2] = 2/3 of a uniform number's 1/12


def test_draws_of_every_kind_do_not_depend_on_what_else_is_drawn() -> None:
    sampler = Sampler(Shades(), np.ones(2), seed=3, between=0.3, hard=0.3, hardness=_darkness)  # type: ignore[arg-type]
    whole, _ = sampler.draw(np.arange(2_000, 2_200))
    np.testing.assert_array_equal(sampler.draw(np.array([2_150, 2_020]))[0], whole[[150, 20]])


def test_a_generator_that_cannot_blend_is_named() -> None:
    with pytest.raises(TypeError, match=r"Interpolates .* Got Numbers"):
        Sampler(Numbers(), np.ones(2), seed=0, between=1.0).draw(np.arange(3))
