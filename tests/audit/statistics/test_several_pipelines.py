"""Statistics over several pipelines: two-way intervals, per-record calibration and risk, and what power is needed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from upcycle.audit.score_audit import mean_release, selftest
from upcycle.audit.statistics._auc import auc
from upcycle.audit.statistics._bootstrap import calibrate_by_record, two_way_interval
from upcycle.audit.statistics._epsilon import epsilon_cap
from upcycle.audit.statistics._one_run import one_run_epsilon
from upcycle.audit.statistics._power import (
    canaries_for_epsilon,
    detectable_tpr,
    non_members_needed,
    pipelines_needed,
    power_table,
    records_for_epsilon,
    records_for_margin,
)
from upcycle.audit.statistics._risk import record_risk
from upcycle.audit.statistics._tpr import tpr_at_fpr, tpr_p_value
from upcycle.audit.statistics._values import NotResolvable, Rate
from upcycle.errors import AuditInputError


def flips(rng: np.random.Generator, pipelines: int, records: int) -> np.ndarray:
    return rng.random((pipelines, records)) < 0.5


def dependent(rng: np.random.Generator, pipelines: int, records: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that share a record's and a pipeline's own height."""
    members = flips(rng, pipelines, records)
    shared = rng.normal(size=records) + rng.normal(size=(pipelines, 1)) * 0.5
    return shared + 0.3 * rng.normal(size=members.shape) + shift * members, members


def test_two_way_estimate_is_the_pooled_one_also_with_ties() -> None:
    rng = np.random.default_rng(0)
    scores, members = dependent(rng, 4, 200, 0.5)
    for values in (scores, np.round(scores)):
        rate = two_way_interval(values, members, seed=0, resamples=50)
        assert isinstance(rate, Rate)
        assert rate.value == pytest.approx(auc(values.ravel(), members.ravel()))
        low = two_way_interval(values, members, fpr=0.05, seed=0, resamples=50)
        plain = tpr_at_fpr(values.ravel(), members.ravel(), 0.05)
        assert isinstance(low, Rate) and isinstance(plain, Rate)
        assert low.value == pytest.approx(plain.value)


def test_two_way_interval_covers_where_one_that_resamples_pairs_does_not() -> None:
    rng, covered, naive = np.random.default_rng(1), [], []
    for k in range(40):
        members = flips(rng, 4, 40)
        luck = rng.normal(size=(4, 1)) * 0.6  # a pipeline that overfits more than the others
        scores = rng.normal(size=(4, 40)) + members * (1 + luck)
        draws = np.random.default_rng(k).normal(size=(2000,)) * 0.6
        truth = float(np.mean(norm.cdf((1 + draws) / np.sqrt(2))))
        rate = two_way_interval(scores, members, seed=k, resamples=100)
        pairs = [auc(scores.ravel()[i], members.ravel()[i]) for i in np.random.default_rng(k).integers(160, size=(60, 160))]
        covered.append(rate.low <= truth <= rate.high)  # type: ignore[union-attr]
        naive.append(np.quantile(pairs, 0.025) <= truth <= np.quantile(pairs, 0.975))
    assert np.mean(covered) >= 0.85  # four pipelines are few
    assert np.mean(covered) > np.mean(naive)


def test_two_way_interval_of_a_perfect_attack_is_not_a_point() -> None:
    members = flips(np.random.default_rng(2), 3, 100)
    rate = two_way_interval(members.astype(float), members, seed=0, resamples=50)
    assert isinstance(rate, Rate)
    assert rate.value == rate.high == 1
    assert rate.low == pytest.approx(0.025 ** (1 / 100))


def test_too_few_pairs_are_refused_and_groups_widen() -> None:
    rng = np.random.default_rng(3)
    scores, members = dependent(rng, 3, 60)
    refused = two_way_interval(scores, members, fpr=0.01, seed=0)
    assert isinstance(refused, NotResolvable)
    assert str(refused) == "needs 300 pairs of non-member and pipeline"
    patients = np.repeat(np.arange(12), 5)
    members = members[:, patients * 5]
    scores = scores[:, patients * 5] + members
    alone, grouped = (two_way_interval(scores, members, seed=0, resamples=200, groups=g) for g in (None, patients))
    assert grouped.high - grouped.low > alone.high - alone.low  # type: ignore[union-attr]


