"""The limit on the worst record must hold over all records at once, and may not hide a record that is known."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.audit.statistics import worst_by_luck, worst_of

LOOKS = 2_000


@pytest.mark.parametrize("pairs", [4, 16, 32])
@pytest.mark.parametrize("rates", ["chance", "one known", "spread"])
def test_both_limits_hold_over_all_records_at_once(pairs: int, rates: str) -> None:
    rng = np.random.default_rng(pairs)
    true = {"chance": np.full(300, 0.5), "one known": np.r_[0.9, np.full(299, 0.5)], "spread": rng.uniform(0.3, 0.8, 300)}[
        rates
    ]
    found = [worst_of(rng.binomial(pairs, true), pairs) for _ in range(LOOKS)]
    allowed = 0.025 + 3 * (0.025 * 0.975 / LOOKS) ** 0.5
    assert np.mean([limit.high < true.max() for limit in found]) <= allowed
    assert np.mean([limit.low > true.max() for limit in found]) <= allowed


def test_the_limit_holds_where_records_depend_on_each_other() -> None:
    rng = np.random.default_rng(1)
    found = [worst_of(np.repeat(rng.binomial(16, 0.7, 3), 100), 16).high for _ in range(LOOKS)]
    assert np.mean(np.array(found) < 0.7) <= 0.025 + 3 * (0.025 * 0.975 / LOOKS) ** 0.5


def test_luck_alone_is_the_median_of_what_null_audits_find() -> None:
    rng = np.random.default_rng(2)
    found = [worst_of(rng.binomial(16, 0.5, 400), 16).high for _ in range(LOOKS)]
    assert np.mean(np.array(found) <= worst_by_luck(400, 16)) >= 0.5
    assert worst_by_luck(400, 32) < worst_by_luck(400, 16) < 1


def test_ties_speak_against_both_limits() -> None:
    found = worst_of(np.zeros(10, int), 16, ties=np.full(10, 16))
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)
