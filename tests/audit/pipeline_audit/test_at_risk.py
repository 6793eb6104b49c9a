"""Risk of single records over the pipelines of an audit: the exposed ones are listed, and only inside."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.audit.pipeline_audit.test_audit import PLAN
from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle.audit.attacks import ThreatModel
from upcycle.audit.pipeline_audit._at_risk import student_risk
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipelines import AuditPlan, CanaryCounts, Parts, make_design, plan_for
from upcycle.audit.verdict import Part

RATIO = "shrunk Student-t ratio"
SMALL = replace(PLAN, pipelines=8)


class Fickle(Memory):
    """Knows by heart only those of its records whose first pixel is dark; their share is about `dark` / 256."""

    def __init__(self, dark: int):
        super().__init__(8.0, 4, teacher=False)
        self.dark = dark

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        known = images[:, 0, 0, 0] < self.dark
        return super().__call__(images[known], labels[known], seed=seed)


def simulated(leaking: int, seed: int, pipelines: int = 16) -> tuple[np.ndarray, AuditPlan]:
    plan = replace(SMALL, pipelines=pipelines, seed=seed)
    members = make_design(pool(600), plan).members
    rng = np.random.default_rng(seed)
    ratios = rng.normal(scale=0.5, size=members.shape)
    ratios[:, :leaking] += np.where(members, 4, -4)[:, :leaking]
    return ratios, plan


def test_the_records_that_a_student_knows_by_heart_lead_the_list_and_carry_the_excess() -> None:
    data = pool(600)
    dark = data.images[:, 0, 0, 0] < 20
    found = audit(Fickle(20), data, replace(SMALL, pipelines=16))
    top = found.arrays["risk/top"]
    real = dark & (found.arrays["kind"] == "")
    assert dark[top[: real.sum()]].mean() > 0.9
    assert found.risk is not None and found.risk.exposure.records >= 0.8 * real.sum()
    assert found.facts.exposed == found.risk.exposure
    assert found.risk.exposure.top_share > 0.03
    assert found.risk.exposure.records > 3 * found.risk.exposure.by_luck


def test_without_a_leak_no_more_records_are_exposed_than_luck_explains() -> None:
    exposed, luck = [], []
    for seed in range(10):
        ratios, plan = simulated(0, seed)
        risk = student_risk(
            [AttackResult(Part.named("student"), ThreatModel.LOGITS, RATIO, ratios)], make_design(pool(600), plan), 0.95
        )
        assert risk is not None
        exposed.append(risk.exposure.records)
        luck.append(risk.exposure.by_luck)
    assert np.mean(exposed) < 1.5 * np.mean(luck)


def test_luck_explains_what_a_student_that_knows_nothing_exposes_also_with_calibrated_scores() -> None:
    """A record's densities differ by luck, for members and non-members alike."""
    exposed, luck = [], []
    for seed in range(2):
        found = audit(Memory(0.0, 4), pool(300), replace(SMALL, seed=seed, attacks=(RATIO,), canaries=CanaryCounts(20)))
        assert found.risk is not None
        exposed.append(found.risk.exposure.records)
        luck.append(found.risk.exposure.by_luck)
    assert np.sum(exposed) < 2 * np.sum(luck)


def test_risk_is_the_mean_posterior_over_the_pipelines_that_had_the_record() -> None:
    ratios, plan = simulated(5, 0)
    design = make_design(pool(600), plan)
    risk = student_risk([AttackResult(Part.named("student"), ThreatModel.LOGITS, RATIO, ratios)], design, 0.95)
    assert risk is not None
    row = int(risk.rows[3])
    naive = np.mean([1 / (1 + np.exp(-ratios[k, row])) for k in range(16) if design.members[k, row]])
    assert risk.arrays(600)["risk/value"][row] == pytest.approx(naive, rel=1e-6)
    assert np.isnan(risk.arrays(600)["risk/value"][design.records.canary]).all()


def test_fewer_than_eight_pipelines_give_no_list() -> None:
    found = audit(Memory(4.0, 4), pool(), plan_for("standard", pipelines=6, n_jobs=1, views=1, synthetic=40))
    assert found.risk is None
    assert not any(name.startswith("risk/") for name in found.arrays)


def test_the_list_is_in_no_json() -> None:
    found = audit(Memory(4.0, 4), pool(300), replace(SMALL, canaries=None))
    assert found.risk is not None
    for public in (True, False):
        text = json.dumps(found.to_json(public=public))
        assert '"risk' not in text
        assert json.dumps(found.risk.top().tolist())[:-1] not in text
