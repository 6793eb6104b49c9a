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


def test_the_planted_outliers_are_the_natural_outliers() -> None:
    data = pool(400)
    images = (data.images // 16 + 100).astype(np.uint8)
    odd = np.arange(0, 400, 20)
    images[odd] = data.images[odd]
    found = natural_outliers(images, np.ones(400, bool), 0.05)
    assert set(np.flatnonzero(found)) == set(odd)
    among = np.ones(400, bool)
    among[odd[:10]] = False
    assert not natural_outliers(images, among, 0.05)[odd[:10]].any()
