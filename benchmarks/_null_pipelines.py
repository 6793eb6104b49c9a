"""Audits of pipelines that ignore their data. Their answers are drawn, not computed, so that hundreds of audits cost minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from upcycle.audit import CanaryCounts, PipelineAudit, plan_for
from upcycle.audit.pipeline_audit import judge_shadows
from upcycle.audit.pipelines import COPYING, PLANTED, PLANTED_FLAG, Design, Shadows, complementary_halves, plant
from upcycle.data import ImageSet

CLASSES, VIEWS, PER_PATIENT = 5, 2, 2
CANARIES = CanaryCounts(75, 10, 10)  # 75 in eight pipelines leave the 300 pairs that a limit at 1 % needs
LEAKS_DECLARED, INVALID_DECLARED = 0.05, 0.003


def pipeline_audit(pipelines: int, n: int, seed: int) -> Iterator[tuple[str, float, bool]]:
    """(statistic, declared error, false alarm) of one audit of `n` members and `n` non-members a pipeline; every second one is
    of patients with two records each."""
    found = null_audit_of(pipelines, n, seed)
    which = "one pipeline, all attacks" if pipelines == 1 else f"{pipelines} pipelines"
    yield f"verdict LEAKS, {which}", LEAKS_DECLARED, found.verdict == "LEAKS"
    yield f"verdict INVALID, {which}", INVALID_DECLARED, found.verdict == "INVALID"
    for bound in found.one_run:
        yield f"epsilon in one run on the canaries, {which}", 0.05, bound.epsilon_low > 0


def null_audit_of(pipelines: int, n: int, seed: int) -> PipelineAudit:
    """The audit of a student whose answers depend on image, label and luck, and on nothing else."""
    rng = np.random.default_rng([seed, n, pipelines, 7])
    budget = "quick" if pipelines == 1 else "standard"
    plan = plan_for(budget, pipelines=pipelines, canaries=CANARIES, views=VIEWS, seed=int(rng.integers(2**60)))
    design = _design(2 * n, pipelines, plan.seed, PER_PATIENT if seed % 2 else 1, rng)
    return judge_shadows(
        Shadows(design, {"student": _logits(design, rng)}, _controls(design, rng), (), np.zeros(pipelines)), plan
    )


def _design(records: int, pipelines: int, seed: int, per_patient: int, rng: np.random.Generator) -> Design:
    """As `make_design` draws it, but for the outliers: taken at random, since what is near what does not matter here."""
    patients = None if per_patient == 1 else np.arange(records) // per_patient
    images = rng.integers(0, 256, (records, 4, 4, 1), dtype=np.uint8)
    found = plant(ImageSet(images, rng.permutation(np.arange(records) % CLASSES), patients), CANARIES, seed=seed + 1)
    outlier = ~found.canary & (rng.random(records) < 0.05)
    whole = replace(found, outlier=outlier)
    units = np.arange(records) if patients is None else patients
    return Design(whole, complementary_halves(units, whole, pipelines, seed), units, tuple(range(pipelines)))


def _logits(design: Design, rng: np.random.Generator) -> np.ndarray:
    """float32 (pipelines, records, views, classes): true labels are favoured, some patients and records are hard for all."""
    pipelines, records = design.members.shape
    hard = rng.normal(size=int(design.units.max()) + 1)[design.units] + rng.normal(size=records)
    skill = (2 + hard)[:, None] * np.eye(CLASSES)[design.records.true_labels] + rng.normal(size=(records, CLASSES))
    run = skill + rng.normal(size=(pipelines, records, CLASSES))
    views = run[:, :, None] + 0.5 * rng.normal(size=(pipelines, records, VIEWS, CLASSES))
    return views.astype(np.float32)


def _controls(design: Design, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Answers that a working attack on synthetic sets gives to copies."""
    noise, planted = rng.normal(size=(2, *design.members.shape)), np.zeros(design.members.shape, np.float32)
    for flags, members in zip(planted, design.members & ~design.records.canary, strict=True):
        flags[rng.permutation(np.flatnonzero(members))[:30]] = 1
    return {COPYING: noise[0] + 6 * design.members, PLANTED: noise[1] + 6 * planted, PLANTED_FLAG: planted}
