"""Attacks without shadow pipelines: conditional quantiles of non-members, and many records of one owner."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks._quantile import quantile_attack
from upcycle.audit.attacks._sets import _larger, patient_scores, set_detection
from upcycle.audit.statistics import NotResolvable, Scores, auc, tpr_at_fpr
from upcycle.errors import AuditInputError


def scores_by_difficulty(n: int, leak: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores whose mean and deviation depend on one feature; members lie `leak` deviations higher."""
    rng = np.random.default_rng(seed)
    features, members = rng.uniform(-1, 1, (n, 1)), rng.random(n) < 0.5
    return 5 * features[:, 0] + (0.5 + (features[:, 0] > 0)) * (rng.normal(size=n) + leak * members), features, members


def test_quantile_attack_places_scores_among_non_members_of_like_difficulty() -> None:
    known, known_features, _ = scores_by_difficulty(4000, 0.0, 0)
    scores, features, members = scores_by_difficulty(4000, 1.5, 1)
    found = quantile_attack(scores, features, known, known_features)
    truth = (scores - 5 * features[:, 0]) / (0.5 + (features[:, 0] > 0))
    assert np.corrcoef(found, truth)[0, 1] > 0.9
    assert abs(found[~members].mean()) < 0.1
    assert found[~members].std() == pytest.approx(1, abs=0.15)
    assert auc(Scores(found, members)) == pytest.approx(norm.cdf(1.5 / math.sqrt(2)), abs=0.03)
    assert auc(Scores(scores, members)) < 0.65
    assert tpr_at_fpr(Scores(found, members), 0.01).value > 1.5 * tpr_at_fpr(Scores(scores, members), 0.01).value


def test_quantile_attack_without_a_leak_knows_nothing() -> None:
    known, known_features, _ = scores_by_difficulty(1000, 0.0, 2)
    scores, features, members = scores_by_difficulty(2000, 0.0, 3)
    assert abs(auc(Scores(quantile_attack(scores, features, known, known_features), members)) - 0.5) < 4 * 0.0129


@pytest.mark.parametrize(
    ("scores", "known"), [(np.zeros(99), np.zeros(60)), (np.full(100, np.nan), np.zeros(60)), (np.zeros(100), np.zeros(40))]
)
def test_quantile_attack_refuses_what_it_cannot_fit(scores: np.ndarray, known: np.ndarray) -> None:
    with pytest.raises(AuditInputError, match="known non-members at least 50"):
        quantile_attack(scores, np.zeros((100, 2)), known, np.zeros((len(known), 2)))


def set_p_value(scores: np.ndarray, outside: np.ndarray, *, draws: int, seed: int = 0) -> float:
    return (sum(_larger(scores, outside, draws, seed)) + 1) / (draws + 1)


def test_set_p_value_is_that_of_all_splits() -> None:
    """{3, 4} against {0, 1, 2}: the largest of ten splits, so one in ten; {0, 4}: four of ten are as large."""
    assert set_p_value(np.array([3.0, 4]), np.arange(3.0), draws=5000) == pytest.approx(1 / 10, abs=0.01)
    assert set_p_value(np.array([0.0, 4]), np.arange(1.0, 4), draws=5000) == pytest.approx(6 / 10, abs=0.02)
    assert set_p_value(np.zeros(5), np.zeros(9), draws=99) == 1


def test_set_test_keeps_its_level_without_a_leak() -> None:
    rng = np.random.default_rng(0)
    p = np.array([set_p_value(rng.normal(size=10), rng.normal(size=100), draws=99, seed=k) for k in range(300)])
    assert (p <= 0.05).mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)
    assert abs(np.median(p) - 0.5) < 0.12


def test_sets_show_a_leak_that_single_records_hide_and_the_power_is_that_of_the_normal_law() -> None:
    rng = np.random.default_rng(0)
    members = np.arange(6000) < 3000
    scores = rng.normal(size=6000) + 0.3 * members
    found = set_detection(Scores(scores, members), sizes=(50, 100, 200, 4000), draws=299)
    for detection in found[:3]:
        power = norm.cdf(0.3 * math.sqrt(detection.size) - norm.ppf(0.99))
        assert detection.detected.low - 0.08 <= power <= detection.detected.high + 0.08, detection
    assert [d.sets for d in found] == [60, 30, 15, 0]
    assert isinstance(found[3].detected, NotResolvable)


@pytest.mark.parametrize("leak", [0.0, 0.5, 3.0])
def test_no_split_that_could_change_the_answer_is_left_out(leak: float) -> None:
    """Sets found are those whose whole p-value is small enough, though most splits of the others are never drawn."""
    rng = np.random.default_rng(2)
    members = np.arange(600) < 300
    scores = rng.normal(size=600) + leak * members
    (found,) = set_detection(Scores(scores, members), sizes=(10,), fpr=0.05, draws=199, seed=7)
    sets = numpy_rng(7, "sets of members").permutation(scores[members]).reshape(30, 10)
    seeds = [derive_seed(7, "set", 10, k) for k in range(30)]
    p = [set_p_value(one, scores[~members], draws=199, seed=seed) for one, seed in zip(sets, seeds, strict=True)]
    assert found.detected.value == np.mean(np.array(p) <= 0.05)
    assert (found.detected.value > 0.1) == (leak > 0)


def test_patients_are_scored_by_all_their_records() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(400), rng.integers(1, 12, 400))
    inside = rng.random(400) < 0.5
    members = inside[groups]
    scores = rng.normal(size=len(groups)) + 0.7 * members
    found, flags = patient_scores(Scores(scores, members, groups))
    np.testing.assert_array_equal(flags, inside)
    assert auc(Scores(found, flags)) > auc(Scores(scores, members)) + 0.1
    quiet, _ = patient_scores(Scores(rng.normal(size=len(groups)), members, groups))
    assert abs(auc(Scores(quiet, flags)) - 0.5) < 4 * math.sqrt(401 / (12 * 200 * 200))
    assert quiet.std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s, m: set_detection(Scores(s, m), fpr=0.0001), "fpr must be in"),
        (lambda s, m: set_detection(Scores(s, m), sizes=()), "sizes at least 1"),
        (lambda s, m: set_detection(Scores(s * np.nan, m)), "scores must be finite"),
        (lambda s, m: patient_scores(Scores(s, m, np.zeros(40, int))), "groups must lie wholly on one side of a run. Got 1"),
        (lambda s, m: patient_scores(Scores(s, m, np.zeros(4, int))), "units must have shape"),
    ],
)
def test_wrong_questions_are_refused(call, says: str) -> None:
    with pytest.raises(AuditInputError, match=says):
        call(np.arange(40.0), np.arange(40) < 20)
