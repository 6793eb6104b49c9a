"""Risk of single records over several pipelines, and what power is needed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from upcycle.audit.score_audit import mean_release, selftest
from upcycle.audit.statistics import Scores
from upcycle.audit.statistics._epsilon import epsilon_cap, epsilon_split
from upcycle.audit.statistics._one_run import one_run_bound
from upcycle.audit.statistics._power import (
    canaries_for_epsilon,
    detectable_tpr,
    non_members_for_limit,
    non_members_needed,
    pipelines_needed,
    power_table,
    records_for_epsilon,
    records_for_margin,
)
from upcycle.audit.statistics._risk import record_risk
from upcycle.audit.statistics._tpr import tpr_at_fpr, tpr_p_value
from upcycle.errors import AuditInputError


def flips(rng: np.random.Generator, pipelines: int, records: int) -> np.ndarray:
    return rng.random((pipelines, records)) < 0.5


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
    with pytest.raises(AuditInputError, match=says):
        record_risk(scores, members)


def test_records_with_too_few_pipelines_say_nothing_and_do_not_stop_the_rest() -> None:
    with pytest.raises(AuditInputError, match=r"posterior must be in 0\.\.1"):
        record_risk(np.full((2, 3), 2.0), MEMBERS)
    members = np.arange(8)[:, None] % 2 == np.arange(3) % 2
    members[:, 0] = False
    risk = record_risk(np.full((8, 3), 0.7), members)
    assert (risk.value[0], risk.low[0], risk.high[0], risk.pipelines[0]) == (members.mean(), 0, 1, 0)
    assert risk.value[1] == pytest.approx(0.7)


def test_needed_numbers_are_the_least_that_do() -> None:
    assert (non_members_needed(0.01), non_members_needed(0.001)) == (300, 3000)
    assert (non_members_for_limit(0.01), non_members_for_limit(0.05)) == (437, 86)
    n = records_for_epsilon(3.0)
    assert n is not None
    assert epsilon_cap(n // 2, n // 2) >= 3 > epsilon_cap(n // 2 - 1, n // 2 - 1)
    assert canaries_for_epsilon(3.0, leak=2.0) is None
    assert (pipelines_needed(100, 0.01), pipelines_needed(5000, 0.01)) == (6, 2)
    assert records_for_margin(0.01, 0.01) is None


@pytest.mark.parametrize("epsilon", [1.0, 2.0, 4.0])
def test_a_perfect_attack_shows_the_epsilon_as_often_as_promised(epsilon: float) -> None:
    """Also with an odd number of members, which leaves a guess wrong, and where the other half of the split scores higher."""
    rng, canaries, records = np.random.default_rng(1), canaries_for_epsilon(epsilon), records_for_epsilon(epsilon)
    assert canaries is not None and records is not None
    coins = [rng.random(canaries) < 0.5 for _ in range(200)]
    shown = [one_run_bound(Scores(m + rng.random(canaries) / 2, m)).low >= epsilon for m in coins]
    assert np.mean(shown) >= 0.8 - 3 * 0.0283
    members = np.arange(2 * records) < records
    split = [epsilon_split(Scores(members + rng.random(2 * records) / 2, members), seed=k).low >= epsilon for k in range(60)]
    assert np.mean(split) >= 0.8


def test_records_for_a_margin_bring_the_limit_below_it_as_often_as_promised() -> None:
    n, rng = records_for_margin(0.05, 0.01), np.random.default_rng(9)
    assert n is not None
    members = np.arange(2 * n) < n
    below = [tpr_at_fpr(Scores(rng.normal(size=2 * n), members), 0.01).high < 0.05 for _ in range(200)]  # type: ignore[union-attr]
    assert 0.74 <= np.mean(below) <= 0.95


def test_detectable_tpr_is_found_in_four_audits_of_five() -> None:
    least, rng, members = detectable_tpr(500, 500, 0.02, 0.05), np.random.default_rng(10), np.arange(1000) < 500
    found = []
    for _ in range(200):
        scores = rng.random(1000)
        scores[:500][rng.random(500) < (least - 0.02) / 0.98] += 1  # others are as the non-members
        found.append(tpr_p_value(Scores(scores, members), 0.02) < 0.05)
    assert 0.7 <= np.mean(found) <= 0.9
    assert detectable_tpr(100, 100, 0.01, 0.05) == 1


def test_power_table_speaks_of_every_want_and_refuses_nonsense() -> None:
    table = power_table(auc=0.55, fpr=0.01, margin=0.03, epsilon=2.0, canaries=100, confidence=0.95, power=0.8)
    assert [need.unit.split()[0] for need in table] == [
        *("records", "non-members", "pipelines", "independent", "records", "canaries", "records")
    ]
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
