"""Limits over several pipelines: what they promise, by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from upcycle.audit.statistics import Rate, Scores, auc_interval, auc_p_value, tpr_at_fpr
from upcycle.audit.statistics._clusters import two_way_error

Effects = tuple[float, float, float, float]  # of membership, deviations of records and of pipelines, of the leak over pipelines


def scores_of(rng: np.random.Generator, pipelines: int, records: int, effects: Effects) -> tuple[np.ndarray, ...]:
    """Scores and members (pipelines, records) in complementary pairs, and the leak of each pipeline (pipelines,)."""
    leak, record, level, luck = effects
    half = rng.permuted(np.tile(np.arange(records) < records // 2, (pipelines // 2, 1)), axis=1)
    members = np.stack([half, ~half], axis=1).reshape(pipelines, records)
    own, leaks = record * rng.normal(size=records), leak + luck * rng.normal(size=pipelines)
    heights = own + level * rng.normal(size=(pipelines, 1)) + rng.normal(size=members.shape)
    return heights + leaks[:, None] * members, members, leaks


def pooled(scores: np.ndarray, members: np.ndarray) -> Scores:
    records = scores.shape[1]
    return Scores.pooled(scores, members, np.arange(records), np.ones(records, bool))


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
        area, found = auc_interval(pooled(scores, members)), tpr_at_fpr(pooled(scores, members), 0.02)
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
    alarms = [auc_p_value(pooled(*scores_of(rng, pipelines, 120, (0, 1, 0.3, 0))[:2])) < 0.05 for _ in range(audits)]
    assert np.mean(alarms) <= allowed(0.05, audits)


def test_standard_errors_equal_sums_over_dependent_pairs_also_where_numbers_are_left_out() -> None:
    rng = np.random.default_rng(1)
    units, pairs = np.array([0, 0, 2, 2, 5, 5, 9, 2]), np.array([0, 3, 0, 3, 0, 0, 3, 3])
    parts = rng.normal(size=8)
    s = Scores(parts, np.array([True, False, True, False, True, True, False, False]), units, 2 * pairs)

    def by(same: np.ndarray) -> float:
        clusters = len({tuple(row) for row in same.tolist()})
        return float((np.outer(parts, parts) * same).sum() * clusters / (clusters - 1))

    unit, pair = units[:, None] == units, pairs[:, None] == pairs
    both = by(unit) + by(pair) - by(unit & pair)
    assert two_way_error(s, parts) == pytest.approx(math.sqrt(max(by(unit), by(pair), both)))
