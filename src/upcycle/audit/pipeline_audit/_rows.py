"""Rows of a pipeline audit: every attack on every population of records that is large enough to be told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.attacks import EXCESS, LOSS, RATIO, Attack
from upcycle.audit.pipeline_audit._aligned import Aligned
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipeline_audit._owners import PATIENT, clean_patients, has_patients, patient_scores_of
from upcycle.audit.pipeline_audit._refusals import left_out
from upcycle.audit.pipelines import KINDS, PATIENT_PATCH, AuditPlan, Design, Records
from upcycle.audit.statistics import Scores
from upcycle.audit.verdict import FPR, ONE, TOGETHER, TWICE, Attacked, Endpoint, Row, Rule, make_row

LEAST_PAIRS: Final = 8  # of a record and a pipeline, on each side
_OF_PATIENTS: Final = (PATIENT, f"canary, {PATIENT_PATCH}")  # whose scores are those of several records


def populations(records: Records) -> dict[str, np.ndarray]:
    """bool (records,) by population: all real records, the outliers among them and the next layer, mislabelled canaries
    ("canary"), other kinds."""
    found = {"clean": ~records.canary, "outlier": records.outlier, "next layer": records.next_layer}
    for kind in KINDS[:-1]:  # the last is counted by patient
        found["canary" if kind == "mislabelled" else f"canary, {kind}"] = records.kind == kind
    return found


def endpoint_of(plan: AuditPlan, catalogue: Sequence[Attack]) -> Endpoint:
    """What verdicts are read from, declared by the plan: the TPR of mislabelled canaries, or, without canaries, the AUC of
    clean records; by the attack that shadow pipelines calibrate, where there are some."""
    planted = plan.canaries is None or plan.canaries.mislabelled > 0
    planned = plan.planned(catalogue)
    attack = next((attack for attack in ((EXCESS, RATIO) if planted else (RATIO,)) if attack in planned), LOSS)
    return Endpoint("TPR@1%FPR", attack.name, "canary") if planted else Endpoint("AUC", attack.name, "clean")


def pipeline_rows(
    design: Design, done: Sequence[AttackResult], endpoint: Endpoint, rule: Rule, seed: int
) -> tuple[list[Row], tuple[str, ...]]:
    """A row per attack and population, with p-values not yet adjusted; and which there could not be, and why. However many
    pipelines judged them, fewer than SMALL_CELL distinct records (patients, where these share a coin) make no row: it would
    speak of them."""
    rows, reasons, records = [], [], populations(design.records)
    for a in done:
        several = a.common and len(design.members) > 1
        aligned = Aligned(a.scores, design.members, design.units, design.records.kind) if several else None
        for population, scores, unit in _pools(a, design):
            if isinstance(scores, str):
                reasons.append((population, scores, f"{a.attack} on the {a.part}"))
                continue
            primary = (a.attack, population) == (endpoint.attack, endpoint.population) and a.threat_model is a.part.access
            of = Attacked(a.part, a.threat_model, population, a.attack, primary, unit)
            single = population in records  # not of patients, whose scores are those of several records
            tpr = aligned.rate(records[population], FPR, rule.confidence) if aligned is not None and single else None
            rows.append(make_row(scores, of, endpoint, rule, seed=seed, tpr=tpr))
    return rows, left_out(reasons)


def _pools(a: AttackResult, design: Design) -> Iterator[tuple[str, Scores | str, str]]:
    """What an attack judged, by population, or why it cannot be judged, and whom an epsilon of it is about; of patients, where
    there are some and a classifier was attacked."""
    judged = ~np.isnan(a.scores).any(0)
    for population, found in populations(design.records).items():
        if found.any():
            used = found & judged
            yield population, judgeable(a.scores, design.members, design.units, used), _epsilon_of(design, used)
    if has_patients(design):
        for population, among in zip(_OF_PATIENTS, (clean_patients(design), design.records.kind == PATIENT_PATCH), strict=True):
            if (found_patients := patient_scores_of(a, design, among)) is not None:
                yield population, _enough(found_patients), TOGETHER


def judgeable(scores: np.ndarray, members: np.ndarray, units: np.ndarray, used: np.ndarray) -> Scores | str:
    """The records `used` bool (records,) over all pipelines, or why no figure can come from them."""
    inside = members[:, used]
    if min(int(inside.sum()), int((~inside).sum())) < LEAST_PAIRS:
        return f"fewer than {LEAST_PAIRS} pairs of record and pipeline among members or non-members"
    return _enough(Scores.pooled(scores, members, units, used))


def _enough(s: Scores) -> Scores | str:
    """The scores, or why no figure can come from them: one record or patient, whose luck no interval can tell from a leak, one
    score for all, whose ROC is a single point, or so few that it would speak of them."""
    if min(int(s.members.sum()), int((~s.members).sum())) < LEAST_PAIRS:
        return f"fewer than {LEAST_PAIRS} pairs of record and pipeline among members or non-members"
    if min(s.sides) < 2:
        return "a single record or patient among members or non-members"
    if s.values.min() == s.values.max():
        return "one score for all, a ROC of one point"
    found = len(distinct(s.units))
    return f"{found} distinct records, fewer than {SMALL_CELL}" if found < SMALL_CELL else s


def _epsilon_of(design: Design, used: np.ndarray) -> str:
    """Whom a bound on the records `used` bool (n,) protects or betrays: ONE record, one given TWICE, or, where a coin was
    thrown for several records at once, all of them TOGETHER (group privacy; a single record's epsilon may be smaller)."""
    if (np.bincount(design.units)[design.units[used]] > 1).any():
        return TOGETHER
    return TWICE if (design.records.copies[used] > 1).any() else ONE