def test_after_calibration_every_record_has_the_same_false_positive_rate() -> None:
    rng = np.random.default_rng(4)
    members = flips(rng, 24, 300)
    height, spread = 5 * rng.normal(size=300), np.exp(rng.normal(size=300))
    scores = height + spread * (rng.normal(size=(24, 300)) + members)
    calibrated = calibrate_by_record(scores, members)
    assert np.mean(calibrated[~members] > 0.95) == pytest.approx(0.05, abs=0.01)
    assert calibrated[~members].mean() == pytest.approx(0.5, abs=0.02)
    assert auc(calibrated.ravel(), members.ravel()) > auc(scores.ravel(), members.ravel()) + 0.1
    row = 0
    if not members[row, 7]:
        others = np.delete(scores[:, 7], row)[~np.delete(members[:, 7], row)]
    else:
        others = scores[:, 7][~members[:, 7]]
    from scipy.stats import t

    k = len(others)
    expected = t.cdf((scores[row, 7] - others.mean()) / (others.std(ddof=1) * np.sqrt(1 + 1 / k)), k - 1)
    assert calibrated[row, 7] == pytest.approx(expected, abs=1e-9)


def test_a_released_mean_gives_the_auc_of_theory_and_halves_of_one_pool_a_larger_one() -> None:
    rng = np.random.default_rng(5)
    for d, fresh in ((25, 0.638), (100, 0.760), (400, 0.921)):
        assert mean_release(rng, d, 100, 60, False) == pytest.approx(fresh, abs=0.02)
        assert fresh == pytest.approx(norm.cdf(np.sqrt(d / 100) / np.sqrt(2)), abs=5e-4)
    for d, pool in ((25, 0.691), (100, 0.841)):
        assert mean_release(rng, d, 100, 60, True) == pytest.approx(pool, abs=0.02)
        assert pool == pytest.approx(norm.cdf(np.sqrt(2 * d / 100) / np.sqrt(2)), abs=5e-4)


def test_risk_of_exposed_records_is_found_and_its_limits_hold() -> None:
    rng, members = np.random.default_rng(6), np.arange(16)[:, None] % 2 == np.arange(1000) % 2
    truth = np.full(1000, 0.5)
    truth[:10] = 0.95
    posterior = np.clip(truth + 0.05 * rng.normal(size=(16, 1000)), 0, 1)
    risk = record_risk(posterior, members)
    assert set(risk.top(10)) == set(range(10))
    assert np.mean((risk.low <= truth) & (truth <= risk.high)) >= 0.93
    assert risk.concentration(0.01) > 0.3
    assert (risk.pipelines == members.sum(axis=0)).all()
    even = record_risk(np.full((4, 100), 0.75), np.arange(400).reshape(4, 100) % 2 == np.arange(4)[:, None] % 2)
    assert even.concentration(0.1) == pytest.approx(0.1)


def test_no_excess_risk_is_concentrated_nowhere() -> None:
    members = flips(np.random.default_rng(8), 20, 50)
    assert record_risk(np.zeros((20, 50)), members).concentration() == 0


MEMBERS = np.array([[True, False, True], [False, True, True]])


@pytest.mark.parametrize(
    ("scores", "members", "says"),
    [
        (np.zeros((2, 3)), np.array([[True] * 3, [True, False, True]]), "a pipeline must leave records out. Got 1 given all"),
        (np.zeros((2, 3)), np.array([[False] * 3, [True, False, True]]), "a pipeline must be given records"),
        (np.zeros((1, 3)), MEMBERS[:1], "two or more pipelines"),
        (np.full((2, 3), np.nan), MEMBERS, "scores must be finite"),
        (np.zeros((2, 3)), MEMBERS + 1, "members must be booleans"),
        (np.zeros((2, 4)), MEMBERS, "one shape"),
    ],
)
def test_pipelines_that_cannot_be_compared_are_named_errors(scores, members, says: str) -> None:
    for statistic in (lambda s, m: two_way_interval(s, m, seed=0), calibrate_by_record, record_risk):
        with pytest.raises(AuditInputError, match=says):
            statistic(scores, members)


