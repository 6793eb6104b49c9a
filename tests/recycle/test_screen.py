"""The screen: near copies never vouch for each other, odd images and wrong labels go, and no class vanishes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upcycle._protection import ScreenConfig
from upcycle.data import ImageSet
from upcycle.errors import ConfigError, DataError
from upcycle.recycle import (
    believed,
    check_cleaning,
    check_screen,
    draw_folds,
    fold_of,
    screen,
    second_opinion,
    share_right,
    unit_of,
)
from upcycle.recycle._screen import PixelSpace, allowed_share, isolation


def pictures(n: int, seed: int = 0, side: int = 12) -> np.ndarray:
    """Smooth random images, no two alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 1)).astype(np.float64)
    return np.repeat(np.repeat(coarse, side // 4, 1), side // 4, 2).astype(np.uint8)


def altered(image: np.ndarray, how: str) -> np.ndarray:
    rng = np.random.default_rng(7)
    made = {
        "equal": image,
        "noise": image.astype(int) + rng.integers(-6, 7, image.shape),
        "mirrored": image[:, ::-1],
        "inverted": 255 - image,
        "darker": image * 0.6,
        "brighter": image * 0.5 + 100,
    }
    return np.asarray(made[how]).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("how", ["equal", "noise", "mirrored", "inverted", "darker", "brighter"])
def test_a_near_copy_shares_its_original_s_unit_whatever_its_label(how: str) -> None:
    images = pictures(80)
    images[1] = altered(images[0], how)
    unit = unit_of(ImageSet(images, np.arange(80) % 2), ImageSet(pictures(60, seed=1), np.zeros(60, np.int64)))
    assert unit[0] == unit[1]
    assert len(np.unique(unit)) >= 70  # and pictures of different things stay apart


def test_patients_and_copies_are_joined_through_one_another() -> None:
    images, groups = pictures(60), np.arange(60)
    images[10] = images[0]
    groups[20] = groups[10]
    unit = unit_of(ImageSet(images, np.zeros(60, np.int64), groups), ImageSet(pictures(60, 1), np.zeros(60, np.int64)))
    assert unit[0] == unit[10] == unit[20]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), folds=st.integers(2, 5))
def test_no_fold_ever_separates_a_unit(seed: int, folds: int) -> None:
    rng = np.random.default_rng(seed)
    labels, unit = rng.integers(0, 3, 90), rng.integers(0, 30, 90)
    fold = draw_folds(ImageSet(np.zeros((90, 8, 8, 1), np.uint8), labels), unit, folds, seed)
    assert set(fold) == set(range(folds))
    assert all(len(set(fold[unit == u])) == 1 for u in np.unique(unit))


def clustered(n: int = 120) -> tuple[ImageSet, ImageSet]:
    """Two classes of images near their class's own picture, and held-out ones."""
    rng = np.random.default_rng(3)
    base = pictures(2, seed=9).astype(float)
    labels = np.arange(2 * n) % 2
    images = (base[labels] + rng.normal(0, 15, (2 * n, 12, 12, 1))).clip(0, 255).astype(np.uint8)
    every = ImageSet(images, labels)
    return every.take(np.arange(n)), every.take(np.arange(n, 2 * n))


RIGHT = np.ones(2)


def answers(labels: np.ndarray, sure: float = 0.9) -> np.ndarray:
    out = np.full((len(labels), 2), 1 - sure, np.float32)
    out[np.arange(len(labels)), labels] = sure
    return out


def test_odd_images_and_doubted_labels_are_left_out_and_all_else_stays() -> None:
    members, held_out = clustered()
    images, truth = members.images.copy(), members.labels
    images[[4, 5]] = np.random.default_rng(0).integers(0, 256, images[[4, 5]].shape)
    labels = truth.copy()
    labels[[10, 11]] = 1 - labels[[10, 11]]
    planted, fold = ImageSet(images, labels), np.arange(120) % 3
    out = screen(planted, held_out, fold, answers(truth), RIGHT, ScreenConfig(folds=3, isolated=0.04), np.zeros(120, bool))
    assert set(np.flatnonzero(out.doubted)) == {10, 11}
    assert {4, 5} <= set(np.flatnonzero(out.isolated))
    assert out.kept.sum() >= 114


