"""Rows of a pipeline audit: every attack on every population of records that is large enough to be told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import upcycle.audit.attacks as names
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.pipeline_audit._attacked import Attacked
from upcycle.audit.pipeline_audit._label_test import LabelTest
from upcycle.audit.pipeline_audit._owners import (
    PATIENT,
    TOGETHER,
    EpsilonUnit,
    clean_patients,
    epsilon_unit,
    has_patients,
    patient_pool,
)
from upcycle.audit.pipeline_audit._refusals import left_out
from upcycle.audit.pipeline_audit._result import PipelineRow
from upcycle.audit.pipelines import KINDS, PATIENT_PATCH, AuditPlan, Design, Records
from upcycle.audit.statistics import (
    FPR,
    NotResolvable,
    Pool,
    Rate,
    holm,
    pool,
    pooled_auc,
    pooled_epsilon,
    pooled_tpr,
    unjudgeable,
)


def populations(records: Records) -> dict[str, np.ndarray]:
    """bool (records,) by population: all real records, the outliers among them and the next layer, mislabelled canaries
    ("canary"), other kinds."""
    found = {"clean": ~records.canary, "outlier": records.outlier, "next layer": records.next_layer}
    for kind in KINDS[:-1]:  # the last is counted by patient
        found["canary" if kind == "mislabelled" else f"canary, {kind}"] = records.kind == kind
    return found


def primary_attack(plan: AuditPlan) -> str:
    """The attack that verdicts rest on: calibrated by shadow pipelines where there are any."""
    return names.RATIO if names.RATIO in plan.attacks and plan.pipelines >= 4 else names.LOSS


def pipeline_rows(design: Design, done: Sequence[Attacked], plan: AuditPlan) -> tuple[list[PipelineRow], tuple[str, ...]]:
    """A row per attack and population, without a verdict and with p-values not yet adjusted; and which there could not be,
    and why. However many pipelines judged them, fewer than SMALL_CELL distinct records (patients, where these share a coin)
    make no row: it would speak of them."""
    rows, reasons = [], []
    for a in done:
        for population, pooled, unit in _pools(a, design):
            if reason := unjudgeable(pooled) or _few(pooled):
                reasons.append((population, reason, f"{a.attack} on the {a.target}"))
            else:
                rows.append(_row(a, population, pooled, unit, plan))
    return rows, left_out(reasons)


def _few(pooled: Pool) -> str:
    found = len(np.unique(pooled.units))
    return f"{found} distinct records, fewer than {SMALL_CELL}" if found < SMALL_CELL else ""


def adjusted(rows: Sequence[PipelineRow], tests: Sequence[LabelTest]) -> Iterator[PipelineRow]:
    """Rows with p-values adjusted by Holm's method over all rows and label permutation tests of their target."""
    for target in dict.fromkeys(row.target for row in rows):
        mine = [row for row in rows if row.target == target]
        family = [*(row.p_value for row in mine), *(test.p_value for test in tests if test.target == target)]
        for row, p in zip(mine, holm(np.array(family)), strict=False):
            yield replace(row, p_holm=float(p))


def _pools(a: Attacked, design: Design) -> Iterator[tuple[str, Pool, EpsilonUnit]]:
    """What an attack judged, by population, and whom an epsilon of it is about; of patients, where there are some and a
    classifier was attacked."""
    judged = ~np.isnan(a.scores).any(0)
    for population, found in populations(design.records).items():
        used = found & judged
        if found.any():
            pooled = pool(a.scores, design.members, design.units, design.pairs, used)
            yield population, pooled, epsilon_unit(design.records, design.units, used)
    if has_patients(design):
        of_patients = {PATIENT: clean_patients(design), f"canary, {PATIENT_PATCH}": design.records.kind == PATIENT_PATCH}
        for population, among in of_patients.items():
            if (found_patients := patient_pool(a, design, among)) is not None:
                yield population, found_patients, TOGETHER


def _row(a: Attacked, population: str, pooled: Pool, unit: EpsilonUnit, plan: AuditPlan) -> PipelineRow:
    rate, p = pooled_auc(pooled, plan.confidence)
    tpr = pooled_tpr(pooled, FPR, plan.confidence)
    epsilon = pooled_epsilon(pooled, tpr, plan.confidence)
    primary = population == ("canary" if plan.canaries is None or plan.canaries.mislabelled else "clean")
    return PipelineRow(
        target=a.target,
        threat_model=a.threat_model,
        population=population,
        attack=a.attack,
        primary=primary and a.attack == primary_attack(plan) and a.threat_model in ("T1", "T5", "T1 baseline"),
        n_members=int(pooled.members.sum()),
        n_non_members=int((~pooled.members).sum()),
        auc=rate.value,
        auc_low=rate.low,
        auc_high=rate.high,
        **_tpr("tpr_at_1pct", tpr),
        **_tpr("tpr_at_01pct", pooled_tpr(pooled, 0.001, plan.confidence)),
        p_value=p,
        p_holm=p,
        tpr_p_value=None,
        tpr_p_holm=None,
        epsilon_low=epsilon.low,
        epsilon_cap=epsilon.cap,
        verdict="",
        epsilon_of=unit,
    )


def _tpr(name: str, rate: Rate | NotResolvable) -> dict[str, Any]:
    if isinstance(rate, NotResolvable):
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_note": str(rate)}
    return {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high, f"{name}_note": None}
