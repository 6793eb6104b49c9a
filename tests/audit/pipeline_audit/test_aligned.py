"""One threshold for pipelines that differ: what a pipeline does to all records of a kind neither hides a leak nor makes one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upcycle.audit.pipeline_audit._aligned import Aligned, _middle_of_others
from upcycle.audit.statistics import Rate, Scores, tpr_at_common_fpr

PLANTED = 70


def audited(seed: int, pipelines: int, leak: float, moved: float, stretched: float, planted: int = PLANTED) -> Aligned:
    """Standard scores of 500 records and `planted` ones; membership raises those of the planted by `leak`; every pipeline moves
    those of each kind by `moved`, and stretches all by the exponential of `stretched`, times a standard normal number."""
    rng, count = np.random.default_rng([seed, pipelines, planted]), 500 + planted
    half = rng.random((pipelines // 2, count)) < 0.5
    members = np.stack([half, ~half], 1).reshape(pipelines, count)
    kinds = (np.arange(count) < planted).astype(int)
    scores = rng.normal(size=members.shape) + leak * members * kinds
    scores = (scores + moved * rng.normal(size=(pipelines, 2))[:, kinds]) * np.exp(stretched * rng.normal(size=(pipelines, 1)))
    return Aligned(scores, members, np.arange(count), kinds)


def rate(found: Aligned) -> Rate:
    told = found.rate(found.kinds == 1, 0.01, 0.95)
    assert isinstance(told, Rate) and 0 <= told.low <= told.value <= told.high <= 1
    return told


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=12), st.integers(0, 5))
def test_no_record_draws_the_middle_it_is_compared_with(outside: list[int], inside: int) -> None:
    scores = np.array([*outside, *range(inside)], float)
    found = _middle_of_others(scores, np.arange(len(scores)) >= len(outside))
    others = [np.median([*outside[:k], *outside[k + 1 :]]) for k in range(len(outside))]
    assert found.tolist() == [*others, *[np.median(outside)] * inside]


def test_pipelines_that_shift_and_stretch_all_scores_change_no_figure() -> None:
    plain, other = audited(1, 8, 1.0, 0.0, 0.0), audited(1, 8, 1.0, 0.0, 0.0)
    rng = np.random.default_rng(2)
    moved = other.scores * np.exp(rng.normal(size=(8, 1))) + 3 * rng.normal(size=(8, 1))
    told, again = rate(plain), rate(Aligned(moved, other.members, other.units, other.kinds))
    assert (again.value, again.low, again.high) == pytest.approx((told.value, told.low, told.high), abs=1e-9)


def test_a_student_that_knows_nothing_is_bounded_although_its_pipelines_differ() -> None:
    found = [audited(seed, 32, 0.0, 0.7, 0.4) for seed in range(10)]
    limits = [rate(one).high for one in found]
    assert np.median(limits) < 0.03
    assert sum(rate(one).low > 0.01 for one in found) <= 1
    for one in found[:3]:
        everyone, used = np.ones(len(one.units), bool), one.kinds == 1
        raw = tpr_at_common_fpr(*(Scores.pooled(one.scores, one.members, one.units, u) for u in (used, everyone)), 0.01)
        assert isinstance(raw, Rate) and raw.high > 2 * np.median(limits)


@pytest.mark.parametrize("pipelines", [8, 32])
@pytest.mark.parametrize("planted", [12, PLANTED])  # of 12 the middle is that of the whole pipeline
@pytest.mark.parametrize(("leak", "truth"), [(0.0, 0.01), (0.5, 0.034), (1.0, 0.092), (2.5, 0.569)])
def test_limits_hold_the_rate_of_what_leaks(leak: float, truth: float, planted: int, pipelines: int) -> None:
    """2.5 % may miss on either side, of 24 draws one or two with a probability of .12 and .02."""
    found = [rate(audited(seed, pipelines, leak, 0.3 * (planted > 20), 0.4, planted)) for seed in range(24)]
    assert sum(one.high < truth for one in found) <= 2
    assert sum(one.low > truth for one in found) <= 2


def test_a_leak_hidden_by_differing_pipelines_is_found() -> None:
    found = [rate(audited(seed, 16, 1.5, 0.7, 0.7)) for seed in range(6)]
    assert min(one.low for one in found) > 0.03
