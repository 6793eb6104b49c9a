"""The histogram that leaves with a set: it shows copies, belongs to its set, and tells nothing of single records."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.audit.copies import DistanceHistogram, distance_histogram
from upcycle.errors import AuditInputError

RNG = np.random.default_rng(0)


def images(count: int, seed: int) -> np.ndarray:
    """Smooth noise: some images of one kind are nearer to each other than others."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, 2, 2, 1)) * 40 + 128
    return np.clip(coarse.repeat(4, 1).repeat(4, 2) + rng.normal(size=(count, 8, 8, 1)) * 8, 0, 255).astype(np.uint8)


def test_a_set_of_independent_images_is_not_accused() -> None:
    p = [distance_histogram(images(300, 3 * k), images(400, 3 * k + 1), images(150, 3 * k + 2)) for k in range(40)]
    found = [histogram.p_value for histogram in p if histogram is not None]
    assert len(found) == 40
    assert np.mean(np.array(found) < 0.05) <= 0.05 + 3 * (0.05 * 0.95 / 40) ** 0.5


def test_near_copies_of_members_are_seen() -> None:
    members, held_out = images(400, 1), images(150, 2)
    noisy = np.clip(members[:200].astype(int) + RNG.integers(-3, 4, members[:200].shape), 0, 255).astype(np.uint8)
    found = distance_histogram(np.concatenate([images(200, 0), noisy]), members, held_out)
    assert found is not None
    assert found.p_value < 1e-6


def test_no_bin_speaks_of_few_records_and_no_edge_is_a_record() -> None:
    members, held_out, drawn = images(400, 1), images(150, 2), images(300, 0)
    found = distance_histogram(drawn, members, held_out)
    assert found is not None
    assert min(*found.members, *found.held_out) >= 10
    assert (sum(found.members), sum(found.held_out)) == (400, 150)
    other = distance_histogram(drawn, members, held_out[:-1])
    assert other is not None and set(other.edges) | set(found.edges) <= set(distance_edges(drawn))
    assert found.belongs_to(drawn)
    assert not found.belongs_to(images(300, 9) // 2)
    assert distance_histogram(drawn, members, held_out[:15]) is None


def test_a_set_that_is_nothing_but_copies_is_seen_although_no_bin_has_ten_of_both_sides() -> None:
    members, held_out = images(80, 1), RNG.integers(0, 256, (80, 8, 8, 1), dtype=np.uint8)
    found = distance_histogram(np.concatenate([members, members]) // 2 * 2, members, held_out)
    assert found is not None
    assert (found.members, found.held_out) == ((80, None), (None, 80))
    assert found.p_value < 1e-6
    assert DistanceHistogram.from_json(found.to_json()) == found


def distance_edges(drawn: np.ndarray) -> list[float]:
    from upcycle.audit.copies._histogram import _GRID, _usual

    return [float(edge) for edge in np.round(_usual(drawn) * _GRID, 6)]


def test_patients_count_once_each() -> None:
    members, held_out = images(400, 1), images(400, 2)
    found = distance_histogram(images(300, 0), members, held_out, np.arange(800) // 10)
    assert found is not None
    assert (found.counted_in, sum(found.members), sum(found.held_out)) == ("patients", 40, 40)


@pytest.mark.parametrize(
    "changed", [{"edges": None}, {"members": [1, 2]}, {"members": [5000, 90000]}, {"edges": [2.0, 1.0]}, {"held_out": [9, 11]}]
)
def test_a_strangers_histogram_is_checked(changed: dict[str, object]) -> None:
    good = {"compared": 300, "counted_in": "records", "usual": 30.0, "edges": [20.0], "members": [20, 30], "held_out": [20, 30]}
    assert DistanceHistogram.from_json(good).p_value > 0.4
    with pytest.raises(AuditInputError, match="histogram must"):
        DistanceHistogram.from_json(good | changed)
