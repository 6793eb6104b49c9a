"""Limits over several pipelines: what they promise, by simulation, and the bootstrap as their check."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from upcycle.audit.statistics._bootstrap import two_way_interval
from upcycle.audit.statistics._pooled import Pool, _two_way_error, pool, pooled_auc, pooled_tpr
from upcycle.audit.statistics._values import Rate

Effects = tuple[float, float, float, float]  # of membership, deviations of records and of pipelines, of the leak over pipelines


def scores_of(rng: np.random.Generator, pipelines: int, records: int, effects: Effects) -> tuple[np.ndarray, ...]:
    """Scores and members (pipelines, records) in complementary pairs, and the leak of each pipeline (pipelines,)."""
    leak, record, level, luck = effects
    half = rng.permuted(np.tile(np.arange(records) < records // 2, (pipelines // 2, 1)), axis=1)
    members = np.stack([half, ~half], axis=1).reshape(pipelines, records)
    own, leaks = record * rng.normal(size=records), leak + luck * rng.normal(size=pipelines)
    heights = own + level * rng.normal(size=(pipelines, 1)) + rng.normal(size=members.shape)
    return heights + leaks[:, None] * members, members, leaks


def pooled(scores: np.ndarray, members: np.ndarray) -> Pool:
    records = scores.shape[1]
    return pool(scores, members, np.arange(records), np.arange(len(scores)) // 2, np.ones(records, bool))


def allowed(error: float, audits: int) -> float:
    return error + 3 * math.sqrt(error * (1 - error) / audits)


@pytest.mark.parametrize("effects", [(0.0, 1.0, 0.5, 0.0), (1.0, 1.0, 0.5, 0.0), (1.0, 1.0, 0.2, 0.3)])
@pytest.mark.parametrize("pipelines", [8, 16])
def test_both_limits_of_auc_and_tpr_err_no_more_often_than_promised(pipelines: int, effects: Effects) -> None:
    """With few pairs the AUC is that of the pipelines at hand, with many that of pipelines yet to be run."""
    rng, audits, wrong = np.random.default_rng(pipelines), 120, []
    leak, record, level, luck = effects
    plain = 1 + record**2
    for _ in range(audits):
        scores, members, leaks = scores_of(rng, pipelines, 200, effects)
        area, found = pooled_auc(pooled(scores, members))[0], pooled_tpr(pooled(scores, members), 0.02)
        assert isinstance(found, Rate)
        spread = plain + level**2
        exact = norm.cdf(leaks / math.sqrt(2 * plain)).mean()
        if pipelines >= 12:
            exact = norm.cdf(leak / math.sqrt(2 * spread + luck**2))
        share = norm.sf((norm.isf(0.02) * math.sqrt(spread) - leak) / math.sqrt(spread + luck**2))
        wrong.append([area.low > exact, area.high < exact, found.low > share, found.high < share])
    assert (np.mean(wrong, axis=0) <= allowed(0.025, audits)).all(), np.mean(wrong, axis=0)


@pytest.mark.parametrize("pipelines", [8, 16])
def test_p_values_without_a_leak_are_below_five_per_cent_no_more_often_than_that(pipelines: int) -> None:
    rng, audits = np.random.default_rng(pipelines), 200
    alarms = [pooled_auc(pooled(*scores_of(rng, pipelines, 120, (0, 1, 0.3, 0))[:2]))[1] < 0.05 for _ in range(audits)]
    assert np.mean(alarms) <= allowed(0.05, audits)


@pytest.mark.parametrize("effects", [(0.0, 1.0, 0.2, 0.0), (1.0, 1.0, 0.2, 0.0), (1.0, 1.0, 0.2, 0.3)])
@pytest.mark.parametrize("pipelines", [8, 16])
def test_the_bootstrap_by_record_and_pipeline_agrees_with_the_limits_in_use(pipelines: int, effects: Effects) -> None:
    """Equal values; the bootstrap's AUC interval is up to sqrt(3) times wider, its TPR interval does not know the threshold's
    error and is no wider than the exact limits."""
    rng, areas, rates = np.random.default_rng(0), [], []
    for seed in range(6):
        scores, members, _ = scores_of(rng, pipelines, 200, effects)
        p = pooled(scores, members)
        area, found = pooled_auc(p)[0], pooled_tpr(p, 0.02)
        check = two_way_interval(scores, members, seed=seed, resamples=150)
        low = two_way_interval(scores, members, fpr=0.02, seed=seed, resamples=150)
        assert isinstance(check, Rate) and isinstance(low, Rate) and isinstance(found, Rate)
        assert area.value == pytest.approx(check.value, abs=0.01)  # few pairs: scores are ranked within pipelines
        assert found.value == pytest.approx(low.value)
        assert max(area.low, check.low) < min(area.high, check.high)
        areas.append((check.high - check.low) / (area.high - area.low))
        rates.append((low.high - low.low) / (found.high - found.low))
    assert 0.9 < np.median(areas) < 3
    assert 0.2 < np.median(rates) < 1


def test_standard_errors_equal_sums_over_dependent_pairs_also_where_numbers_are_left_out() -> None:
    rng = np.random.default_rng(1)
    units, pairs = np.array([0, 0, 2, 2, 5, 5, 9, 2]), np.array([0, 3, 0, 3, 0, 0, 3, 3])
    parts = rng.normal(size=8)
    p = Pool(parts, rng.random(8) < 0.5, units, pairs, pairs)

    def by(same: np.ndarray) -> float:
        clusters = len({tuple(row) for row in same.tolist()})
        return float((np.outer(parts, parts) * same).sum() * clusters / (clusters - 1))

    unit, pair = units[:, None] == units, pairs[:, None] == pairs
    both = by(unit) + by(pair) - by(unit & pair)
    assert _two_way_error(p, parts) == pytest.approx(math.sqrt(max(by(unit), by(pair), both)))
