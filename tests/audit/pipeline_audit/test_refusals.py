"""Answers that cannot be attacked: refused by name, and the rest of the audit goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import _null_pipelines as null
from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Constant, Memory
from upcycle.audit.attacks import NEIGHBOURS, PROBE, ThreatModel
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipeline_audit._audit import audit, judge_shadows
from upcycle.audit.pipeline_audit._refusals import without_faults, without_rows
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipelines import CanaryCounts, Design, Parts, Shadows, plan_for
from upcycle.audit.score_audit import AttackScores, TargetScores, audit_scores
from upcycle.audit.verdict import Part, Role
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError
from upcycle.report import render_pipeline_audit

PLAN = plan_for("standard", pipelines=6, canaries=null.CANARIES, views=2, seed=5)


def drawn(records: int = 300, per_patient: int = 1) -> Shadows:
    """Answers of a student that knows nothing, over six pipelines."""
    rng = np.random.default_rng(1)
    design: Design = null._design(records, 6, PLAN.seed, per_patient, rng)
    return Shadows(design, {"student": null._logits(design, rng)}, null._controls(design, rng), (), np.zeros(6))


def with_logits(shadows: Shadows, **logits: np.ndarray) -> Shadows:
    return replace(shadows, logits={**shadows.logits, **logits})


def test_a_model_that_answers_all_records_alike_gets_no_figure_and_the_others_keep_theirs() -> None:
    sound = drawn()
    constant = np.tile(np.linspace(-1, 1, null.CLASSES, dtype=np.float32), (6, 300, 2, 1))
    found = judge_shadows(with_logits(sound, teacher=constant), PLAN)
    assert not found.select(target="teacher")
    assert found.select(target="student") == judge_shadows(sound, PLAN).select(target="student")
    (verdict,) = (v for v in found.verdicts if v.target == "teacher")
    assert verdict.verdict == "INCONCLUSIVE"
    assert "same answer for every record in pipelines 0, 1, 2, 3, 4 and 1 more" in verdict.sentence
    assert verdict.sentence in found.notes
    assert not any(test.target == "teacher" for test in found.permutation)


def test_one_collapsed_run_is_enough_to_refuse_a_model_by_its_number() -> None:
    sound = drawn()
    logits = sound.logits["student"].copy()
    logits[3] = 0.5
    found = judge_shadows(with_logits(sound, student=logits), PLAN)
    assert found.verdict == "INCONCLUSIVE"
    assert "pipelines 3;" in found.sentence
    assert not found.rows


@pytest.mark.parametrize(("budget", "pipelines"), [("quick", 1), ("standard", 8)])
def test_a_constant_student_is_never_cleared_and_its_audit_can_be_shown(budget: str, pipelines: int) -> None:
    found: PipelineAudit = audit(Constant(), pool(300), plan_for(budget, pipelines=pipelines, n_jobs=1, seed=1))
    assert found.verdict == "INCONCLUSIVE"
    assert found.to_json()["notes"] == list(found.notes)
    assert "same answer for every record" in render_pipeline_audit(found.to_json())


def test_constant_answers_are_no_target_of_an_audit_of_scores() -> None:
    members, labels = np.arange(60) % 2 == 0, np.arange(60) % 3
    with pytest.raises(AuditInputError, match="student: logits must differ between records"):
        audit_scores({"student": TargetScores(np.tile([0.1, 0.2, 0.3], (60, 1)), labels, members)})
    with pytest.raises(AuditInputError, match="ROC of one point"):
        audit_scores({"student": AttackScores({"ratio": np.zeros(60)}, members)})


def test_equal_answers_of_a_model_in_two_runs_are_named_and_not_skipped() -> None:
    sound = drawn()
    logits = sound.logits["student"].copy()
    logits[4] = logits[1]
    with pytest.raises(AuditInputError, match=r"student: pipelines must differ in their answers.* Got equal ones: 1 = 4"):
        judge_shadows(with_logits(sound, student=logits), PLAN)


def test_a_model_that_is_the_same_in_every_run_is_refused_in_one_line_and_the_audit_goes_on() -> None:
    """An honest pipeline whose student depends on nobody, or a fault: no figure, no error, no list of pairs."""
    sound = drawn()
    public = np.broadcast_to(sound.logits["student"][:1], sound.logits["student"].shape).copy()
    found = judge_shadows(with_logits(sound, public=public), PLAN)
    (verdict,) = (v for v in found.verdicts if v.target == "public")
    assert verdict.verdict == "INCONCLUSIVE"
    assert "the same answers in every pipeline" in verdict.sentence and "=" not in verdict.sentence
    assert found.select(target="student")


def test_labels_alone_may_be_equal_and_the_attacks_left_out_are_named() -> None:
    sound = drawn()
    hard = np.eye(null.CLASSES, dtype=np.float32)[sound.logits["student"].argmax(-1)]
    hard[4] = hard[1]
    found = judge_shadows(with_logits(sound, student=hard), PLAN)
    attacks = {row.attack for row in found.select(target="student")}
    assert "loss threshold" in attacks
    assert not attacks & {"LiRA online", "RMIA online"}
    assert any("student: equal in pipelines 1 = 4; attacks that compare densities left out" in note for note in found.notes)


@pytest.mark.parametrize("name", [PROBE.name, NEIGHBOURS.name])
def test_a_release_that_is_the_same_in_every_run_is_no_fault(name: str) -> None:
    sound = drawn()
    same = np.broadcast_to(sound.logits["student"][:1], sound.logits["student"].shape).copy()
    same[5] += 1.0
    _, refused, notes = without_faults(with_logits(sound, **{name: same}))
    assert not refused
    assert any(note.startswith(f"{name}: equal in pipelines") for note in notes)


def test_scores_that_are_the_same_for_all_records_are_left_out_by_name() -> None:
    sound = drawn()
    found = judge_shadows(replace(sound, scores={**sound.scores, "denoiser norm": np.ones((6, 300), np.float32)}), PLAN)
    assert not found.select(target="generator")
    assert any(note.startswith("denoiser norm: the same answer") for note in found.notes)


def test_records_that_no_run_searched_for_are_no_fault_but_a_hole_in_one_run_is() -> None:
    sound = drawn()
    few = np.random.default_rng(0).normal(size=(6, 300)).astype(np.float32)
    few[:, 50:] = np.nan
    kept, _, notes = without_faults(replace(sound, scores={"boundary distance": few}))
    assert "boundary distance" in kept.scores and not any("boundary" in note for note in notes)
    flat = np.where(np.isnan(few), few, np.float32(1))
    _, _, notes = without_faults(replace(sound, scores={"boundary distance": flat}))
    assert any(note.startswith("boundary distance: the same answer") for note in notes)
    few[3, 7] = np.nan
    with pytest.raises(AuditInputError, match=r"boundary distance: answers must be finite.* in pipelines 3\."):
        without_faults(replace(sound, scores={"boundary distance": few}))


def test_answers_that_are_no_numbers_and_a_shadow_of_all_records_are_named_together() -> None:
    sound = drawn()
    logits, members = sound.logits["student"].copy(), sound.design.members.copy()
    logits[2, 7, 1, 0], members[5] = np.nan, True
    with pytest.raises(AuditInputError) as caught:
        judge_shadows(replace(with_logits(sound, student=logits), design=replace(sound.design, members=members)), PLAN)
    first, second = caught.value.problems
    assert "student: answers must be finite. Got NaN or infinity in pipelines 2." in first
    assert "Got all or none in pipelines 5." in second


def test_a_target_without_a_population_that_can_be_judged_is_not_passed_over() -> None:
    sound = drawn()
    few = np.full(sound.design.members.shape, np.nan)
    few[:, 0] = 1.0
    part = Part(Role.GENERATOR, "generator")
    (found,) = without_rows([AttackResult(part, ThreatModel.GENERATOR, "any", few)], [], sound.design).items()
    assert found == (part, "generator: no population of it could be judged.")


def test_a_pipeline_that_leaves_nothing_is_named() -> None:
    with pytest.raises(AuditInputError, match="must leave a part that can be attacked"):
        audit(lambda images, labels, *, seed: Parts(), pool(), plan_for("smoke", n_jobs=1))


@pytest.mark.parametrize(("budget", "pipelines"), [("quick", 1), ("standard", 4), ("standard", 16)])
def test_outliers_of_one_patient_do_not_stop_the_audit(budget: str, pipelines: int) -> None:
    """All natural outliers belong to one patient, who is alone among members or non-members in every pipeline."""
    data = pool(400, groups=np.maximum(np.arange(400) - 20, 0))
    images = (data.images // 32 + 100).astype(np.uint8)
    images[:21] = data.images[:21]
    plan = plan_for(budget, pipelines=pipelines, canaries=CanaryCounts(), views=1, synthetic=40, n_jobs=1, seed=2)
    found = audit(Memory(4.0, 4), ImageSet(images, data.labels, data.groups), plan)
    assert found.verdict == "LEAKS"
    assert not found.select(population="outlier")
    assert any(note.startswith("outlier: no row for") for note in found.notes)
    figures = [value for row in found.rows for value in (row.auc.value, row.auc.low, row.auc.high, row.p_value)]
    assert np.isfinite(figures).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_patient_alone_on_one_side_of_a_single_pipeline_does_not_stop_the_audit(seed: int) -> None:
    """Two patients share the outliers: for some seeds one is a member and the other is not."""
    data = pool(400, groups=np.where(np.arange(400) < 20, np.arange(400) % 2, np.arange(400)))
    images = (data.images // 32 + 100).astype(np.uint8)
    images[:20] = data.images[:20]
    plan = plan_for("quick", canaries=CanaryCounts(), views=1, synthetic=40, n_jobs=1, seed=seed)
    found = audit(Memory(4.0, 4), ImageSet(images, data.labels, data.groups), plan)
    assert not found.select(population="outlier")
    assert any(note.startswith("outlier: no row for") for note in found.notes)


@pytest.mark.parametrize(("budget", "pipelines"), [("quick", 1), ("standard", 4)])
def test_patients_who_all_have_a_canary_are_judged_by_their_real_records(budget: str, pipelines: int) -> None:
    groups = np.arange(400) // 10
    plan = plan_for(budget, pipelines=pipelines, canaries=CanaryCounts(39), views=1, synthetic=40, n_jobs=1, seed=2)
    found = audit(Memory(4.0, 4), pool(400, groups=groups), plan)
    assert found.verdict == "LEAKS"
    loss = found.select(population="patient", attack="loss threshold", target="student")[0]
    assert loss.n_members + loss.n_non_members == 40 * pipelines
