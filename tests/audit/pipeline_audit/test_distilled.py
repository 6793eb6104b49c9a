"""A generator that leaves is judged as a separate part, apart from the one that stays inside."""

from __future__ import annotations

import numpy as np

from tests.audit.pipelines.test_canaries import pool
from upcycle.audit.attacks import DENOISER_NORM, RATIO, ThreatModel
from upcycle.audit.pipeline_audit._attacked import _on_scores
from upcycle.audit.pipelines import DISTILLED, Parts, ask, make_design, plan_for
from upcycle.audit.verdict import Role


def test_scores_of_both_generators_are_kept_and_judged_apart() -> None:
    plan = plan_for("standard", pipelines=4, views=1, synthetic=10, seed=1)
    design = make_design(pool(200), plan)

    def bright(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).mean(1)

    parts = Parts(
        generator_scores={DENOISER_NORM.name: bright},
        distilled_scores={DENOISER_NORM.name: lambda images, labels: -bright(images, labels)},
    )
    scores = ask(parts, design.records, design.members[0], plan.questions(), seed=0).scores
    np.testing.assert_array_equal(scores[DISTILLED + DENOISER_NORM.name], -scores[DENOISER_NORM.name])
    found = []
    for name in (DENOISER_NORM.name, DISTILLED + DENOISER_NORM.name):
        found += list(_on_scores(name, np.tile(scores[name], (4, 1)).astype(float), design.members, (DENOISER_NORM, RATIO)))
    assert [a.part.role for a in found] == [Role.GENERATOR] * 2 + [Role.DISTILLED] * 2
    assert {a.part.name for a in found} == {"generator", "distilled generator"}
    assert {a.threat_model for a in found} == {ThreatModel.GENERATOR}
    assert {a.attack for a in found} == {DENOISER_NORM.name, f"{DENOISER_NORM.name}, {RATIO.name}"}