def test_records_that_must_stay_do() -> None:
    members, held_out = clustered()
    stay = np.zeros(120, bool)
    everything = ScreenConfig(folds=3, isolated=0.05)
    first = screen(members, held_out, np.arange(120) % 3, answers(members.labels), RIGHT, everything, stay)
    stay[np.flatnonzero(~first.kept)[0]] = True
    again = screen(members, held_out, np.arange(120) % 3, answers(members.labels), RIGHT, everything, stay)
    assert again.kept[stay].all()
    assert (~again.kept).sum() == (~first.kept).sum() - 1


def test_a_record_does_not_make_itself_or_its_fold_less_isolated() -> None:
    members, held_out = clustered()
    images = members.images.copy()
    images[:6] = np.random.default_rng(0).integers(0, 256, images[0].shape)  # six copies of one odd image, in one fold
    fold = np.where(np.arange(120) < 6, 0, np.arange(120) % 3)
    labels = members.labels.copy()
    labels[:6] = 0
    distance = isolation(ImageSet(images, labels), PixelSpace.of(held_out.images), fold)
    assert distance[:6].min() > distance[6:].max()


def test_the_space_of_isolation_does_not_depend_on_any_member() -> None:
    _, held_out = clustered()
    few, many = PixelSpace.of(held_out.images)(held_out.images[:1]), PixelSpace.of(held_out.images)(held_out.images)
    assert np.allclose(few[0], many[0], atol=1e-3)


@pytest.mark.parametrize(("records", "share"), [(19, 0.0), (20, 0.02), (59, 0.02), (60, 0.05), (1000, 0.05)])
def test_small_classes_lose_less(records: int, share: float) -> None:
    assert allowed_share(records, 0.05) == share


def test_a_label_far_less_likely_than_another_is_doubted_though_not_impossible() -> None:
    probabilities = np.array([[0.2, 0.8], [0.3, 0.7]] + [[0.9, 0.1]] * 18, np.float32)
    kept = believed(probabilities, np.zeros(20, np.int64), threshold=0.02, most=0.5, ratio=0.3)
    assert list(np.flatnonzero(~kept)) == [0]


def test_at_full_share_a_given_label_has_no_say_in_what_a_teacher_learns() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 30).astype(np.float32)
    one, other = (second_opinion(probabilities, np.full(30, label), 1.0) for label in (0, 2))
    assert np.array_equal(one, other)
    half = second_opinion(probabilities, np.zeros(30, np.int64), 0.5)
    assert np.allclose(half.sum(1), 1)
    assert np.allclose(half[:, 0], 0.5 + probabilities[:, 0] / 2)


def check(members: ImageSet, folds: int, names: tuple[str, ...] = ("cyst", "scar"), **how: Any) -> str:
    with pytest.raises(ConfigError) as problem:
        check_screen(members, clustered()[1], ScreenConfig(folds=folds, **how), names, len(members))
    return str(problem.value)


def test_more_folds_than_patients_are_refused_with_a_number_that_works() -> None:
    members = replace(clustered()[0], groups=np.arange(120) % 4)
    assert "Set screen.folds=4, or screen.folds=0 for no screen" in check(members, 5)


def test_a_class_smaller_than_the_folds_is_named() -> None:
    labels = np.zeros(60, np.int64)
    labels[:2] = 1
    message = check(ImageSet(pictures(60), labels), 3)
    assert "2 of 'scar'" in message
    assert "Set screen.folds=2" in message


def test_the_number_of_folds_that_works_comes_with_the_teachers_that_it_needs() -> None:
    """With teachers apart the advice to set screen.folds alone would only lead to the next error."""
    members = replace(clustered()[0], groups=np.arange(120) % 2)
    said = check(members, 3, apart=True)
    assert (
        "Set screen.folds=2 and teachers=2, or screen.folds=0, screen.apart=false and screen.crossed=false for no screen."
        in said
    )


