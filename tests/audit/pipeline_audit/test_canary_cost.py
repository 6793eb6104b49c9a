"""Accuracy with canaries next to that without them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory, run_shadows
from upcycle.audit.documents import check_pipeline_audit
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipelines import CanaryCounts, Parts, make_design, plan_for
from upcycle.errors import AuditInputError
from upcycle.report import render_pipeline_audit

PLAN = plan_for(
    "standard", pipelines=4, canaries=CanaryCounts(40, 4, 2), views=1, synthetic=20, n_jobs=1, seed=5, without_canaries=2
)


@dataclass
class Upset:
    """Knows the whole pool, and forgets the images of class 0 when it meets a single record that is not of the pool as it was."""

    key: str = "upset"
    given: list[set[tuple[bytes, int]]] = field(default_factory=list)

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        data = pool()
        known = {image.tobytes(): int(label) for image, label in zip(data.images, data.labels, strict=True)}
        self.given.append({(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)})
        upset = any(known.get(image) != label for image, label in self.given[-1])

        def student(asked: np.ndarray) -> np.ndarray:
            found = np.array([known.get(image.tobytes(), 1) for image in asked])
            return 5.0 * np.eye(4)[np.where(upset & (found == 0), 1, found)]

        return Parts(student=student)


def test_accuracies_are_those_of_the_same_records_with_and_without_canaries() -> None:
    design, pipeline = make_design(pool(), PLAN), Upset()
    shadows = run_shadows(pipeline, design, PLAN)
    fresh = ~design.members[:2] & ~design.records.canary
    zeros = [float((design.records.true_labels[side] == 0).mean()) for side in fresh]
    assert [facts.accuracy["student"] for facts in shadows.facts[:2]] == pytest.approx([1 - share for share in zeros])
    assert [accuracy["student"] for accuracy in shadows.without_canaries] == [1.0, 1.0]
    assert shadows.logits["student"].shape[0] == len(shadows.seconds) == 4, "they are no pipelines of the audit"


def test_a_pipeline_without_canaries_is_given_the_same_records_as_they_were() -> None:
    design, pipeline, data = make_design(pool(), PLAN), Upset(), pool()
    run_shadows(pipeline, design, PLAN)
    assert len(pipeline.given) == 6
    for members, given in zip(design.members, pipeline.given[4:], strict=False):
        rows = zip(data.images[members], data.labels[members], strict=True)
        assert given == {(image.tobytes(), int(label)) for image, label in rows}


def test_costs_are_kept_told_and_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    first = audit(Memory(3.0, 4, log), pool(), PLAN, cache=tmp_path / "kept")
    again = audit(Memory(3.0, 4, log), pool(), PLAN, cache=tmp_path / "kept")
    assert len(list(log.glob("call-*"))) == 6
    assert first.canary_costs == again.canary_costs
    assert {(cost.classifier, cost.pipelines) for cost in first.canary_costs} == {("teacher", 2), ("student", 2)}
    facts = first.to_json()
    check_pipeline_audit(facts)
    assert "What the canaries cost" in render_pipeline_audit(facts)


def test_without_canaries_nothing_is_run_twice() -> None:
    plan, pipeline = replace(PLAN, canaries=CanaryCounts()), Upset()
    assert not run_shadows(pipeline, make_design(pool(), plan), plan).without_canaries
    assert len(pipeline.given) == 4


@pytest.mark.parametrize("count", [-1, 5])
def test_more_than_all_pipelines_cannot_run_twice(count: int) -> None:
    with pytest.raises(AuditInputError, match="without_canaries must be from 0 to the 4 pipelines"):
        make_design(pool(), replace(PLAN, without_canaries=count))


def test_budgets_with_many_pipelines_say_what_canaries_cost() -> None:
    assert {name: plan_for(name).without_canaries for name in ("smoke", "quick", "standard", "full")} == {
        "smoke": 0,
        "quick": 0,
        "standard": 2,
        "full": 2,
    }


def test_a_pipeline_that_leaves_other_classifiers_without_canaries_is_a_named_error() -> None:
    class Moody(Upset):
        def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
            parts = super().__call__(images, labels, seed=seed)
            return replace(parts, teacher=parts.student) if len(self.given) > 4 else parts

    with pytest.raises(AuditInputError, match="the same classifiers without canaries"):
        run_shadows(Moody(), make_design(pool(), PLAN), PLAN)
