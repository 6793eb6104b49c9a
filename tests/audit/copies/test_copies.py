"""Copies of members: counted exactly when planted, one half when there are none."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.audit.copies._copies import find_copies
from upcycle.audit.copies._nearest import nearest_two
from upcycle.errors import AuditInputError


def _images(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 1), dtype=np.uint8)


def test_nearest_two_equal_the_double_loop() -> None:
    queries, pool = _images(30, 0), _images(700, 1)
    queries[3] = pool[17]
    distances, index = nearest_two(queries, pool)
    naive = np.sqrt(((queries[:, None].astype(float) - pool[None]) ** 2).mean((2, 3, 4)))
    assert distances == pytest.approx(np.sort(naive, axis=1)[:, :2])
    assert np.array_equal(index, naive.argmin(1))
    assert distances[3, 0] == 0 and index[3] == 17


def _small_run(seed: int, copied: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """300 synthetic images, 40 members and 40 held-out records of 4 x 4 pixels of 12 grey levels: many share a neighbour, and
    some distances are equal."""
    rng = np.random.default_rng(seed)
    synthetic, members, held_out = (rng.integers(0, 12, (n, 4, 4, 1), dtype=np.uint8) for n in (300, 40, 40))
    synthetic[: int(300 * copied)] = members[rng.integers(40, size=int(300 * copied))]
    return synthetic, members, held_out


def test_independent_images_alarm_no_more_often_than_the_p_value_says() -> None:
    """A binomial interval over the images leaves one half out in 4 of 10 such runs."""
    found = [find_copies(*_small_run(seed), flips=199, seed=seed) for seed in range(400)]
    alarms = np.mean([report.closer_p_value <= 0.05 for report in found])
    outside = np.mean([not r.closer_null_low <= r.closer <= r.closer_null_high for r in found])
    assert 0 < alarms <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / 400)
    assert outside <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean([report.closer for report in found]) == pytest.approx(0.5, abs=0.01)
    spread = np.mean([report.closer_null_high - report.closer_null_low for report in found])
    assert spread == pytest.approx(3.92 * np.std([report.closer for report in found]), rel=0.15)


def test_one_copy_in_ten_images_is_found() -> None:
    """400 images of 300 members; the count sees them wherever they are, the share of nearer images where members are many."""
    for seed in range(10):
        members, held_out, synthetic = _images(300, 3 * seed), _images(300, 3 * seed + 1), _images(800, 3 * seed + 2)
        synthetic[:80] = members[:80]
        found = find_copies(synthetic, members, held_out, flips=199)
        assert found.identical == 80 and found.closer > 0.5
        assert found.replicated == pytest.approx(0.1)


def test_whole_patients_change_sides() -> None:
    """Ten patients of twenty almost equal images: image by image one patient's luck would look like evidence."""
    alarms = {"patients": 0, "images": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        patients, prototypes = np.repeat(np.arange(10), 20), rng.integers(0, 256, (10, 5, 5, 1))
        records = (prototypes[patients] + rng.integers(-9, 10, (200, 5, 5, 1))).clip(0, 255).astype(np.uint8)
        synthetic = rng.integers(0, 256, (100, 5, 5, 1), dtype=np.uint8)
        for name, groups in (("patients", patients), ("images", None)):
            found = find_copies(synthetic, records[:100], records[100:], groups=groups, flips=99, seed=seed)
            alarms[name] += found.closer_p_value <= 0.05
    assert alarms["patients"] <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95) < alarms["images"]


def test_images_as_near_to_either_side_are_halved_and_identical_records_are_one() -> None:
    records = np.zeros((4, 2, 2, 1), np.uint8)
    records[2:] = 200
    mirrored = find_copies(records, records, records)
    assert (mirrored.closer, mirrored.identical) == (0.5, 4)
    apart = find_copies(records, np.repeat(records[:1], 4, 0), np.repeat(records[2:3], 4, 0))
    assert (apart.closer, apart.closer_p_value > 0.3) == (0.5, True)


def test_copying_generator_is_convicted() -> None:
    members = _images(100, 0)
    found = find_copies(members[:80], members, _images(100, 1))
    assert (found.identical, found.replicated, found.closer) == (80, 1.0, 1.0)
    assert found.closer_null_high < 0.7 and found.closer_p_value == pytest.approx(1 / 1001)


def test_distances_that_are_known_are_not_measured_again() -> None:
    synthetic, members, held_out = _small_run(0, 0.2)
    assert find_copies(synthetic, members, held_out, nearest=nearest_two(synthetic, members)) == find_copies(
        synthetic, members, held_out
    )


@pytest.mark.parametrize("sizes", [(0, 5, 5), (5, 1, 5), (5, 5, 1)])
def test_too_few_records_to_compare_are_an_error_that_says_so(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(AuditInputError, match="must be 1, 2 and 2 or more"):
        find_copies(*(_images(n, k) for k, n in enumerate(sizes)))


def test_planted_copies_are_counted_and_near_copies_are_replicated() -> None:
    members, synthetic = _images(100, 0), _images(200, 5)
    synthetic[:7] = members[:7]
    near = members[7:12].astype(int) + np.random.default_rng(0).integers(-3, 4, members[7:12].shape)
    synthetic[7:12] = near.clip(0, 255)
    found = find_copies(synthetic, members, _images(100, 1))
    assert found.identical == 7
    assert found.replicated == pytest.approx(12 / 200)