def test_records_with_too_few_pipelines_say_nothing_and_do_not_stop_the_rest() -> None:
    with pytest.raises(AuditInputError, match="at least 4 pipelines"):
        calibrate_by_record(np.zeros((2, 3)), MEMBERS)
    with pytest.raises(AuditInputError, match=r"posterior must be in 0\.\.1"):
        record_risk(np.full((2, 3), 2.0), MEMBERS)
    members = np.arange(8)[:, None] % 2 == np.arange(3) % 2
    members[:, 0] = False
    risk = record_risk(np.full((8, 3), 0.7), members)
    assert (risk.value[0], risk.low[0], risk.high[0], risk.pipelines[0]) == (members.mean(), 0, 1, 0)
    assert risk.value[1] == pytest.approx(0.7)
    members[:, 0] = True
    assert (calibrate_by_record(np.random.default_rng(0).normal(size=(8, 3)), members)[:, 0] == 0.5).all()


def test_needed_numbers_are_the_least_that_do() -> None:
    assert (non_members_needed(0.01), non_members_needed(0.001)) == (300, 3000)
    m = canaries_for_epsilon(3.0)
    assert m is not None
    assert one_run_epsilon(m, m, m) >= 3 > one_run_epsilon(m - 1, m - 1, m - 1)
    n = records_for_epsilon(3.0)
    assert n is not None
    assert epsilon_cap(n // 2, n // 2) >= 3 > epsilon_cap(n // 2 - 1, n // 2 - 1)
    assert canaries_for_epsilon(3.0, leak=2.0) is None
    assert (pipelines_needed(100, 0.01), pipelines_needed(5000, 0.01)) == (6, 2)
    assert records_for_margin(0.01, 0.01) is None


def test_records_for_a_margin_bring_the_limit_below_it_as_often_as_promised() -> None:
    n, rng = records_for_margin(0.05, 0.01), np.random.default_rng(9)
    assert n is not None
    members = np.arange(2 * n) < n
    below = [tpr_at_fpr(rng.normal(size=2 * n), members, 0.01).high < 0.05 for _ in range(200)]  # type: ignore[union-attr]
    assert 0.74 <= np.mean(below) <= 0.95


def test_detectable_tpr_is_found_in_four_audits_of_five() -> None:
    least, rng, members = detectable_tpr(500, 500, 0.02, 0.05), np.random.default_rng(10), np.arange(1000) < 500
    found = []
    for _ in range(200):
        scores = rng.random(1000)
        scores[:500][rng.random(500) < (least - 0.02) / 0.98] += 1  # others are as the non-members
        found.append(tpr_p_value(scores, members, 0.02) < 0.05)
    assert 0.7 <= np.mean(found) <= 0.9
    assert detectable_tpr(100, 100, 0.01, 0.05) == 1


def test_power_table_speaks_of_every_want_and_refuses_nonsense() -> None:
    table = power_table(auc=0.55, fpr=0.01, margin=0.03, epsilon=2.0, canaries=100, confidence=0.95, power=0.8)
    assert [need.unit.split()[0] for need in table] == ["records", "non-members", "pipelines", "records", "canaries", "records"]
    assert table[0].number == 524
    for wrong in ({"auc": 0.4}, {"fpr": 0.0}, {"margin": 1.5}, {"epsilon": -1.0}, {"canaries": 1}):
        with pytest.raises(AuditInputError, match="must be"):
            power_table(
                **{"auc": 0.55, "fpr": 0.01, "margin": 0.03, "epsilon": 2.0, "canaries": 100, "confidence": 0.95, "power": 0.8}
                | wrong  # type: ignore[arg-type]
            )


@pytest.mark.slow
def test_every_answer_of_the_selftest_is_known() -> None:
    checks = selftest()
    assert len(checks) > 45
    assert not [check for check in checks if not check.passed]
