"""Near-duplicates with coins of their own: seen where they are, and not where images only belong to one class."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.audit.pipelines.test_canaries import pool
from upcycle.audit.copies import _nearest
from upcycle.audit.copies._nearest import near_copies, nearest
from upcycle.audit.pipelines import CanaryCounts, make_design, plan_for
from upcycle.data import ImageSet


def digits() -> np.ndarray:
    return np.asarray(load_digits().images * 15.9, np.uint8)[..., None]


def test_handwritten_digits_of_one_class_are_no_copies_of_each_other() -> None:
    assert near_copies(digits(), np.arange(len(digits()))) == 0


@pytest.mark.parametrize("copies", [1, 40])
def test_records_saved_twice_are_counted_unless_they_share_a_coin(copies: int) -> None:
    images = digits()
    noise = np.random.default_rng(0).integers(-1, 2, images[:copies].shape)
    twins = (images[:copies].astype(int) + noise).clip(0, 255).astype(np.uint8)
    whole = np.concatenate([images, twins])
    assert near_copies(whole, np.arange(len(whole))) == 2 * copies / len(whole)
    assert near_copies(whole, np.concatenate([np.arange(len(images)), np.arange(copies)])) == 0


def test_a_large_pool_is_looked_at_in_part() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12_000, 4, 4, 1), dtype=np.uint8)
    images[1::2] = images[::2] // 4 * 4
    assert near_copies(images, np.arange(12_000)) > 0.95


def test_a_design_says_that_copies_are_on_both_sides_and_that_canaries_are_many() -> None:
    data = pool(400)
    images = data.images.copy()
    images[200:208] = images[:8] ^ 1
    loud = make_design(ImageSet(images, data.labels), plan_for("standard", pipelines=2, canaries=CanaryCounts(9), seed=1)).notes
    assert len(loud) == 2
    assert "canaries: 9 of 400 records, more than 2%" in loud[0]
    assert "near-duplicates: 4.0% of the records" in loud[1]
    assert make_design(data, plan_for("standard", pipelines=2, canaries=CanaryCounts(8), seed=1)).notes == ()


def test_a_pool_in_blocks_gives_the_same_neighbours_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 6, 6, 1), np.uint8)
    whole = nearest(images[:40], images, 3)
    monkeypatch.setattr(_nearest, "_ROWS", 64)
    assert all(map(np.array_equal, nearest(images[:40], images, 3), whole))
    assert nearest(images[:40], images[:2], 3)[0].shape == (40, 2)
