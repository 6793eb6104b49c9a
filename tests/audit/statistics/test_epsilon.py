"""Known answers and simulated coverage of the lower bounds on epsilon."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from upcycle.audit.statistics import Scores
from upcycle.audit.statistics._epsilon import (
    epsilon_cap,
    epsilon_from_counts,
    epsilon_simultaneous,
    epsilon_split,
    gaussian_bound,
    gaussian_delta,
    gaussian_epsilon,
)
from upcycle.audit.statistics._one_run import (
    one_run_at_threshold,
    one_run_bound,
    one_run_epsilon,
    one_run_gaussian,
    one_run_mu,
    one_run_p_value,
)
from upcycle.errors import AuditInputError


def halves(n: int) -> np.ndarray:
    return np.arange(2 * n) < n


@pytest.mark.parametrize(("n", "cap"), [(500, 4.9), (1000, 5.6), (5000, 7.2)])
def test_a_perfect_attack_shows_no_more_than_the_tabled_cap(n: int, cap: float) -> None:
    assert epsilon_cap(n, n) == pytest.approx(cap, abs=0.05)
    assert epsilon_cap(n, n) == pytest.approx(math.log(0.025 ** (1 / n) / (1 - 0.025 ** (1 / n))))


def test_500_of_500_at_99_percent_is_the_value_of_jagielski() -> None:
    assert epsilon_cap(500, 500, confidence=0.99) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize(("m", "cap"), [(500, 5.1), (1000, 5.8), (5000, 7.4)])
def test_one_run_cap_is_the_tabled_one(m: int, cap: float) -> None:
    assert one_run_epsilon(m, m, m) == pytest.approx(cap, abs=0.05)
    assert one_run_epsilon(m, m, m) == pytest.approx(math.log(0.05 ** (1 / m) / (1 - 0.05 ** (1 / m))), abs=1e-5)


@pytest.mark.parametrize(("epsilon", "mean"), [(1, 0.88), (2, 1.84), (4, 3.63)])
def test_randomised_response_is_bounded_from_below_and_nearly_reached(epsilon: float, mean: float) -> None:
    rng, bounds = np.random.default_rng(int(epsilon)), []
    for _ in range(1000):
        members = rng.random(1000) < 0.5
        answers = members ^ (rng.random(1000) < 1 / (1 + math.exp(epsilon)))
        bounds.append(one_run_at_threshold(Scores(answers.astype(float), members), 0.5).low)
    assert np.mean(np.array(bounds) <= epsilon) >= 0.93
    assert np.mean(bounds) == pytest.approx(mean, abs=0.03)


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
def test_gaussian_mechanism_is_bounded_within_five_percent(mu: float) -> None:
    members = halves(300_000)
    scores = np.random.default_rng(1).normal(size=600_000) + mu * members
    bound = gaussian_bound(Scores(scores, members))
    assert 0.95 * mu <= bound.mu <= mu
    truth = gaussian_epsilon(mu, 1e-5)
    assert 0.95 * truth <= bound.epsilon(1e-5) <= truth


def test_gaussian_epsilon_is_the_inverse_of_the_known_formula() -> None:
    for mu, epsilon in ((0.5, 1.0), (1.0, 3.0), (3.0, 10.0)):
        delta = norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
        assert gaussian_delta(mu, epsilon) == pytest.approx(delta, rel=1e-9)
        assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, abs=1e-7)
    assert gaussian_epsilon(0.0, 1e-5) == 0
    assert gaussian_epsilon(0.1, 0.5) == 0
    assert math.isfinite(gaussian_epsilon(50.0, 1e-12))
    with pytest.raises(AuditInputError, match="delta between 0 and 1"):
        gaussian_epsilon(1.0, 0.0)


@pytest.mark.parametrize("n", [200, 1000])
def test_ignorant_scores_show_no_epsilon_more_often_than_declared(n: int) -> None:
    """The bound that takes the best of all thresholds without correction fails this in nine audits of ten."""
    rng, audits, alarms = np.random.default_rng(n), 150, np.zeros(5)
    for k in range(audits):
        scores, members = rng.normal(size=n), rng.permutation(np.arange(n) < n // 2)
        coins = rng.random(n) < 0.5
        alarms += [
            epsilon_split(Scores(scores, members), seed=k).low > 0,
            epsilon_simultaneous(Scores(scores, members)).low > 0,
            gaussian_bound(Scores(scores, members)).mu > 0,
            one_run_bound(Scores(scores, coins), guesses=(n, n // 2, n // 10)).low > 0,
            one_run_gaussian(Scores(scores, coins), guesses=n // 2).mu > 0,
        ]
    assert (alarms / audits <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / audits)).all(), alarms


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_bounds_hold_where_there_is_a_leak(epsilon: float) -> None:
    """Scores of two heights: exactly epsilon-DP, and every threshold between them is the best one."""
    rng, low, p = np.random.default_rng(2), [], 1 / (1 + math.exp(epsilon))
    for k in range(200):
        members = halves(400)
        scores = (members ^ (rng.random(800) < p)) + 1e-3 * rng.random(800)
        low.append([epsilon_split(Scores(scores, members), seed=k).low, epsilon_simultaneous(Scores(scores, members)).low])
    assert (np.mean(np.array(low) <= epsilon, axis=0) >= 0.95 - 0.03).all()
    assert (np.mean(low, axis=0) > 0.25 * epsilon).all()


def test_gaussian_one_run_bound_holds_and_says_more_than_nothing() -> None:
    rng, bounds = np.random.default_rng(3), []
    for k in range(60):
        members = rng.random(1000) < 0.5
        bounds.append(one_run_gaussian(Scores(rng.normal(size=1000) + members, members), guesses=400, seed=k).mu)
    assert np.mean(np.array(bounds) <= 1.0) >= 0.95
    assert np.mean(bounds) > 0.4


def test_gaussian_one_run_bound_grows_with_right_guesses_and_canaries() -> None:
    values = [one_run_mu(1000, 100, right) for right in (50, 70, 90, 100)]
    assert values == sorted(values)
    assert values[0] == 0
    assert one_run_mu(1000, 1000, 760) > one_run_mu(100, 100, 76)


@pytest.mark.parametrize("delta", [0.0, 1e-5, 1e-3])
def test_one_run_p_value_equals_a_loop_over_the_theorem(delta: float) -> None:
    m, k, right, epsilon = 400, 200, 150, 0.7
    q = 1 / (1 + math.exp(-epsilon))
    beta = sum(binom.pmf(j, k, q) for j in range(right, k + 1))
    alpha = max((binom.cdf(right - 1, k, q) - binom.cdf(right - i - 1, k, q)) / i for i in range(1, right + 1))
    assert one_run_p_value(m, k, right, epsilon, delta) == pytest.approx(min(beta + 2 * m * delta * max(alpha, 0), 1), rel=1e-6)


def test_delta_costs_epsilon() -> None:
    assert one_run_epsilon(1000, 1000, 900, delta=1e-4) < one_run_epsilon(1000, 1000, 900)
    assert epsilon_cap(500, 500, delta=0.01) < epsilon_cap(500, 500)


@pytest.mark.parametrize("canaries", [60, 400, 2000, 10_000])
def test_one_run_bound_at_a_fixed_threshold_rings_in_at_most_five_per_cent_of_null_audits_exactly(canaries: int) -> None:
    least = next(hits for hits in range(canaries // 2, canaries) if one_run_epsilon(canaries, canaries, hits) > 0)
    assert 0.03 < binom.sf(least - 1, canaries, 0.5) <= 0.05  # the share of audits whose coins alone give so many right


def test_ties_are_never_broken_in_favour_of_a_leak() -> None:
    members = np.random.default_rng(0).permutation(halves(500))
    constant = np.zeros(1000)
    for ordered in (members, np.sort(members), np.sort(members)[::-1]):
        assert one_run_bound(Scores(constant, ordered)).low == 0
        assert epsilon_split(Scores(constant, ordered), seed=0).low == 0
        assert epsilon_simultaneous(Scores(constant, ordered)).low == 0
        assert gaussian_bound(Scores(constant, ordered)).mu == 0


def test_order_of_records_and_monotone_transforms_change_no_simultaneous_bound() -> None:
    rng, members = np.random.default_rng(4), halves(300)
    scores, order = rng.normal(size=600) + members, rng.permutation(600)
    expected = epsilon_simultaneous(Scores(scores, members)).low
    assert expected > 0
    assert epsilon_simultaneous(Scores(np.exp(scores)[order], members[order])).low == expected
    assert one_run_bound(Scores(np.exp(scores)[order], members[order])).low == one_run_bound(Scores(scores, members)).low


def test_an_attack_fixed_beforehand_is_bounded_by_both_exact_limits() -> None:
    got = epsilon_from_counts(300, 400, 20, 400, confidence=0.9)
    tpr, fpr = binom_low(300, 400, 0.05), 1 - binom_low(380, 400, 0.05)
    assert got == pytest.approx(math.log(tpr / fpr), abs=1e-6)
    assert epsilon_from_counts(20, 400, 300, 400) == 0
    assert epsilon_from_counts(0, 400, 0, 400) == 0


def binom_low(k: int, n: int, error: float) -> float:
    """The p at which k or more of n come with probability `error`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if binom.sf(k - 1, n, middle) < error else (low, middle)
    return low


