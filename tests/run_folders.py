"""Run folders written by hand, so that what is read back is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from upcycle._settings import to_yaml
from upcycle.config import Config

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
    (root / "config.yaml").write_text(to_yaml(Config(seed=seed)))
    _write(root / "environment.json", {"upcycle": "9.9"})
    counts = {"train": [60, 60], "validation": [10, 10], "test": [10, 10]}
    meta = {"name": "cells", "size": 8, "channels": 1, "class_names": ["a", "b"], "notes": [], "counts": counts}
    _write(private / "store" / "meta.json", meta)
    hashes = {f"test_{part}.npy": hashlib.sha256(test_images.encode()).hexdigest() for part in ("images", "labels")}
    _write(private / "store" / "manifest.json", {"files": hashes})
    _stage(private / "data", 1, {"members": 100, "non_members": 20})
    _stage(private / "plan", 2, {})
    if until == "report":
        _finish(root, np.arange(20) > 1 if right is None else right, teacher_auc)
    return root


def _finish(root: Path, right: np.ndarray, teacher_auc: float) -> None:
    private, labels = root / "private", np.arange(20) % 2
    for seconds, name in enumerate(("report", "student", "teacher", "audit", "unheard-of"), start=60):
        _stage(private / name, seconds, {})
    accuracy = {"baseline": BASELINE, "teacher": TEACHER, "student": STUDENT}
    facts = {"test_images": 20, "accuracy": accuracy, "gap_points": [-5.0, -9.0, -1.0], "validation_accuracy": {}}
    _stage(private / "evaluation", 30, facts)
    np.savez(private / "evaluation" / "predictions.npz", labels=labels, student=np.eye(2)[np.where(right, labels, 1 - labels)])
    rows = [audit_row("teacher", teacher_auc), audit_row("student", 0.9, primary=False), audit_row("student", 0.5, tpr=0.02)]
    _write(private / "audit" / "audit.json", {"verdict": "INCONCLUSIVE", "sentence": "Open because.", "rows": rows})
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 8, 8), dtype=np.uint8)
    np.savez(root / "release" / "synthetic" / "synthetic.npz", train_images=images, train_labels=(np.arange(8) % 2)[:, None])
    (private / "report.html").write_text("internal")
    (root / "release" / "report.html").write_text("shareable")


def _stage(folder: Path, seconds: float, facts: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "manifest.json", {"key": "k", "seconds": seconds, "facts": facts})


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
