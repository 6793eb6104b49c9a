"""The searches and tricks around the sampler, each where the right answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.fakes import NoisyPainter, Painter, stripes
from upcycle.config import ClassifierConfig
from upcycle.generators import SAMPLE_BATCH, Snapshot, nearest_snapshot
from upcycle.nets import classifier_factory
from upcycle.recycle import (
    AskedLabels,
    Candidate,
    Choice,
    CommitteeLabels,
    Distillation,
    Proxy,
    Recipe,
    RoundedLabels,
    Sampler,
    Score,
    TeacherFilter,
    TeacherLabels,
    TrialMemory,
    blend,
    candidates,
    greedy,
    halving,
    proxy_draws,
    score_on,
    search,
    smooth,
)
from upcycle.recycle import _student as student_module


class Brightness(nn.Module):
    """A teacher that reads the class off the brightness, with probability 0.9."""

    def forward(self, x: Tensor) -> Tensor:
        bright = (x.mean((1, 2, 3)) > (100 / 127.5 - 1)).long()
        return torch.nn.functional.one_hot(bright, 2).float() * float(np.log(9))


def _sampler(threshold: float | None, collapsed: int | None = None) -> Sampler:
    accept = None if threshold is None else TeacherFilter(Brightness(), threshold)
    return Sampler(NoisyPainter(collapsed), np.array([0.5, 0.5]), seed=0, accept=accept)  # type: ignore[arg-type]


def _shown(images: np.ndarray) -> np.ndarray:
    return (images[:, 0, 0, 0] > 100).astype(int)


def test_filter_replaces_exactly_the_images_that_show_another_class() -> None:
    draws = np.arange(600)
    raw, asked = _sampler(None).draw(draws)
    kept, same = _sampler(0.0).draw(draws)
    right = _shown(raw) == asked
    assert 0.3 < (~right).mean() < 0.37
    assert np.array_equal(asked, same), "the filter must not change the label prior"
    assert np.array_equal(kept[right], raw[right])
    assert (_shown(kept) == asked).all()


def test_a_class_the_generator_cannot_draw_neither_hangs_the_filter_nor_loses_its_quota() -> None:
    images, asked = _sampler(0.0, collapsed=1).draw(np.arange(300))
    assert np.array_equal(asked, _sampler(None).draw(np.arange(300))[1])
    assert (_shown(images)[asked == 1] == 0).all()


def _one_by_one(sampler: Sampler, draws: np.ndarray) -> np.ndarray:
    """What the filter means: attempt after attempt of each draw alone, the first where none is good."""
    kept = []
    for draw, label in zip(draws, sampler.labels(draws), strict=True):
        attempts = [sampler._sample(np.array([label]), np.array([draw + k * 2**44])) for k in range(sampler.redraws + 1)]
        good = (image for image in attempts if sampler.accept is None or sampler.accept(image, np.array([label]))[0])
        kept.append(next(good, attempts[0]))
    return np.concatenate(kept)


class Coins(NoisyPainter):
    """Every attempt is right with probability a half; counts the batches it draws."""

    batches = 0

    def paint(self, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        self.batches += -(-len(labels) // SAMPLE_BATCH)
        coins = np.array([np.random.default_rng(int(row)).integers(2) for row in rows])
        return super().paint(labels, np.where(coins == 0, 0, 1))


@pytest.mark.parametrize(("redraws", "batches"), [(0, 2), (1, 3), (3, 4), (10, 6)])
def test_attempts_that_share_a_batch_give_what_attempts_one_by_one_give_in_fewer_batches(redraws: int, batches: int) -> None:
    sampler = replace(_sampler(0.0), generator=Coins(), redraws=redraws)
    images, _ = sampler.draw(np.arange(500))
    assert sampler.generator.batches <= batches  # two of first attempts; one by one, ten more would be twelve
    assert np.array_equal(images, _one_by_one(sampler, np.arange(500)))


def test_filter_threshold_is_the_probability_of_the_class_asked_for() -> None:
    images, labels = np.full((3, 4, 4, 1), 150, np.uint8), np.array([1, 0, 1])
    assert TeacherFilter(Brightness(), 0.89)(images, labels).tolist() == [True, False, True]
    assert TeacherFilter(Brightness(), 0.91)(images, labels).tolist() == [False, False, False]


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.integers(0, 5000), min_size=1, max_size=30))
def test_a_filtered_draw_does_not_depend_on_what_is_drawn_with_it(rows: list[int]) -> None:
    together = _sampler(0.0).draw(np.array(rows))[0]
    alone = np.concatenate([_sampler(0.0).draw(np.array([row]))[0] for row in rows])
    assert np.array_equal(together, alone)


CHOICES = [Choice("a", (0, 1, 2, 3)), Choice("b", (None, 0.5)), Choice("c", (1.0, 1.1, 1.2))]


def _planted(candidate: Candidate, images: int) -> Score:
    """Best at a=2, b=0.5, c=1.1; noise that falls with the images seen and depends on the candidate only."""
    away = abs(candidate["a"] - 2) + (candidate["b"] is None) + 10 * abs(candidate["c"] - 1.1)  # type: ignore[operator, arg-type]
    noise = np.random.default_rng(abs(hash(tuple(candidate.values()))) % 2**32).normal() * 8 / images
    return Score(1 - 0.1 * away + noise, 0.0)


def test_halving_and_greedy_return_the_planted_best() -> None:
    pool = candidates(CHOICES, 24, seed=0)
    assert len(pool) == 24 and pool[0] == {"a": 0, "b": None, "c": 1.0}, "the untuned sampler must be in the race"
    best = {"a": 2, "b": 0.5, "c": 1.1}
    found = search(halving(pool, _planted, images=4_000, rounds=3))
    assert found.best == best
    slow = search(greedy(CHOICES, _planted, images=4_000))
    assert slow.best == best
    assert slow.images == 9 * 4_000
    assert found.images == 24 * 444 + 8 * 1_333 + 3 * 4_000


def test_equal_scores_keep_the_untuned_sampler() -> None:
    pool = candidates(CHOICES, 9, seed=0)
    assert search(halving(pool, lambda *_: Score(0.5, -1.0), images=900)).best == pool[0]


def test_a_tie_in_accuracy_is_broken_by_the_likelihood() -> None:
    assert Score(0.9, -0.2) > Score(0.9, -0.3) and Score(0.91, -9.0) > Score(0.9, -0.2)


def test_candidates_are_few_where_the_choices_are() -> None:
    assert candidates([Choice("a", (1, 2))], 9, seed=1) in ([{"a": 1}, {"a": 2}],)


def test_a_killed_search_asks_for_no_proxy_student_again(tmp_path: Path) -> None:
    asked: list[Candidate] = []

    def judge(candidate: Candidate, images: int) -> Score:
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(candidate)
        return _planted(candidate, images)

    pool, journal = candidates(CHOICES, 9, seed=0), tmp_path / "trials.jsonl"
    with pytest.raises(KeyboardInterrupt):
        search(halving(pool, TrialMemory(journal, judge), images=900))
    journal.write_bytes(journal.read_bytes()[:-7])  # and the power failed before the last line was on the disk
    straight = search(halving(pool, _planted, images=900))
    asked_again: list[Candidate] = []

    def second(candidate: Candidate, images: int) -> Score:
        asked_again.append(candidate)
        return _planted(candidate, images)

    assert search(halving(pool, TrialMemory(journal, second), images=900)) == straight
    assert len(asked_again) == len(straight.trials) - 4


def test_proxy_students_tell_a_generator_that_paints_the_classes_from_one_that_mixes_them_up() -> None:
    class Liar(Painter):
        def paint(self, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return super().paint(1 - labels, rows)

    config = ClassifierConfig(width=8, blocks=1, batch=32)
    recipe = Recipe(classifier_factory(config), 2, config)
    proxy, validation = Proxy(recipe, Distillation(1, 0)), stripes(64, 1)

    good, bad = (
        score_on(
            proxy.train(Sampler(painter, np.array([0.5, 0.5]), seed=0), AskedLabels(2), 960, seed=0),  # type: ignore[arg-type]
            validation,
            torch.device("cpu"),
        )
        for painter in (Painter(), Liar())
    )
    assert good.accuracy > 0.9 and bad.accuracy < 0.1


@pytest.mark.parametrize("refresh", [0.0, 0.05, 1.0])
def test_a_proxy_student_draws_as_many_images_as_the_plan_counts(refresh: float) -> None:
    painter = Painter()
    config = ClassifierConfig(width=8, blocks=1, batch=16)
    proxy = Proxy(Recipe(classifier_factory(config), 2, config), Distillation(1, 0), refresh=refresh)
    proxy.train(Sampler(painter, np.array([0.5, 0.5]), seed=0), AskedLabels(2), 640, seed=0)  # type: ignore[arg-type]
    assert len(painter.asked) - 1 == pytest.approx(640 * proxy_draws(refresh), rel=0.01)  # the one shows the shape


def test_nearest_snapshot_prefers_the_later_of_two() -> None:
    found = [Snapshot(seen, Path()) for seen in (100, 200, 300)]
    assert nearest_snapshot(found, 260).images_seen == 300
    assert nearest_snapshot(found, 150).images_seen == 200


def test_blend_is_a_convex_mix_of_two_views_and_share_zero_changes_nothing() -> None:
    views = torch.arange(6.0)[:, None, None, None].expand(6, 1, 2, 2).contiguous()
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(blend(views, 0.0, rng), views)
    mixed = blend(views, 1.0, rng)
    assert (mixed.amax((1, 2, 3)) == mixed.amin((1, 2, 3))).all(), "one weight per image"
    assert float(mixed.min()) >= 0 and float(mixed.max()) <= 5
    assert not torch.equal(mixed, views)


def test_smoothing_spreads_the_share_evenly() -> None:
    soft = torch.tensor([[0.7, 0.2, 0.1, 0.0]])
    assert torch.allclose(smooth(soft, 0.2), torch.tensor([[0.61, 0.21, 0.13, 0.05]]))
    assert torch.equal(smooth(soft, 0.0), soft)


def test_the_teacher_labels_the_blend_that_the_student_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.recycle.test_training import CONFIG, _bank

    seen: list[tuple[Tensor, Tensor]] = []
    plain_blend = student_module.blend

    def noted(views: Tensor, share: float, rng: torch.Generator) -> Tensor:
        seen.append((views, plain_blend(views, share, rng)))
        return seen[-1][1]

    class Labels:
        def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:
            assert torch.equal(views, seen[-1][1]) and not torch.equal(views, seen[-1][0])
            return TeacherLabels(Brightness())(views, asked, source)

    monkeypatch.setattr(student_module, "blend", noted)
    recipe = Recipe(classifier_factory(CONFIG), 2, CONFIG, budget=64)
    student_module.train_student(_bank(tmp_path).advance(64), Labels(), recipe, Distillation(64, 0, mix=1.0), seed=0)
    assert len(seen) == 2


@settings(max_examples=50, deadline=None)
@given(levels=st.integers(1, 40), classes=st.integers(2, 12), seed=st.integers(0, 999))
def test_rounded_labels_are_whole_levels_that_sum_to_one_and_lie_within_one_of_what_they_were(
    levels: int, classes: int, seed: int
) -> None:
    soft = torch.randn(6, classes, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(1)
    found = RoundedLabels(lambda *_: soft, levels)(soft, soft, soft)
    assert torch.allclose(found * levels, (found * levels).round(), atol=1e-4)
    assert torch.allclose(found.sum(1), torch.ones(6)) and (found >= 0).all()
    assert (found - soft).abs().max() < 1 / levels + 1e-6


def test_labels_of_one_level_are_the_likeliest_class() -> None:
    soft = torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.35, 0.25]])
    assert RoundedLabels(lambda *_: soft, 1)(soft, soft, soft).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert RoundedLabels(lambda *_: soft, 4)(soft, soft, soft)[0].tolist() == [0.25, 0.5, 0.25]


def test_a_committee_labels_with_the_mean_of_its_teachers_and_one_teacher_is_itself() -> None:
    views = torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(5, dtype=torch.long)

    class Dim(Brightness):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(-x) / 2

    one, two = TeacherLabels(Brightness())(views, nothing, nothing), TeacherLabels(Dim())(views, nothing, nothing)
    both = CommitteeLabels([Brightness(), Dim()])(views, nothing, nothing)
    assert torch.allclose(both, (one + two) / 2)
    assert torch.equal(CommitteeLabels([Brightness()])(views, nothing, nothing), one)
