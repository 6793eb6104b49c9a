"""The audit's lower bound on epsilon where the truth is known: rarely above it, and not nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks._results import RESULTS
from benchmarks.mechanisms import BOUNDS, CASES, found
from upcycle.audit import AttackScores, audit_scores

FEW = 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_the_reported_bound_exceeds_the_truth_in_at_most_one_of_twenty(case: tuple) -> None:  # type: ignore[type-arg]
    _, truth, _, mechanism = case
    bounds = found(mechanism, BOUNDS["as a row of an audit reports it"], 500, FEW)
    assert np.mean(bounds > truth) <= 0.05 + 3 * (0.05 * 0.95 / FEW) ** 0.5
    assert truth < 2 or np.median(bounds) > 0.1 * truth


def test_it_is_the_bound_that_stands_in_the_row_of_an_audit() -> None:
    rng = np.random.default_rng(0)
    members = rng.random(1_000) < 0.5
    scores = CASES[2][3](members, rng)
    row = audit_scores({"student": AttackScores({"response": scores}, members)}, seed=3).rows[0]
    assert row.epsilon_low == pytest.approx(1.2, abs=0.6)
    assert row.epsilon_low < CASES[2][1]


def test_the_published_shares_keep_the_declared_error() -> None:
    rows = json.loads((RESULTS / "mechanisms.json").read_text())["rows"]
    assert len(rows) == 7 * 4
    assert all(row["repetitions"] == 200 and row["share_above"] <= 0.05 for row in rows)
