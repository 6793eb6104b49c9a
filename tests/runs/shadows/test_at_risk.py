"""The private list of exposed records points at the right rows of the user's own data."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.audit.toy_pipelines import Memory
from tests.conftest import blobs
from upcycle.audit import CanaryCounts, Parts, audit, plan_for
from upcycle.config import DataConfig
from upcycle.data import Store, draw_members, from_arrays, write_store
from upcycle.runs.shadows._audit import run_pool, write_at_risk

PLAN = plan_for("standard", pipelines=12, canaries=CanaryCounts(), views=1, synthetic=40, n_jobs=1, seed=3)
WEAK = 8


class Forgetful(Memory):
    """Knows by heart only those records that are among `weak`, as bytes."""

    def __init__(self, weak: set[bytes]) -> None:
        super().__init__(6.0, 3)
        self.weak = weak

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        learned = np.array([image.tobytes() in self.weak for image in images])
        return super().__call__(images[learned], labels[learned], seed=seed)


def test_the_records_that_a_student_learns_by_heart_head_the_list_with_their_rows_classes_and_patients(tmp_path: Path) -> None:
    images, labels = blobs(300)
    dataset = from_arrays(images, labels, np.arange(300) // 2, config=DataConfig(), seed=1)
    write_store(tmp_path / "store", dataset, *draw_members(dataset.train, share=0.25, at_least=40, seed=1))
    store = Store(tmp_path / "store")
    weak = np.random.default_rng(0).choice(len(dataset.train), WEAK, replace=False)
    found = audit(Forgetful({dataset.train.images[row].tobytes() for row in weak}), run_pool(store), PLAN)
    path = tmp_path / "at_risk.csv"
    write_at_risk(path, found, run_pool(store), store)
    with path.open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert {int(line["train_row"]) for line in listed[:WEAK]} == set(weak.tolist())
    members = set(store.train_rows()[0].tolist())
    for line in listed:
        row = int(line["train_row"])
        assert line["class"] == dataset.class_names[dataset.train.labels[row]]
        assert int(line["group"]) == dataset.train.groups[row]
        assert int(line["used_by_the_run"]) == (row in members)
        assert 0 <= float(line["risk_low"]) <= float(line["risk"]) <= float(line["risk_high"]) <= 1
    assert all(float(line["risk_low"]) > 0.5 for line in listed[:WEAK])


def test_an_audit_too_small_to_tell_leaves_no_list_of_an_older_one(tmp_path: Path) -> None:
    images, labels = blobs(300)
    dataset = from_arrays(images, labels, None, config=DataConfig(), seed=1)
    write_store(tmp_path / "store", dataset, *draw_members(dataset.train, share=0.25, at_least=40, seed=1))
    store, path = Store(tmp_path / "store"), tmp_path / "at_risk.csv"
    path.write_text("old")
    found = audit(Memory(1.0, 3), run_pool(store), replace(PLAN, pipelines=4))
    write_at_risk(path, found, run_pool(store), store)
    assert not path.exists()
