"""`audit`: from a pipeline and a pool of private records to rows, controls and a verdict on everything that it releases."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from upcycle._arguments import typed
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.attacks import CATALOGUE, SET_CARDS, Attack
from upcycle.audit.pipeline_audit._at_risk import student_risk
from upcycle.audit.pipeline_audit._attacked import AttackResult, attacked, cards, source
from upcycle.audit.pipeline_audit._canary_bound import ONE_RUN_CARD, canary_bounds
from upcycle.audit.pipeline_audit._comparators import canary_costs
from upcycle.audit.pipeline_audit._controls import pipeline_controls, positive_row
from upcycle.audit.pipeline_audit._copy_test import copy_test
from upcycle.audit.pipeline_audit._facts import audit_facts, compared_note
from upcycle.audit.pipeline_audit._label_test import LabelTest, label_test
from upcycle.audit.pipeline_audit._owners import set_shares
from upcycle.audit.pipeline_audit._refusals import without_faults, without_rows
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipeline_audit._rows import endpoint_of, pipeline_rows
from upcycle.audit.pipeline_audit._worst import worst_records
from upcycle.audit.pipelines import AuditPlan, Design, Pipeline, Report, Shadows, kept_runs, make_design, plan_for, run_in
from upcycle.audit.statistics import Scores
from upcycle.audit.verdict import (
    Attacked,
    Control,
    Endpoint,
    Evidence,
    ExactTest,
    Part,
    Row,
    Rule,
    Verdict,
    adjust,
    flat_row,
    judge,
    make_row,
)
from upcycle.data import ImageSet

_STOPPED: Final = (
    "early look: stopped after {} of {} pipelines, since the student leaked already; limits allow for the planned look."
)


@typed()
def audit(
    pipeline: Pipeline,
    data: ImageSet,
    plan: AuditPlan | None = None,
    *,
    cache: Path | None = None,
    report: Report | None = None,
    catalogue: Sequence[Attack] = CATALOGUE,
) -> PipelineAudit:
    """Run `pipeline` on secret halves of `data` with canaries in it, attack all that it leaves, and judge every part.

    `plan` None is the standard budget; plan.seed is a secret, since with it and the pool the canaries and members follow.
    `cache` keeps finished runs, so that a killed audit resumes; it holds private results and must not be shared. `catalogue`:
    the attacks that there are; (*CATALOGUE, mine) adds one. Raises AuditInputError for data, plans and pipelines that cannot be
    audited.
    """
    whole = (plan or plan_for("standard")).fitted(data)
    with kept_runs(pipeline, cache) as folder:
        for turn in whole.looks():
            shadows = run_in(folder, pipeline, make_design(data, turn), turn, report, catalogue)
            found = judge_shadows(shadows, turn, catalogue)
            if found.verdict == "LEAKS":
                break
    if found.plan.pipelines < whole.pipelines:
        found = replace(found, notes=(*found.notes, _STOPPED.format(found.plan.pipelines, whole.pipelines)))
    return replace(found, scope=str(getattr(pipeline, "scope", "")), networks=str(getattr(pipeline, "networks", "")))


def judge_shadows(shadows: Shadows, plan: AuditPlan, catalogue: Sequence[Attack] = CATALOGUE) -> PipelineAudit:
    """Rows, controls and verdicts from the answers of all runs."""
    rule, endpoint = Rule(plan.confidence), endpoint_of(plan, catalogue)
    shadows, refused, faults = without_faults(shadows, catalogue)
    done = list(attacked(shadows, plan, catalogue))
    made, notes = pipeline_rows(shadows.design, done, endpoint, rule, plan.seed)
    labels, copies = _permutations(shadows, catalogue), copy_test(shadows)
    controls = pipeline_controls(shadows, done, endpoint, rule, plan.seed)
    tests: tuple[ExactTest, ...] = (*labels, *(() if copies is None else (copies,)))
    named = {source(name, shadows.facts, catalogue).part: why for name, why in refused.items()}
    rows, verdicts = _judged(
        made, tests, controls, endpoint, rule, named | without_rows(done, made, shadows.design), plan.pipelines > 1
    )
    risk = student_risk(done, shadows.design, plan.confidence)
    return PipelineAudit(
        verdicts,
        plan,
        endpoint,
        rows,
        controls,
        labels,
        (*cards(plan, catalogue), *SET_CARDS, *((ONE_RUN_CARD,) if plan.pipelines == 1 else ())),
        audit_facts(shadows, None if risk is None else risk.exposure),
        {**_arrays(shadows, done), **({} if risk is None else risk.arrays(len(shadows.design.records)))},
        one_run=canary_bounds(shadows.design, done, plan),
        sets=set_shares(done, shadows.design, endpoint.attack, plan.seed, plan.confidence),
        notes=(*shadows.design.notes, *faults, *compared_note(shadows), *notes),
        risk=risk,
        canary_costs=canary_costs(shadows),
        copies=copies,
        worst=worst_records(done, shadows.design, plan.confidence),
    )


def row_about(
    found: PipelineAudit, design: Design, target: str, attack: str, chosen: np.ndarray, population: str
) -> dict[str, Any] | None:
    """The row, as it stands in JSON, of an attack on the classifier `target` and the records `chosen` bool (n,): no verdict
    rests on; None where the attack was not run."""
    part = Part.named(target)
    scores = found.arrays.get(f"{part}/{part.access}/{attack}")
    if scores is None:
        return None
    pooled = Scores.pooled(np.asarray(scores, np.float64), design.members, design.units, chosen)
    of = Attacked(part, part.access, population, attack)
    row = make_row(pooled, of, found.endpoint, Rule(found.plan.confidence), seed=found.plan.seed)
    return asdict(flat_row(row, "INCONCLUSIVE"))


def _judged(
    made: Sequence[Row],
    tests: Sequence[ExactTest],
    controls: Sequence[Control],
    endpoint: Endpoint,
    rule: Rule,
    refused: Mapping[Part, str],
    several: bool,
) -> tuple[tuple[Row, ...], tuple[Verdict, ...]]:
    """All rows with adjusted p-values, and a verdict on every part that was attacked or refused."""
    adjusted = {}
    for part in dict.fromkeys([*(row.part for row in made), *refused]):
        own = [test for test in tests if test.target == part.name]
        rows, p = adjust([row for row in made if row.part == part], own, endpoint, rule)
        adjusted[part] = tuple(rows), tuple(zip(own, p, strict=True))
    control = positive_row([row for rows, _ in adjusted.values() for row in rows])
    found = [
        Evidence(part, *own, endpoint, control, several=several, refused=refused.get(part, ""))
        for part, own in adjusted.items()
    ]
    verdicts = tuple(judge(evidence, controls, rule) for evidence in found)
    return tuple(row for rows, _ in adjusted.values() for row in rows), verdicts


def _permutations(shadows: Shadows, catalogue: Sequence[Attack]) -> tuple[LabelTest, ...]:
    """A test of every classifier's answers, under the part that they betray; none of a handful of canaries."""
    design = shadows.design
    found = []
    for name, logits in shadows.logits.items():
        target = source(name, shadows.facts, catalogue).part.name
        found.append(label_test(target, logits[:, :, 0], design.members, design.records, answers=name))
    return tuple(test for test in found if test is not None and test.canaries >= SMALL_CELL)


def _arrays(shadows: Shadows, done: Sequence[AttackResult]) -> dict[str, np.ndarray]:
    design = shadows.design
    base = {
        "members": design.members,
        "units": design.units,
        "labels": design.records.labels,
        "true_labels": design.records.true_labels,
        "kind": design.records.kind,
        "outlier": design.records.outlier,
    }
    return base | {f"{a.part}/{a.threat_model}/{a.attack}": a.scores.astype(np.float32) for a in done}
