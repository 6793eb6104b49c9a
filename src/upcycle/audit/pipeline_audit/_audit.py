"""`audit`: from a pipeline and a pool of private records to rows, controls and a verdict on everything that it releases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import upcycle.audit.attacks as names
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.attacks import ShadowAttack
from upcycle.audit.pipeline_audit._at_risk import student_risk
from upcycle.audit.pipeline_audit._attacked import Attacked, attacked, cards, place
from upcycle.audit.pipeline_audit._canary_bound import canary_bounds
from upcycle.audit.pipeline_audit._comparators import canary_costs
from upcycle.audit.pipeline_audit._controls import pipeline_controls
from upcycle.audit.pipeline_audit._judge import judge_pipeline
from upcycle.audit.pipeline_audit._label_test import LabelTest, label_test
from upcycle.audit.pipeline_audit._owners import set_shares
from upcycle.audit.pipeline_audit._refusals import without_faults, without_rows
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipeline_audit._rows import adjusted, pipeline_rows, primary_attack
from upcycle.audit.pipelines import KINDS, AuditPlan, Pipeline, Report, Shadows, kept_runs, make_design, plan_for, run_in
from upcycle.data import ImageSet

_STOPPED = "early look: stopped after {} of {} pipelines, since the student leaked already; limits allow for the planned look."


def audit(
    pipeline: Pipeline,
    data: ImageSet,
    plan: AuditPlan | None = None,
    *,
    cache: Path | None = None,
    report: Report | None = None,
    extra_attacks: dict[str, ShadowAttack] | None = None,
) -> PipelineAudit:
    """Run `pipeline` on secret halves of `data` with canaries in it, attack all that it leaves, and judge every part.

    `plan` None is the standard budget; plan.seed is a secret, since with it and the pool the canaries and members follow.
    `cache` keeps finished runs, so that a killed audit resumes; it holds private results and must not be shared. Raises
    AuditInputError for data, plans and pipelines that cannot be audited.
    """
    whole = plan or plan_for("standard")
    with kept_runs(pipeline, cache) as folder:
        for turn in whole.looks():
            found = judge_shadows(run_in(folder, pipeline, make_design(data, turn), turn, report), turn, extra_attacks)
            if found.verdict == "LEAKS":
                break
    if found.plan.pipelines < whole.pipelines:
        found = replace(found, notes=(*found.notes, _STOPPED.format(found.plan.pipelines, whole.pipelines)))
    return replace(found, scope=str(getattr(pipeline, "scope", "")))


def judge_shadows(shadows: Shadows, plan: AuditPlan, extra_attacks: dict[str, ShadowAttack] | None = None) -> PipelineAudit:
    """Rows, controls and verdicts from the answers of all runs."""
    from upcycle.audit.attacks import shadow_attacks

    extra = shadow_attacks() if extra_attacks is None else extra_attacks
    shadows, refused, faults = without_faults(shadows)
    done = list(attacked(shadows, plan, extra))
    made, notes = pipeline_rows(shadows.design, done, plan)
    tests = _permutations(shadows, plan)
    rows = list(adjusted(made, tests))
    controls = pipeline_controls(shadows, done, plan.seed)
    verdicts = judge_pipeline(rows, tests, controls, plan.confidence, refused | without_rows(done, rows))
    words = {v.target: v.verdict for v in verdicts}
    risk = student_risk(done, shadows.design, names.RATIO, plan.confidence)
    return PipelineAudit(
        plan,
        tuple(replace(row, verdict=words[row.target]) for row in rows),
        controls,
        tests,
        verdicts,
        cards(plan),
        {**_facts(shadows), **({} if risk is None else risk.facts())},
        {**_arrays(shadows, done), **({} if risk is None else risk.arrays(len(shadows.design.records)))},
        one_run=canary_bounds(shadows.design, done, plan),
        sets=set_shares(done, shadows.design, primary_attack(plan), plan.seed, plan.confidence),
        notes=(*shadows.design.notes, *faults, *notes),
        risk=risk,
        canary_costs=canary_costs(shadows),
    )


def _permutations(shadows: Shadows, plan: AuditPlan) -> tuple[LabelTest, ...]:
    """A test of every classifier's answers, under the target that they betray; none of a handful of canaries."""
    if names.PERMUTATION not in plan.attacks:
        return ()
    design = shadows.design
    found = [
        label_test(place(name)[0], logits[:, :, 0], design.members, design.records, answers=name)
        for name, logits in shadows.logits.items()
    ]
    return tuple(test for test in found if test is not None and test.canaries >= SMALL_CELL)


def _facts(shadows: Shadows) -> dict[str, float]:
    """Means over the runs: accuracies on real records left out, seconds, and whatever the pipeline reported."""
    design = shadows.design
    kinds = {f"canaries, {kind}": float((design.records.kind == kind).sum()) for kind in KINDS}
    return {
        "records": float(len(design.records)),
        **kinds,
        "seconds per pipeline": float(shadows.seconds.mean()),
        **{name: float(values.mean()) for name, values in shadows.facts.items()},
    }


def _arrays(shadows: Shadows, done: Sequence[Attacked]) -> dict[str, np.ndarray]:
    design = shadows.design
    base = {
        "members": design.members,
        "units": design.units,
        "labels": design.records.labels,
        "true_labels": design.records.true_labels,
        "kind": design.records.kind,
        "outlier": design.records.outlier,
    }
    return base | {f"{a.target}/{a.threat_model}/{a.attack}": a.scores.astype(np.float32) for a in done}
