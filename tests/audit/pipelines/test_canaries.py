"""Canaries: where they go, what they look like, and that nobody can find them without the secret."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from upcycle.audit.pipelines._canaries import CanaryCounts, natural_outliers, plant
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError


def pool(n: int = 200, classes: int = 4, seed: int = 0, groups: np.ndarray | None = None) -> ImageSet:
    rng = np.random.default_rng(seed)
    return ImageSet(rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), np.arange(n) % classes, groups)


COUNTS = CanaryCounts(mislabelled=12, patch=7, repeated=5)


@given(seed=st.integers(0, 2**40))
@settings(max_examples=25, deadline=None)
def test_every_kind_is_planted_as_often_as_planned_and_real_records_stay_untouched(seed: int) -> None:
    data = pool()
    found = plant(data, COUNTS, seed=seed)
    assert [int((found.kind == kind).sum()) for kind in ("mislabelled", "patch", "repeated")] == [12, 7, 5]
    assert (found.images[~found.canary] == data.images[~found.canary]).all()
    assert (found.labels[~found.canary] == data.labels[~found.canary]).all()
    assert (found.true_labels == data.labels).all()
    wrong = np.isin(found.kind, ("mislabelled", "repeated"))
    assert (found.labels[wrong] != data.labels[wrong]).all()
    assert (found.labels[~wrong] == data.labels[~wrong]).all()
    assert (found.images[found.kind == "mislabelled"] == data.images[found.kind == "mislabelled"]).all()
    assert (found.images[found.kind == "repeated"] == 255 - data.images[found.kind == "repeated"]).all()
    changed = (found.images != data.images).reshape(len(data), -1).sum(1)
    assert (changed[found.kind == "patch"] <= 4).all()
    assert (found.copies == np.where(found.kind == "repeated", 2, 1)).all()


def test_the_callers_pool_is_not_changed() -> None:
    data = pool()
    before = data.images.copy(), data.labels.copy()
    plant(data, COUNTS, seed=3)
    assert (data.images == before[0]).all()
    assert (data.labels == before[1]).all()


def test_wrong_labels_are_uniform_over_the_wrong_classes() -> None:
    data = pool(2000, 5)
    shifts = []
    for seed in range(10):
        found = plant(data, CanaryCounts(mislabelled=400), seed=seed)
        shifts.append((found.labels - found.true_labels)[found.canary] % 5)
    counts = np.bincount(np.concatenate(shifts), minlength=5)
    assert counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 1e-4


def test_another_secret_gives_other_canaries_and_the_same_gives_the_same() -> None:
    a, b, c = (plant(pool(), COUNTS, seed=seed) for seed in (1, 1, 2))
    assert (a.kind == b.kind).all()
    assert (a.images == b.images).all()
    assert (a.kind != c.kind).any()


def test_a_group_holds_one_canary_and_a_class_keeps_half_of_its_records() -> None:
    data = pool(200, groups=np.arange(200) // 5)
    found = plant(data, CanaryCounts(mislabelled=20), seed=4)
    assert len(np.unique(data.groups[found.canary])) == 20
    rare = ImageSet(pool().images, np.where(np.arange(200) < 6, 1, 0))
    for seed in range(20):
        assert plant(rare, CanaryCounts(mislabelled=40), seed=seed).canary[:6].sum() <= 3


def test_more_canaries_than_fit_are_refused() -> None:
    with pytest.raises(AuditInputError, match="canaries must fit"):
        plant(pool(40), CanaryCounts(mislabelled=30), seed=0)


def test_a_pipeline_is_given_its_members_and_both_copies_of_a_repeated_canary() -> None:
    found = plant(pool(), COUNTS, seed=1)
    members = np.random.default_rng(0).random(200) < 0.5
    images, labels = found.given(members)
    assert len(images) == len(labels) == members.sum() + (members & (found.kind == "repeated")).sum()
    assert set(map(bytes, images)) == set(map(bytes, found.images[members]))


def test_the_planted_outliers_are_the_natural_outliers_and_the_next_ones_the_next_layer() -> None:
    data = pool(400)
    images = (data.images // 16 + 100).astype(np.uint8)
    odd, less_odd = np.arange(0, 400, 20), np.arange(10, 400, 20)
    images[odd], images[less_odd] = data.images[odd], data.images[less_odd] // 2 + 60
    found, following = natural_outliers(images, np.ones(400, bool), 0.05)
    assert set(np.flatnonzero(found)) == set(odd)
    assert set(np.flatnonzero(following)) == set(less_odd)
    among = np.ones(400, bool)
    among[odd[:10]] = False
    assert not natural_outliers(images, among, 0.05)[0][odd[:10]].any()


def test_odd_images_keep_their_labels_and_pixels_in_another_order() -> None:
    data = pool()
    found = plant(data, CanaryCounts(odd=9), seed=2)
    odd = np.flatnonzero(found.kind == "odd")
    assert (found.labels == data.labels).all()
    for row in odd:
        assert (found.images[row] != data.images[row]).any()
        assert (np.sort(found.images[row].ravel()) == np.sort(data.images[row].ravel())).all()


def test_a_near_pair_is_one_image_twice_with_two_labels_and_coins_of_its_own() -> None:
    data = pool()
    found = plant(data, CanaryCounts(near_pair=8), seed=2)
    rows = np.flatnonzero(found.kind == "near pair")
    wrong = rows[found.labels[rows] != found.true_labels[rows]]
    assert (len(rows), len(wrong)) == (8, 4)
    right = np.setdiff1d(rows, wrong)
    apart = np.abs(found.images[wrong].astype(int)[:, None] - found.images[right].astype(int)[None]).max(axis=(2, 3, 4))
    assert (apart.min(1) <= 6).all()
    assert (apart.min(1) > 0).all()  # equal ones would share a coin
    partner = right[apart.argmin(1)]
    assert (found.true_labels[wrong] == found.labels[partner]).all()
    assert (found.images[right] == data.images[right]).all()


def test_a_patient_patch_is_the_same_square_on_several_records_of_one_patient() -> None:
    groups = np.arange(200) // 20
    data = pool(groups=groups)
    found = plant(data, CanaryCounts(mislabelled=10, patient_patch=6), seed=2)
    carriers = found.kind == "patient patch"
    assert len(np.unique(groups[carriers])) == 6
    assert (found.labels[carriers] == data.labels[carriers]).all()
    for patient in np.unique(groups[carriers]):
        rows = np.flatnonzero(carriers & (groups == patient))
        changed = (found.images[rows] != data.images[rows]).reshape(len(rows), -1)
        where = changed.any(0)
        assert 1 <= where.sum() <= 4
        assert len(rows) == 5
        assert len(np.unique(found.images[rows].reshape(len(rows), -1)[:, where], axis=0)) == 1
    with pytest.raises(AuditInputError, match="patient patches must fit"):
        plant(data, CanaryCounts(patient_patch=11), seed=2)
    with pytest.raises(AuditInputError, match="patient patches must fit"):
        plant(pool(), CanaryCounts(patient_patch=1), seed=2)


def test_few_patients_hold_several_canaries_spread_evenly_and_a_quarter_of_their_records_at_most() -> None:
    groups = np.arange(200) // 20
    found = plant(pool(groups=groups), CanaryCounts(mislabelled=20, patch=10), seed=2)
    for kind, each in (("mislabelled", 2), ("patch", 1)):
        assert np.bincount(groups[found.kind == kind], minlength=10).tolist() == [each] * 10
    with pytest.raises(AuditInputError, match="canaries must fit"):
        plant(pool(groups=groups), CanaryCounts(mislabelled=51), seed=2)
