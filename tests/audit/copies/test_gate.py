"""The memorisation gate: it convicts a copier, and a generator that memorised nothing only as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.audit.copies._gate import Gate, all_distances, closer_test, judge_snapshots, passing

FAST = Gate(flips=200)


def _records(n: int, seed: int, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 25, (n, width))


def test_a_copying_generator_is_vetoed_and_an_independent_one_passes() -> None:
    members, held_out = _records(120, 0), _records(120, 1)
    copier = members[np.arange(200) % 120] + np.random.default_rng(2).normal(0, 1, (200, 6))
    reports = judge_snapshots(
        {100: {"pixels": (_records(200, 3), members, held_out)}, 200: {"pixels": (copier, members, held_out)}}, gate=FAST
    )
    assert [report.vetoed for report in reports] == [False, True]
    assert reports[1].closer > 0.95 and reports[1].replicated > 0.5
    assert passing(reports) == [100]


def test_copies_of_members_beyond_those_compared_are_found() -> None:
    """One image in ten copies one of 2,000 members, of which only 60 are compared with 60 held-out records."""
    members, held_out, synthetic = _records(2_000, 0), _records(60, 1), _records(300, 2)
    synthetic[::10] = members[np.arange(30) * 50]
    (report,) = judge_snapshots({1: {"pixels": (synthetic, members, held_out)}}, gate=FAST)
    assert report.replicated > 0.09 and report.vetoed
    (free,) = judge_snapshots({1: {"pixels": (_records(300, 3), members, held_out)}}, gate=FAST)
    assert not free.vetoed


def test_images_much_nearer_to_members_than_to_others_are_vetoed_whatever_the_p_value() -> None:
    """Eight held-out records: no p-value can fall below the level, but the distances tell."""
    members, held_out = _records(8, 0), _records(8, 1)
    near = members[np.arange(200) % 8] + np.random.default_rng(2).normal(0, 12, (200, 6))
    (report,) = judge_snapshots({1: {"pixels": (near, members, held_out)}}, gate=Gate(flips=10, copies=1.0))
    assert report.p_value > 0.05 and report.median_to_members < 0.8 * report.median_to_held_out and report.vetoed


def test_false_vetoes_are_at_most_as_rare_as_alpha_says() -> None:
    """Few held-out records: a binomial interval would take their common luck for evidence."""
    rng, vetoes, audits = np.random.default_rng(0), 0, 300
    for k in range(audits):
        both = rng.normal(size=(60, 3))
        p_value = closer_test(
            all_distances(rng.normal(size=(150, 3)), both), np.arange(60) < 30, np.arange(60), flips=99, seed=k
        ).p_value
        vetoes += p_value <= 0.05
    assert vetoes / audits <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / audits)
    assert vetoes > 0, "a test that never alarms cannot see anything"


def test_flips_move_whole_patients() -> None:
    """Ten patients of ten equal images each: image by image the luck of one patient would look like evidence."""
    rng = np.random.default_rng(1)
    alarms = {"patients": 0, "images": 0}
    for k in range(100):
        patients = np.repeat(np.arange(10), 10)
        records = rng.normal(size=(10, 3))[patients]
        distances, inside = all_distances(rng.normal(size=(100, 3)), records), patients < 5
        for name, groups in (("patients", patients), ("images", np.arange(100))):
            alarms[name] += closer_test(distances, inside, groups, flips=99, seed=k).p_value <= 0.05
    assert alarms["patients"] <= 0.05 * 100 + 3 * np.sqrt(100 * 0.05 * 0.95) < alarms["images"]


@pytest.mark.parametrize("seed", range(4))
def test_share_is_that_of_images_nearer_to_a_member_ties_shared(seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 6, (40, 30)).astype(float) if seed % 2 else rng.random((40, 30))
    inside = rng.random(30) < 0.5
    naive = np.mean([inside[row == row.min()].mean() for row in distances])
    assert closer_test(distances, inside, np.arange(30), flips=9).share == pytest.approx(naive)


def test_a_copier_is_seen_where_the_members_are_many_more_patients_than_the_held_out_records() -> None:
    """60 patients against 20: the 20 must be compared with 20 whole ones, not with parts of all 60."""
    patients, gate = np.repeat(np.arange(80), 5), Gate(flips=99, records=100)
    seen = {"copier": 0, "free": 0}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        records = rng.normal(100, 25, (80, 6))[patients] + rng.normal(0, 9, (400, 6))
        spaces = {
            "copier": (records[rng.integers(300, size=400)] + rng.normal(0, 4, (400, 6)), records[:300], records[300:]),
            "free": (rng.normal(100, 27, (400, 6)), records[:300], records[300:]),
        }
        for report in judge_snapshots({1: spaces}, groups=patients, gate=gate, seed=seed):
            seen[report.space] += report.p_value <= 0.05
    assert seen["copier"] >= 15 and seen["free"] <= 4
