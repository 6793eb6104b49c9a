"""Patients as units, and sets of one owner's records, in pipeline audits: against naive computations and the normal law."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle._random import numpy_rng
from upcycle.audit.attacks import ThreatModel, set_detection
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._owners import SetShare, set_shares
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipelines import CanaryCounts, Design, make_design, plan_for
from upcycle.audit.statistics import Scores, auc, clopper_pearson
from upcycle.audit.verdict import Part

GROUPS = np.random.default_rng(5).integers(0, 120, 600)


@cache
def patients(pipelines: int) -> PipelineAudit:
    budget = "quick" if pipelines == 1 else "standard"
    plan = plan_for(budget, pipelines=pipelines, canaries=CanaryCounts(30), views=1, synthetic=40, n_jobs=1, seed=3)
    return audit(Memory(0.7, 4), pool(600, groups=GROUPS), plan)


def naive(found: PipelineAudit, name: str) -> tuple[list[list[float]], list[list[bool]]]:
    """Scores and membership (pipelines, patients) by loops: of patients none of whose records is a canary or unjudged."""
    arrays = found.arrays
    scores, members = arrays[name].astype(np.float64), arrays["members"]
    chosen = [
        np.flatnonzero(arrays["units"] == unit)
        for unit in np.unique(arrays["units"])
        if (arrays["kind"][arrays["units"] == unit] == "").all() and not np.isnan(scores[:, arrays["units"] == unit]).any()
    ]
    everyone, out, flags = np.concatenate(chosen), [], []
    for run in range(len(scores)):
        mean, deviation = scores[run, everyone].mean(), scores[run, everyone].std()
        out.append([(scores[run, rows].mean() - mean) * math.sqrt(len(rows)) / deviation for rows in chosen])
        flags.append([bool(members[run, rows[0]]) for rows in chosen])
    return out, flags


@pytest.mark.parametrize("attack", ["loss threshold", "random forest", "quantile regression"])
def test_rows_of_patients_are_those_of_a_naive_computation(attack: str) -> None:
    found = patients(1)
    (row,) = found.select(target="student", population="patient", attack=attack)
    scores, members = naive(found, f"student/T1/{attack}")
    assert row.auc.value == pytest.approx(auc(Scores(np.array(scores[0]), np.array(members[0]))), abs=1e-3)  # kept as float32
    assert (row.n_members, row.n_non_members) == (sum(members[0]), len(members[0]) - sum(members[0]))
    assert not found.select(target="synthetic set", population="patient")
    assert found.facts.patients == len(np.unique(GROUPS))
    assert {row.epsilon_of for row in found.rows} == {"records that share a coin"}, "whole patients come and go"


def test_patients_are_pooled_over_pipelines_like_records_and_show_more_than_their_records() -> None:
    found = patients(8)
    (row,) = found.select(target="student", population="patient", attack="shrunk Student-t ratio")
    scores, members = naive(found, "student/T1/shrunk Student-t ratio")
    ranks = [np.argsort(np.argsort(values)) for values in scores]  # few pairs: ranked within each pipeline
    assert row.auc.value == pytest.approx(auc(Scores(np.concatenate(ranks), np.concatenate(members))), abs=2e-3)
    assert row.n_members + row.n_non_members == 8 * len(scores[0])
    (records,) = found.select(target="student", population="clean", attack="shrunk Student-t ratio")
    assert row.auc.value > records.auc.value + 0.05
    assert row.p_holm > row.p_value  # one family with the others


def test_records_without_patients_give_no_such_rows() -> None:
    found = audit(Memory(0.0, 4), pool(), plan_for("smoke", attacks=("loss threshold",), n_jobs=1, synthetic=40))
    assert not found.select(population="patient")


def design_of(pipelines: int, records: int = 2000, groups: np.ndarray | None = None) -> Design:
    return make_design(pool(records, groups=groups), plan_for("standard", pipelines=pipelines, canaries=CanaryCounts(), seed=1))


def shares(scores: np.ndarray, design: Design) -> dict[int, SetShare]:
    found = set_shares([AttackResult(Part.named("student"), ThreatModel.LOGITS, "any", scores)], design, "any", 7, 0.95)
    return {share.size: share for share in found}


def test_the_share_of_sets_that_are_found_is_that_of_the_normal_law() -> None:
    design = design_of(8)
    scores = np.random.default_rng(0).normal(size=design.members.shape) + 0.3 * design.members
    found = shares(scores, design)
    assert list(found) == [10, 20, 50, 100, 200, 500]
    for size in (10, 20, 50):
        power = norm.cdf(0.3 * math.sqrt(size / (1 + size / 1000)) - norm.ppf(0.99))
        assert abs(found[size].share - power) < 4 * math.sqrt(power * (1 - power) / 80) + 0.02
        assert found[size].low < power < found[size].high
    assert all(a.share <= b.share + 0.1 for a, b in pairwise(found.values()))


def test_pipelines_that_say_the_same_do_not_narrow_the_limits_and_pipelines_that_differ_widen_them() -> None:
    design = design_of(8, 800)
    leak = np.where(np.arange(8) % 4 == 0, 5.0, 0.0)[:, None]
    noise = np.random.default_rng(0).normal(size=design.members.shape)
    alike, mixed = shares(noise + 5 * design.members, design)[20], shares(noise + leak * design.members, design)[20]
    assert (alike.share, alike.low, alike.high) == (1.0, *clopper_pearson(20, 20))
    assert mixed.share == pytest.approx(0.5, abs=0.05)
    assert mixed.low < 0.1 and mixed.high > 0.9  # two of four pipelines: no more than three trials


def test_of_each_patient_one_record_counts() -> None:
    design = design_of(2, 1200, np.arange(1200) // 20)  # 30 patients on a side
    assert list(shares(np.random.default_rng(0).normal(size=design.members.shape), design)) == [10, 20]


def test_no_two_tests_of_a_set_share_their_random_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[object, ...]] = []
    real = numpy_rng

    def spy(seed: int, *keys: str | int) -> np.random.Generator:
        drawn.append((seed, *keys))
        return real(seed, *keys)

    monkeypatch.setattr("upcycle.audit.attacks._sets.numpy_rng", spy)
    set_detection(Scores(np.arange(200.0), np.arange(200) < 100), sizes=(10, 20), draws=99, most=3)
    assert len(drawn) == len(set(drawn)) == 1 + 3 + 3
