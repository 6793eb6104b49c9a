"""Memorisation beside held-out records: nothing is found in independent images, near copies are, in known amounts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from upcycle.audit.copies._memorisation import Memorisation, _c_t, _near, _side, memorisation
from upcycle.audit.copies._nearest import nearest_two
from upcycle.errors import AuditInputError

Labelled = tuple[np.ndarray, np.ndarray]


def _triple(seed: int, width: int, sizes: tuple[int, int, int] = (150, 200, 120), classes: int = 2) -> list[Labelled]:
    """Synthetic images, members and held-out records of one law; classes differ in scale and in how common they are."""
    rng = np.random.default_rng([seed, width])
    found = []
    for n in sizes:
        labels = rng.choice(classes, n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
        found.append((rng.normal(0, 20.0 * (1 + labels[:, None]), (n, width)), labels))
    return found


def _judged(triple: list[Labelled], **options: int) -> Memorisation:
    synthetic, members, held_out = triple
    return memorisation(synthetic, members[0], held_out, **options)


def _near_copies(triple: list[Labelled], share: float, noise: float, seed: int) -> list[Labelled]:
    (images, labels), members, held_out = triple
    rng, count = np.random.default_rng(seed), round(share * len(images))
    rows = rng.permutation(len(members[0]))[:count]
    images[:count] = members[0][rows] + rng.normal(0, noise, images[:count].shape)
    labels[:count] = members[1][rows]
    return [(images, labels), members, held_out]


@pytest.mark.parametrize("width", [2, 16, 128])
def test_independent_images_give_a_standard_normal_a_uniform_p_and_equal_authenticity(width: int) -> None:
    found = [_judged(_triple(seed, width)) for seed in range(250)]
    z = np.array([report.c_t for report in found], float)
    assert z.mean() == pytest.approx(0, abs=3 / np.sqrt(250)) and z.std() == pytest.approx(1, abs=0.14)
    for p_values in ([r.c_t_worst_p_value for r in found], [r.near_p_value for r in found]):
        assert np.mean(np.array(p_values, float) <= 0.05) <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / 250)
    excess = [r.near - r.near_expected for r in found if r.near is not None and r.near_expected is not None]
    assert np.mean(excess) == pytest.approx(0, abs=3 * np.std(excess) / np.sqrt(250))
    ratios = np.array([report.authentic_ratio for report in found], float)
    assert ratios.mean() == pytest.approx(1, abs=0.03)
    assert 0.4 < np.mean([report.authentic for report in found if report.authentic is not None]) < 0.95  # by itself not 1


def test_p_values_of_near_copies_do_alarm_at_times() -> None:
    p_values = [_judged(_triple(seed, 4)).near_p_value or 0 for seed in range(200)]
    assert 0.02 < np.mean(np.array(p_values) <= 0.1) <= 0.1 + 2.33 * np.sqrt(0.09 / 200)


def test_five_per_cent_of_near_copies_are_seen_where_the_share_of_nearer_images_says_little() -> None:
    found = [_judged(_near_copies(_triple(seed, 8, (2000, 2500, 1500)), 0.05, 0.5, seed)) for seed in range(10)]
    z = np.array([report.c_t for report in found], float)
    assert -3.6 < z.mean() < -1.3  # the drift of 0.025 in the AUC is 2.4 standard deviations
    for report in found:
        assert report.near is not None and report.near_expected is not None and report.near_p_value is not None
        assert report.near - report.near_expected == pytest.approx(0.05 * 0.95, abs=0.02) and report.near_p_value < 1e-3
        assert max(report.closest) < 5


def test_a_class_that_is_copied_is_named() -> None:
    synthetic, members, held_out = _triple(3, 8, (600, 900, 600), classes=4)
    rows = np.flatnonzero(synthetic[1] == 2)
    sources = np.flatnonzero(members[1] == 2)
    synthetic[0][rows] = members[0][sources[np.arange(len(rows)) % len(sources)]] + 0.1
    found = memorisation(synthetic, members[0], held_out)
    assert (found.c_t_worst_class, found.compared_classes) == (2, 4)
    assert found.c_t_worst is not None and found.c_t is not None and found.c_t_worst < found.c_t < -2
    assert found.c_t_worst_p_value is not None and found.c_t_worst_p_value < 1e-6
    assert found.authentic_ratio is not None and found.authentic_ratio < 0.85


def test_copying_generator_is_extreme_in_every_number() -> None:
    _, members, held_out = _triple(1, 8)
    found = memorisation((members[0][:150], members[1][:150]), members[0], held_out)
    assert found.c_t is not None and found.c_t < -8
    assert (found.near, found.authentic, found.authentic_ratio, set(found.closest)) == (1.0, 0.0, 0.0, {0.0})


def test_images_farther_than_held_out_records_are_no_alarm() -> None:
    synthetic, members, held_out = _triple(1, 8)
    found = memorisation((synthetic[0] * 3, synthetic[1]), members[0], held_out)
    assert found.c_t is not None and found.c_t > 5 and found.near_p_value is not None and found.near_p_value > 0.5


def test_images_farther_than_every_held_out_record_of_a_large_set_are_a_p_value_of_one() -> None:
    synthetic, members, held_out = _triple(1, 8, (600, 100, 600))
    found = memorisation((synthetic[0] * 100, synthetic[1]), members[0], held_out)
    assert found.c_t_worst is not None and found.c_t_worst > 9 and found.c_t_worst_p_value == 1


def test_numbers_equal_those_of_a_plain_computation() -> None:
    synthetic, members, held_out = _triple(5, 3, classes=1)
    found = memorisation(synthetic, members[0], held_out)

    def to_member(x: np.ndarray) -> np.ndarray:
        return np.sqrt(((x[:, None] - members[0][None]) ** 2).mean(2))

    mine, others = to_member(synthetic[0]), to_member(held_out[0])
    between = to_member(members[0]) + np.diag([np.inf] * 200)
    pairs = np.sign(mine.min(1)[:, None] - others.min(1)[None])
    n, m = len(mine), len(others)
    assert found.c_t == pytest.approx(pairs.sum() / 2 / np.sqrt(n * m * (n + m + 1) / 12))
    assert found.near == pytest.approx((mine.min(1) < np.sort(others.min(1))[5]).mean())  # 6 of 120: 6 / 121 is below 5 %
    assert found.near_expected == pytest.approx(6 / 121)
    assert found.authentic == pytest.approx((mine.min(1) > between.min(1)[mine.argmin(1)]).mean())
    assert found.authentic_held_out == pytest.approx((others.min(1) > between.min(1)[others.argmin(1)]).mean())
    assert found.closest == pytest.approx(tuple(np.sort(mine.min(1))[:10]))


def test_other_shares_of_the_classes_are_no_memorising() -> None:
    """Synthetic classes are equally common, real ones are not, and the rarer one lies denser."""
    z, excess, ratios = [], [], []
    for seed in range(60):
        rng, (_, members, held_out) = np.random.default_rng([seed, 9]), _triple(seed, 6, (1, 300, 200))
        labels = np.arange(300) % 2
        found = memorisation((rng.normal(0, 20.0 * (1 + labels[:, None]), (300, 6)), labels), members[0], held_out)
        assert found.c_t is not None and found.near is not None and found.near_expected is not None
        z.append(found.c_t)
        excess.append(found.near - found.near_expected)
        ratios.append(found.authentic_ratio)
    assert abs(np.mean(z)) < 3 / np.sqrt(60) and abs(np.mean(excess)) < 3 * np.std(excess) / np.sqrt(60)
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)


def test_small_classes_are_left_out_and_none_says_nothing() -> None:
    synthetic, members, held_out = _triple(0, 4, (30, 50, 30), classes=3)
    found = memorisation(synthetic, members[0], held_out)
    assert found.compared_classes == 0 and (found.c_t, found.near, found.c_t_worst_class) == (None, None, None)
    assert json.loads(json.dumps(found.to_json()))["near_p_value"] is None
    assert len(found.closest) == 10 and found.authentic is not None


def test_known_distances_and_order_change_nothing() -> None:
    triple = _triple(2, 4)
    known = nearest_two(triple[0][0], triple[1][0])
    order = np.random.default_rng(0).permutation(150)
    plain, given = _judged(triple), memorisation(triple[0], triple[1][0], triple[2], nearest=known)
    assert plain == given
    shuffled = memorisation((triple[0][0][order], triple[0][1][order]), triple[1][0], triple[2])
    assert shuffled.closest == pytest.approx(plain.closest)
    facts, others = ({k: v for k, v in report.to_json().items() if k != "closest"} for report in (plain, shuffled))
    assert others == pytest.approx(facts)
    drawn, real = (_side(nearest_two(images, triple[1][0]), labels) for images, labels in (triple[0], triple[2]))
    assert {**_c_t(drawn, real), **_near(drawn, real)}.items() <= plain.to_json().items()


@pytest.mark.parametrize("wrong", ["labels", "floats", "members", "empty"])
def test_input_that_does_not_fit_is_an_error_that_says_what_was_expected(wrong: str) -> None:
    synthetic, (members, _), held_out = _triple(0, 3)
    given = {
        "labels": ((synthetic[0], synthetic[1][:-1]), members, held_out),
        "floats": ((synthetic[0], synthetic[1] / 2), members, held_out),
        "members": (synthetic, members[:1], held_out),
        "empty": (synthetic, members, (held_out[0][:0], held_out[1][:0])),
    }[wrong]
    with pytest.raises(AuditInputError, match="must be"):
        memorisation(*given)
