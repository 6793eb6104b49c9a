"""`audit`: from a pipeline and a pool of private records to rows, controls and a verdict on everything that it releases."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from upcycle.audit import _plan as names
from upcycle.audit._binomial import clopper_pearson
from upcycle.audit._canaries import KINDS, Records
from upcycle.audit._canary_bound import canary_bounds
from upcycle.audit._design import Design, make_design
from upcycle.audit._label_test import LabelTest, label_test
from upcycle.audit._multiplicity import holm
from upcycle.audit._normal import NotResolvable, Rate
from upcycle.audit._owners import PATIENT, has_patients, patient_pool, set_shares
from upcycle.audit._pipeline_controls import pipeline_controls
from upcycle.audit._pipeline_result import PipelineAudit, PipelineRow
from upcycle.audit._pipeline_verdict import judge_pipeline
from upcycle.audit._pipelines import Pipeline
from upcycle.audit._plan import AuditPlan, plan_for
from upcycle.audit._pooled import Pool, pool, pooled_auc, pooled_tpr
from upcycle.audit._shadows import Report, Shadows, run_shadows
from upcycle.audit._streams import Attacked, ShadowAttack, attacked, cards
from upcycle.audit._student_risk import student_risk
from upcycle.data import ImageSet

LEAST = 8  # members and non-members that a population needs for a row


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
    plan = plan or plan_for("standard")
    design = make_design(data, plan)
    shadows = run_shadows(pipeline, design, plan, cache=cache, report=report)
    return replace(judge_shadows(shadows, plan, extra_attacks), scope=str(getattr(pipeline, "scope", "")))


def judge_shadows(shadows: Shadows, plan: AuditPlan, extra_attacks: dict[str, ShadowAttack] | None = None) -> PipelineAudit:
    """Rows, controls and verdicts from the answers of all runs."""
    from upcycle.audit._shadow_attacks import shadow_attacks

    extra = shadow_attacks() if extra_attacks is None else extra_attacks
    done = list(attacked(shadows, plan, extra))
    rows = _rows(shadows, done, plan)
    tests = _permutations(shadows, plan)
    controls = pipeline_controls(shadows, done, plan.seed)
    verdicts = judge_pipeline(rows, tests, controls, plan.confidence)
    words = {v.target: v.verdict for v in verdicts}
    risk = student_risk(done, shadows.design, names.RATIO, plan.confidence)
    return PipelineAudit(
        plan,
        tuple(PipelineRow(**{**asdict(row), "verdict": words[row.target]}) for row in rows),
        controls,
        tests,
        verdicts,
        cards(plan),
        {**_facts(shadows), **({} if risk is None else risk.facts())},
        {**_arrays(shadows, done), **({} if risk is None else risk.arrays(len(shadows.design.records)))},
        one_run=canary_bounds(shadows.design, done, plan),
        sets=set_shares(done, shadows.design, _primary_attack(plan), plan.seed, plan.confidence),
        risk=risk,
    )


def populations(records: Records) -> dict[str, np.ndarray]:
    """bool (records,) by population: all real records, the outliers among them, mislabelled canaries ("canary"), other
    kinds."""
    found = {"clean": ~records.canary, "outlier": records.outlier}
    for kind in KINDS:
        found["canary" if kind == "mislabelled" else f"canary, {kind}"] = records.kind == kind
    return found


def _rows(shadows: Shadows, done: Sequence[Attacked], plan: AuditPlan) -> list[PipelineRow]:
    design, rows = shadows.design, []
    for a in done:
        for population, pooled in _pools(a, design):
            if min(pooled.members.sum(), (~pooled.members).sum()) >= LEAST:
                rows.append(_row(a, population, pooled, plan))
    return list(_adjusted(rows))


def _pools(a: Attacked, design: Design) -> Iterator[tuple[str, Pool]]:
    """What an attack judged, by population; of patients, where there are some and a classifier was attacked."""
    judged = ~np.isnan(a.scores).any(0)
    for population, used in populations(design.records).items():
        yield population, pool(a.scores, design.members, design.units, design.pairs, used & judged)
    if has_patients(design) and (pooled := patient_pool(a, design)) is not None:
        yield PATIENT, pooled


def _primary_attack(plan: AuditPlan) -> str:
    return names.RATIO if names.RATIO in plan.attacks and plan.pipelines >= 4 else names.LOSS


def _row(a: Attacked, population: str, pooled: Pool, plan: AuditPlan) -> PipelineRow:
    rate, p = pooled_auc(pooled, plan.confidence)
    primary = population == ("canary" if plan.canaries is None or plan.canaries.mislabelled else "clean")
    return PipelineRow(
        target=a.target,
        threat_model=a.threat_model,
        population=population,
        attack=a.attack,
        primary=primary and a.attack == _primary_attack(plan) and a.threat_model in ("T1", "T5", "T1 baseline"),
        n_members=int(pooled.members.sum()),
        n_non_members=int((~pooled.members).sum()),
        auc=rate.value,
        auc_low=rate.low,
        auc_high=rate.high,
        **_tpr("tpr_at_1pct", pooled_tpr(pooled, 0.01, plan.confidence)),
        **_tpr("tpr_at_01pct", pooled_tpr(pooled, 0.001, plan.confidence)),
        p_value=p,
        p_holm=p,
        tpr_p_value=None,
        tpr_p_holm=None,
        **_epsilon(pooled, plan.confidence),
        verdict="",
    )


def _tpr(name: str, rate: Rate | NotResolvable) -> dict[str, Any]:
    if isinstance(rate, NotResolvable):
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_note": str(rate)}
    return {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high, f"{name}_note": None}


def _epsilon(pooled: Pool, confidence: float) -> dict[str, Any]:
    """Lower bound on epsilon (delta 0) by the TPR's lower limit at 1 % false positives, and what a perfect attack would
    give."""
    found, members = pooled_tpr(pooled, 0.01, confidence), int(pooled.members.sum())
    if isinstance(found, NotResolvable):
        return {"epsilon_low": 0.0, "epsilon_cap": 0.0}
    best = clopper_pearson(members, members, 1 - (1 - confidence) / 2).low
    return {"epsilon_low": max(0.0, math.log(max(found.low, 1e-9) / 0.01)), "epsilon_cap": math.log(best / 0.01)}


def _adjusted(rows: Sequence[PipelineRow]) -> Iterable[PipelineRow]:
    """Rows with p-values adjusted over all rows of their target."""
    for target in dict.fromkeys(row.target for row in rows):
        mine = [row for row in rows if row.target == target]
        for row, p in zip(mine, holm(np.array([row.p_value for row in mine])), strict=True):
            yield PipelineRow(**{**asdict(row), "p_holm": float(p)})


def _permutations(shadows: Shadows, plan: AuditPlan) -> tuple[LabelTest, ...]:
    if names.PERMUTATION not in plan.attacks:
        return ()
    design = shadows.design
    found = [label_test(name, logits[:, :, 0], design.members, design.records) for name, logits in shadows.logits.items()]
    return tuple(test for test in found if test is not None)


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
