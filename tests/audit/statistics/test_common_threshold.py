"""One threshold for all records: limits near 1 % from few hundred members, and none that a dependent few could fool."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.audit.attacks import excess
from upcycle.audit.statistics import NotResolvable, Rate, Scores, tpr_at_common_fpr, tpr_at_fpr


def audited(seed: int, pipelines: int, canaries: int, records: int, leak: float) -> tuple[Scores, Scores]:
    """Scores of the canaries and of everyone, where membership raises a canary's statistic by `leak` of its deviations, over
    pipelines that differ in level and records that differ in level and spread."""
    rng, count = np.random.default_rng([seed, pipelines, canaries]), canaries + records
    half = rng.random((pipelines // 2, count)) < 0.5
    members = np.stack([half, ~half], 1).reshape(pipelines, count)
    level, spread = 2 * rng.normal(size=count), np.exp(0.5 * rng.normal(size=count))
    planted = np.arange(count) < canaries
    noise = rng.normal(size=(pipelines, count)) + 0.3 * rng.normal(size=(pipelines, 1))
    scores = excess(level + spread * (noise + leak * planted * members), members)
    return tuple(Scores.pooled(scores, members, np.arange(count), used) for used in (planted, planted | True))  # type: ignore[return-value]


def rate(s: Scores, everyone: Scores) -> Rate:
    found = tpr_at_common_fpr(s, everyone, 0.01)
    assert isinstance(found, Rate)
    assert 0 <= found.low <= found.value <= found.high <= 1
    return found


def test_a_standard_audit_of_a_student_that_knows_nothing_usually_stays_below_three_percent() -> None:
    found = [rate(*audited(seed, 32, 60, 840, 0.0)) for seed in range(12)]
    assert sum(one.high < 0.03 for one in found) >= 6
    assert max(one.low for one in found) <= 0.01
    own = [tpr_at_fpr(audited(seed, 32, 60, 840, 0.0)[0], 0.01) for seed in range(3)]
    assert all(isinstance(one, Rate) and one.high > 0.03 for one in own)  # the kind's own non-members cannot place a threshold


@pytest.mark.parametrize(("leak", "truth"), [(0.55, 0.033), (1.0, 0.075)])
def test_limits_of_a_student_that_leaks_hold_its_rate(leak: float, truth: float) -> None:
    found = [rate(*audited(seed, 24, 40, 500, leak)) for seed in range(8)]
    assert sum(one.high < truth for one in found) <= 1
    assert all(one.high > 0.03 for one in found)


def test_perfect_separation_is_a_certain_rate() -> None:
    found = rate(*audited(1, 32, 60, 600, 12.0))
    assert found.value > 0.99
    assert found.low > 0.9


def test_too_few_non_members_are_said() -> None:
    s, _ = audited(1, 4, 20, 20, 0.0)
    assert isinstance(tpr_at_common_fpr(s, s, 0.01), NotResolvable)


def test_excess_is_a_standard_deviate_of_every_record_whatever_its_level_and_spread() -> None:
    _, everyone = audited(3, 64, 2, 400, 0.0)
    assert abs(float(np.median(everyone.values))) < 0.02
    assert everyone.values.std() == pytest.approx(0.9, abs=0.1)  # variances are shrunk towards a common one
    assert np.mean(everyone.values > 2.326) == pytest.approx(0.01, abs=0.005)