def test_more_folds_than_patients_are_refused_for_cleaning_too_with_a_number_that_works() -> None:
    members = replace(clustered()[0], groups=np.arange(120) // 30)
    with pytest.raises(
        ConfigError, match=r"cleaning\.folds must be at most the number of independent members, 4: .* Got 5\."
    ) as p:
        check_cleaning(members, 5, ("healthy", "scar"))
    assert len(p.value.problems) == 1
    assert "Set cleaning.folds=4, or 0 for no cleaning." in str(p.value)
    members = replace(clustered()[0], labels=np.arange(120) // 118)
    with pytest.raises(ConfigError, match=r"2 of 'scar'\. Got 3\. Set cleaning\.folds=2, or 0 for no cleaning\."):
        check_cleaning(members, 3, ("healthy", "scar"))
    check_cleaning(members, 2, ("healthy", "scar"))
    fold_of(members, 2, seed=0)


def test_rows_to_keep_that_do_not_exist_are_refused() -> None:
    assert "0 to 119. Got 120, -1." in check(clustered()[0], 3, keep=(5, 120, -1))


def test_a_screen_that_would_empty_a_class_is_refused() -> None:
    members, held_out = clustered()
    wrong = answers(np.ones(120, np.int64), sure=0.99)
    how = ScreenConfig(folds=3, most=1.0)
    with pytest.raises(DataError, match="class number 0") as problem:
        screen(members, held_out, np.arange(120) % 3, wrong, RIGHT, how, np.zeros(120, bool))
    assert "Lower screen.most" in str(problem.value)
    less = how.model_copy(update={"most": 0.5})
    assert (
        screen(members, held_out, np.arange(120) % 3, wrong, RIGHT, less, np.zeros(120, bool)).kept[members.labels == 0].any()
    )


@pytest.mark.parametrize(("right", "doubted"), [(0.9, 2), (0.89, 0)])
def test_classifiers_that_err_often_doubt_no_label_of_that_class(right: float, doubted: int) -> None:
    """Right about four of five, they would leave out honest records that are hard, and find few of the wrong labels."""
    members, held_out = clustered()
    labels = members.labels.copy()
    planted = np.concatenate([np.flatnonzero(labels == 0)[:2], np.flatnonzero(labels == 1)[:3]])
    labels[planted] = 1 - labels[planted]
    sure, nobody = ScreenConfig(folds=3, isolated=0.0, sure=0.9), np.zeros(120, bool)
    shares = np.array([1.0, right])
    out = screen(ImageSet(members.images, labels), held_out, np.arange(120) % 3, answers(members.labels), shares, sure, nobody)
    assert (out.doubted & (labels == 1)).sum() == doubted  # the two of class 0 that are called 1
    assert (out.doubted & (labels == 0)).sum() == 3  # a class by itself


def test_classifiers_are_right_by_what_they_say_of_held_out_records_and_few_records_lean_on_all() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    choices = np.zeros((3, 100), np.int64)  # all of class 0: right about nine of ten
    assert share_right(choices, labels, 3) == pytest.approx([(90 + 9) / 100, 9 / 20, 0.9])


def test_wrong_labels_among_the_members_do_not_make_the_classifiers_look_unsure() -> None:
    """With the given labels for truth, a set with many wrong labels would keep them all."""
    members, held_out = clustered()
    labels = members.labels.copy()
    labels[::5] = 1 - labels[::5]
    how = ScreenConfig(folds=3, isolated=0.0, sure=0.9, most=0.3)
    right = share_right(np.stack([held_out.labels] * 3), held_out.labels, 2)
    wrong = ImageSet(members.images, labels)
    out = screen(wrong, held_out, np.arange(120) % 3, answers(members.labels), right, how, np.zeros(120, bool))
    assert set(np.flatnonzero(out.doubted)) == set(range(0, 120, 5))


def test_doubted_labels_take_no_place_of_odd_images() -> None:
    """Wrong labels are the images farthest from their class: counted as isolated they would shield the odd ones."""
    members, held_out = clustered()
    images, labels = members.images.copy(), members.labels.copy()
    wrong = np.flatnonzero(labels == 0)[:4]
    labels[wrong] = 1
    odd = np.flatnonzero(labels == 1)[-1]
    images[odd] = (images[odd].astype(int) + images[members.labels == 0].mean(0)) // 2
    how, nobody = ScreenConfig(folds=3, isolated=0.02, most=0.2), np.zeros(120, bool)
    out = screen(ImageSet(images, labels), held_out, np.arange(120) % 3, answers(members.labels), RIGHT, how, nobody)
    assert set(np.flatnonzero(out.doubted)) == set(wrong)
    assert out.isolated[odd]
