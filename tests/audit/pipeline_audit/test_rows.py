"""Which populations of a pipeline audit get a row: none that would speak of a handful of records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle.audit.attacks import CATALOGUE, ThreatModel
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._rows import endpoint_of, judgeable, pipeline_rows
from upcycle.audit.pipelines import AuditPlan, CanaryCounts, Design, make_design, plan_for
from upcycle.audit.statistics import Scores
from upcycle.audit.verdict import Part, Rule


def plan(canaries: CanaryCounts) -> AuditPlan:
    return plan_for("standard", pipelines=32, canaries=canaries, views=1, synthetic=40, n_jobs=1, seed=2)


def told(design: Design, used: AuditPlan, judged: np.ndarray | None = None) -> set[str]:
    """Populations with a row, of an attack that judges `judged` bool (records,)."""
    scores = np.random.default_rng(0).normal(size=design.members.shape)
    if judged is not None:
        scores[:, ~judged] = np.nan
    done = [AttackResult(Part.named("student"), ThreatModel.LOGITS, "loss threshold", scores)]
    rows, _ = pipeline_rows(design, done, endpoint_of(used, CATALOGUE), Rule(), seed=0)
    return {row.population for row in rows}


def test_nine_records_make_no_row_though_32_pipelines_make_288_pairs_of_them() -> None:
    few, enough = plan(CanaryCounts(30, 9, 9)), plan(CanaryCounts(30, 10, 10))
    everyone = {"clean", "outlier", "next layer", "canary"}
    assert told(make_design(pool(400), few), few) == everyone
    assert told(make_design(pool(400), enough), enough) == everyone | {"canary, patch", "canary, repeated"}


def test_records_that_an_attack_does_not_judge_do_not_fill_a_cell() -> None:
    used = plan(CanaryCounts(30))
    design = make_design(pool(400), used)
    order = np.cumsum(design.records.canary)
    assert "canary" not in told(design, used, ~design.records.canary | (order <= 9))
    assert "canary" in told(design, used, ~design.records.canary | (order <= 10))


def test_many_records_of_nine_patients_are_nine() -> None:
    used = plan(CanaryCounts())
    design, rng = make_design(pool(400), used), np.random.default_rng(1)
    for patients, shown in ((9, set()), (10, {"clean"})):
        units = np.arange(400) % patients
        coins = rng.random((32, patients)) < 0.5
        records = replace(design.records, outlier=np.zeros(400, bool), next_layer=np.zeros(400, bool))
        assert told(Design(records, coins[:, units], units, design.seeds), used) == shown


def test_nine_canaries_make_no_label_test() -> None:
    small = replace(plan(CanaryCounts(9)), pipelines=4)
    found = audit(Memory(4.0, 4), pool(200), small)
    assert found.permutation == ()
    assert not found.select(population="canary")
    whole = audit(Memory(4.0, 4), pool(200), replace(small, canaries=CanaryCounts(10)))
    assert {test.canaries for test in whole.permutation} == {10}


@pytest.mark.parametrize(
    ("scores", "units", "says"),
    [
        (np.arange(14.0), np.arange(14), "fewer than 8 pairs"),
        (np.arange(40.0), np.where(np.arange(40) % 2, np.arange(40), 0), "a single record or patient"),
        (np.ones(40), np.arange(40), "a ROC of one point"),
        (np.arange(18.0), np.arange(18) // 2 // 2 * 2 + np.arange(18) % 2 - 2 * (np.arange(18) > 15), "8 distinct records"),
        (np.arange(40.0), np.arange(40), ""),
    ],
)
def test_what_cannot_be_judged_says_why(scores: np.ndarray, units: np.ndarray, says: str) -> None:
    members = np.arange(len(scores)) % 2 == 0
    found = judgeable(scores[None], members[None], units, np.ones(len(scores), bool))
    if says:
        assert isinstance(found, str) and says.split(" ", 1)[1] in found
    else:
        assert isinstance(found, Scores)


def test_epsilon_of_copies_and_of_patients_is_said_to_be_theirs() -> None:
    used = plan_for("standard", pipelines=4, canaries=CanaryCounts(20, 0, 10), seed=1)
    for groups, single, twice in (
        (None, "one record", "one record, given twice"),
        (np.arange(300) // 3, "records that share a coin", "records that share a coin"),
    ):
        found = audit(Memory(0.0, 4), pool(300, groups=groups), replace(used, n_jobs=1, views=1, synthetic=40))
        told_of = {row.population: row.epsilon_of for row in found.rows if row.population != "patient"}
        assert (told_of["clean"], told_of["canary"], told_of["canary, repeated"]) == (single, single, twice)
