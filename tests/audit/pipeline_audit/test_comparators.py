"""The DP-SGD model next to the student: which one is picked, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import astuple, replace

import pytest

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._comparators import DpComparator, dp_comparator
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipelines import Parts, PrivateModel, plan_for
from upcycle.audit.statistics import NotResolvable

ACCURACY = {"student": 0.9, "DP-SGD, noise 0.1": 0.93, "DP-SGD, noise 0.5": 0.89, "DP-SGD, noise 2": 0.6}
EPSILON = {"DP-SGD, noise 0.1": 4000.0, "DP-SGD, noise 0.5": 90.0, "DP-SGD, noise 2": 5.0}


class WithPrivate(Memory):
    """Its student knows its records by heart, its DP-SGD models know nothing."""

    def __call__(self, images: object, labels: object, *, seed: int) -> Parts:
        parts, clean = (Memory(sure, 4)(images, labels, seed=seed) for sure in (5.0, 0.0))  # type: ignore[arg-type]
        assert clean.student is not None
        return replace(parts, private={k: PrivateModel(clean.student, float(k.split()[-1]), v) for k, v in EPSILON.items()})


@pytest.fixture(scope="module")
def found() -> PipelineAudit:
    return audit(WithPrivate(5.0, 4), pool(600), plan_for("standard", pipelines=8, n_jobs=1, views=1, synthetic=40, seed=3))


def compared(found: PipelineAudit, **accuracy: float) -> DpComparator:
    facts = replace(found.facts, accuracy={**ACCURACY, **accuracy})
    result = dp_comparator(found.rows, facts, found.plan.pipelines)
    assert result is not None
    return result


def test_the_model_of_nearest_accuracy_stands_next_to_the_student(found: PipelineAudit) -> None:
    result = compared(found)
    assert (result.model, result.noise, result.epsilon) == ("DP-SGD, noise 0.5", 0.5, 90.0)
    assert result.comparable and result.student_accuracy_low < 0.89 < 0.9 < result.student_accuracy_high
    assert "Within" in result.sentence and "epsilon 90" in result.sentence


def test_a_model_that_is_not_as_accurate_is_said_not_to_be(found: PipelineAudit) -> None:
    result = compared(found, student=0.99)
    assert result.model == "DP-SGD, noise 0.1"
    assert not result.comparable
    assert "No DP-SGD model came within" in result.sentence


def test_rows_columns_and_verdicts_come_from_the_same_audit(found: PipelineAudit) -> None:
    words = {verdict.target: verdict.verdict for verdict in found.verdicts}
    assert words["student"] == "LEAKS"
    assert all(words[name] != "LEAKS" for name in EPSILON)
    facts = json.loads(json.dumps(found.to_json(public=True)))["dp_comparator"]
    primary = {row.part.name: row for row in found.rows if row.primary}
    own, other = primary["student"], primary[facts["model"]]
    if isinstance(own.tpr_at_1pct, NotResolvable):
        assert facts["student_canary_tpr_at_1pct"] is None and "not resolvable" in facts["sentence"]
    else:
        assert facts["student_canary_tpr_at_1pct"] == list(astuple(own.tpr_at_1pct))
    assert other.epsilon_low <= facts["epsilon"]


def test_without_dp_models_or_a_student_there_is_no_comparison(found: PipelineAudit) -> None:
    assert dp_comparator(found.rows, replace(found.facts, by_dp_sgd={}), 8) is None
    known = {k: v for k, v in found.facts.accuracy.items() if k != "student"}
    assert dp_comparator(found.rows, replace(found.facts, accuracy=known), 8) is None
