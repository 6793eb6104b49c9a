"""Attacks that search for every record: on few records, the same in every pipeline, and in step with what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Constant, Memory
from upcycle.audit.attacks import BOUNDARY
from upcycle.audit.pipeline_audit import audit
from upcycle.audit.pipelines._canaries import CanaryCounts
from upcycle.audit.pipelines._contract import Parts
from upcycle.audit.pipelines._design import make_design
from upcycle.audit.pipelines._plan import plan_for
from upcycle.audit.pipelines._questions import ask, searched_rows
from upcycle.audit.pipelines._runs import run_paths
from upcycle.data import ImageSet

PLAN = plan_for("standard", pipelines=4, canaries=CanaryCounts(24, 4, 2), views=1, synthetic=20, n_jobs=1, seed=7, searched=60)
RECORDS = make_design(pool(), PLAN).records


class Wide:
    """A linear student with a boundary at mean grey level 128; members are moved away from it. Class 0 is dark."""

    key = "wide"

    def __init__(self, far: float):
        self.far = far

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        known = images.reshape(len(images), -1).astype(float)
        sides = np.where(labels > 0, 1.0, -1.0)

        def predict(asked: np.ndarray) -> np.ndarray:
            flat = asked.reshape(len(asked), -1).astype(float)
            squares = (flat**2).sum(1)[:, None] + (known**2).sum(1) - 2 * flat @ known.T
            push = np.exp(-squares / flat.shape[1] / 100) @ sides
            score = (flat.mean(1) - 128) / 20 + self.far * push
            return np.column_stack([-score, score])

        inversion = {"latent inversion": lambda asked, _: asked.mean((1, 2, 3)) + 50 * (seed % 7)}
        return Parts(student=predict, searched_scores=inversion)


NEXT_TO_NOTHING = 1e-3  # not 0: equal answers of pipelines that were given other members are refused


def two_classes(n: int = 100) -> ImageSet:
    data = pool(n, classes=2)
    images = data.images // 4 + 80 + 32 * data.labels[:, None, None, None].astype(np.uint8)
    return replace(data, images=images.astype(np.uint8))


def test_at_most_so_many_records_of_every_kind_are_chosen_without_regard_to_membership() -> None:
    rows = searched_rows(RECORDS, 60)
    assert len(rows) == len(set(rows.tolist())) == 60
    assert (RECORDS.kind[rows] == "mislabelled").sum() == 15
    assert RECORDS.outlier[rows].sum() == min(15, RECORDS.outlier.sum())
    assert not np.isin(RECORDS.kind[rows], ("patch", "repeated")).any()
    assert len(searched_rows(RECORDS, 10_000)) < len(RECORDS)
    np.testing.assert_array_equal(rows, searched_rows(RECORDS, 60))


def test_a_student_whose_boundary_keeps_off_its_members_is_seen_by_classes_alone() -> None:
    plan = replace(PLAN, canaries=CanaryCounts(), pipelines=2, searched=40)
    rows = {
        far: audit(Wide(far), two_classes(), plan).select(attack=BOUNDARY.name, population="clean")
        for far in (NEXT_TO_NOTHING, 6.0)
    }
    (quiet,), (loud,) = rows[NEXT_TO_NOTHING], rows[6.0]
    assert (loud.part.name, loud.threat_model) == ("student", "T0")
    assert loud.n_members + loud.n_non_members == 2 * 40
    assert loud.auc.low > 0.6
    assert quiet.auc.low <= 0.5 < loud.auc.value - 0.1


def test_records_that_were_not_asked_are_not_judged_nor_taken_as_references() -> None:
    found = audit(Wide(NEXT_TO_NOTHING), two_classes(), replace(PLAN, canaries=CanaryCounts(), searched=30))
    for name in ("latent inversion", "latent inversion, shrunk Student-t ratio"):
        scores = found.arrays[f"generator/T4/{name}"]
        asked = ~np.isnan(scores[0])
        assert asked.sum() == 30
        assert (np.isnan(scores) == ~asked).all()
        (row,) = found.select(attack=name, population="clean")
        assert row.n_members + row.n_non_members == 4 * 30


def test_a_student_with_one_answer_has_no_boundary_and_no_error() -> None:
    parts = Constant()(RECORDS.images, RECORDS.labels, seed=0)
    members = np.arange(len(RECORDS)) % 2 == 0
    scores = {n: ask(parts, RECORDS, members, replace(PLAN, searched=n).questions(), seed=0).scores for n in (0, 20)}
    assert (scores[20][BOUNDARY.name][searched_rows(RECORDS, 20)] == 0).all()
    assert BOUNDARY.name not in scores[0]


def test_answers_kept_with_and_without_searches_are_not_taken_for_each_other(tmp_path: Path) -> None:
    design = make_design(pool(), PLAN)
    paths = [run_paths(Memory(1.0, 4), design, replace(PLAN, searched=count), tmp_path) for count in (0, 60)]
    assert not set(paths[0]) & set(paths[1])
    assert plan_for("full").searched == 200 and plan_for("standard").searched == 0