def test_groups_are_the_unit_of_every_bound() -> None:
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(200), 5)
    members = np.isin(groups, np.flatnonzero(rng.random(200) < 0.5))
    perfect = members.astype(float)
    assert one_run_bound(Scores(perfect, members, groups)).cap == one_run_epsilon(200, 200, 200)
    assert epsilon_simultaneous(Scores(perfect, members, groups)).cap < epsilon_simultaneous(Scores(perfect, members)).cap
    with pytest.raises(AuditInputError, match="wholly on one side"):
        epsilon_split(Scores(perfect, members, groups[::-1] // 2), seed=0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: one_run_bound(Scores(np.arange(100.0), np.arange(100) < 10)), "independent fair coin flips"),
        (lambda: one_run_bound(Scores(np.arange(100.0), halves(50)), guesses=101), "guesses must be between 1 and the 100"),
        (lambda: one_run_bound(Scores(np.arange(100.0), halves(50)), guesses=()), "guesses must be between 1 and the 100"),
        (lambda: one_run_epsilon(10, 11, 5), "right guesses must be"),
        (lambda: one_run_mu(10, 5, 6), "right guesses must be"),
        (lambda: epsilon_split(Scores(np.array([1.0, np.nan, 2, 3]), halves(2)), seed=0), "scores must be finite"),
        (lambda: epsilon_simultaneous(Scores(np.arange(4.0), np.ones(4, dtype=bool))), "Got members only"),
    ],
)
def test_unusable_canaries_are_named_errors(call, says: str) -> None:
    with pytest.raises(AuditInputError, match=says):
        call()
