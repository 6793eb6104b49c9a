"""Run folders written by hand, so that what is read back is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from upcycle._files import read_record, sha256, write_record
from upcycle.config import Config
from upcycle.data import Preprocess
from upcycle.runs.folder import write_sealed_config

if TYPE_CHECKING:
    from upcycle.runs.stages import Bench

STUDENT, BASELINE, TEACHER = [0.9, 0.85, 0.94], [0.95, 0.91, 0.98], [0.96, 0.92, 0.99]


def audit_row(target: str, auc: float, *, primary: bool = True, tpr: float | None = None) -> dict[str, Any]:
    return {
        "target": target,
        "population": "clean",
        "attack": "loss threshold" if primary else "another",
        "primary": primary,
        "n_members": 50,
        "n_non_members": 40,
        "auc": auc,
        "auc_low": auc - 0.05,
        "auc_high": auc + 0.05,
        "tpr_at_1pct": tpr,
        "tpr_at_1pct_low": None if tpr is None else tpr / 2,
        "tpr_at_1pct_high": None if tpr is None else tpr * 2,
        "verdict": "INCONCLUSIVE",
    }


def write_run(
    root: Path,
    *,
    right: np.ndarray | None = None,
    test_images: str = "same",
    teacher_auc: float = 0.7,
    until: str = "report",
    seed: int = 0,
) -> Path:
    """A run of 20 test images of 2 classes; `right` bool (20,): where the student is right; `test_images` names their bytes;
    `until` "plan" or "report"."""
    private = root / "private"
    (root / "release" / "synthetic").mkdir(parents=True)
    (private / "store").mkdir(parents=True)
    write_sealed_config(root / "config.yaml", Config(seed=seed))
    write_record(root / "environment.json", {"upcycle": "9.9"})
    counts = {"train": [60, 60], "validation": [10, 10], "test": [10, 10]}
    meta: dict[str, Any] = {"name": "cells", "size": 8, "channels": 1, "class_names": ["a", "b"], "notes": [], "counts": counts}
    meta["preprocess"] = Preprocess(channels=1, side=8).to_json()
    _write(private / "store" / "meta.json", meta)
    hashes = {f"test_{part}.npy": hashlib.sha256(test_images.encode()).hexdigest() for part in ("images", "labels")}
    write_record(
        private / "store" / "manifest.json", {"files": {**hashes, "meta.json": sha256(private / "store" / "meta.json")}}
    )
    _stage(private / "data", 1, {"members": 100, "non_members": 20})
    _stage(private / "plan", 2, {})
    if until == "report":
        _finish(root, np.arange(20) > 1 if right is None else right, teacher_auc)
    return root


def _finish(root: Path, right: np.ndarray, teacher_auc: float) -> None:
    private, labels = root / "private", np.arange(20) % 2
    (private / "evaluation").mkdir()
    np.savez(private / "evaluation" / "predictions.npz", labels=labels, student=np.eye(2)[np.where(right, labels, 1 - labels)])
    rows = [audit_row("teacher", teacher_auc), audit_row("student", 0.9, primary=False), audit_row("student", 0.5, tpr=0.02)]
    _write(private / "audit" / "audit.json", {"verdict": "INCONCLUSIVE", "sentence": "Open because.", "rows": rows})
    for seconds, name in enumerate(("report", "student", "teacher", "audit", "unheard-of"), start=60):
        _stage(private / name, seconds, {})
    accuracy = {"baseline": BASELINE, "teacher": TEACHER, "student": STUDENT}
    facts = {"test_images": 20, "accuracy": accuracy, "gap_points": [-5.0, -9.0, -1.0], "validation_accuracy": {}}
    _stage(private / "evaluation", 30, facts)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 8, 8), dtype=np.uint8)
    np.savez(root / "release" / "synthetic" / "synthetic.npz", train_images=images, train_labels=(np.arange(8) % 2)[:, None])
    (private / "report.html").write_text("internal")
    (root / "release" / "report.html").write_text("shareable")


def _stage(folder: Path, seconds: float, facts: dict[str, Any]) -> None:
    """The folder of a finished stage, with the hashes of what is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {path.name: sha256(path) for path in folder.iterdir()}
    write_record(folder / "manifest.json", {"key": "k", "seconds": seconds, "facts": facts, "files": files})


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def sign_again(stage: Path) -> None:
    """Give a stage's manifest the hashes of its files as they are now, as if the stage had left them so."""
    record = read_record(stage / "manifest.json")
    files = {name: sha256(stage / name) for name in record["files"]}
    write_record(stage / "manifest.json", {**record, "files": files})


def sign_pipelines(root: Path) -> None:
    """Write the hashes of what an audit by shadow pipelines would have left."""
    folder = root / "private" / "audit"
    write_record(folder / "pipeline-manifest.json", {"files": {"pipeline.json": sha256(folder / "pipeline.json")}})


def opened(root: Path, needs: str = "generator") -> Bench:
    """The bench of a run that nobody else works on, to use without its lock."""
    from upcycle.runs.stages import prepare

    with prepare(None, root, needs=needs) as bench:
        return bench
