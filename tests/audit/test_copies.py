"""Copies of members: counted exactly when planted, one half when there are none."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.audit import find_copies, nearest_two


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


def test_independent_images_are_as_near_to_held_out_records_as_to_members() -> None:
    covered = 0
    for seed in range(60):
        found = find_copies(_images(200, 3 * seed), _images(100, 3 * seed + 1), _images(100, 3 * seed + 2))
        assert found.identical == 0 and found.replicated == 0
        covered += found.closer_low <= 0.55 and found.closer_high >= 0.45
    assert covered >= 54


def test_copying_generator_is_convicted() -> None:
    members = _images(100, 0)
    found = find_copies(members[:80], members, _images(100, 1))
    assert (found.identical, found.replicated, found.closer) == (80, 1.0, 1.0)
    assert found.closer_low > 0.9


def test_planted_copies_are_counted_and_near_copies_are_replicated() -> None:
    members, synthetic = _images(100, 0), _images(200, 5)
    synthetic[:7] = members[:7]
    near = members[7:12].astype(int) + np.random.default_rng(0).integers(-3, 4, members[7:12].shape)
    synthetic[7:12] = near.clip(0, 255)
    found = find_copies(synthetic, members, _images(100, 1))
    assert found.identical == 7
    assert found.replicated == pytest.approx(12 / 200)
