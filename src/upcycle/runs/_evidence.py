"""The two reports of a run, and the evidence that they show, read from the run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from upcycle._settings import to_yaml
from upcycle.data import Store
from upcycle.runs._judge import judged
from upcycle.runs._stages import read_record
from upcycle.runs._steps import Bench, Facts

if TYPE_CHECKING:
    from upcycle.report import Evidence


def report_stage(bench: Bench, store: Store) -> Facts:
    """The internal report beside the private half, the shareable one in the release."""
    from upcycle.report import write_reports

    internal, shareable = bench.folder.private / "report.html", bench.folder.release / "report.html"
    write_reports(evidence(bench, store), internal=internal, shareable=shareable)
    return {"internal": "private/report.html", "shareable": "release/report.html"}


def evidence(bench: Bench, store: Store) -> Evidence:
    """Everything the reports show, read from the run folder."""
    from upcycle.report import Evidence

    folder, meta = bench.folder, store.meta
    evaluation = read_record(folder.stage("evaluation"))
    assert evaluation is not None, "report comes after evaluation"
    predictions = np.load(folder.stage("evaluation") / "predictions.npz", allow_pickle=False)
    facts = evaluation.facts
    return Evidence(
        title=f"{meta.name}: {bench.config.preset} run",
        dataset={
            "name": meta.name,
            "size": meta.size,
            "channels": meta.channels,
            "class_names": tuple(meta.class_names),
            "counts": meta.counts,
            "notes": tuple(meta.notes),
        },
        config_yaml=to_yaml(bench.config),
        environment=json.loads((folder.root / "environment.json").read_text()),
        minutes=stage_minutes(bench),
        curves=folder.curves(),
        test_labels=predictions["labels"],
        logits={name: predictions[name] for name in judged(bench)},
        accuracies={name: tuple(values) for name, values in facts["accuracy"].items()},
        gap_points=tuple(facts["gap_points"]),
        audit=json.loads((folder.stage("audit") / "audit.json").read_text()),
        copies=_copies(folder.stage("copies") / "copies.json"),
        roc=_roc(folder.stage("audit") / "scores.npz"),
        **_examples(bench, store),
    )


def _copies(path: Path) -> dict[str, float] | None:
    return dict(json.loads(path.read_text())) if path.exists() else None


def stage_minutes(bench: Bench) -> dict[str, float]:
    """Minutes of work of every finished stage, in the order of the road."""
    order = (
        "data",
        "plan",
        "views",
        "teacher",
        "baseline",
        "generator",
        "student",
        "plain",
        "evaluation",
        "audit",
        "release",
    )
    found = {name: read_record(bench.folder.private / name) for name in order}
    return {name: record.seconds / 60 for name, record in found.items() if record is not None}


def _roc(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    from upcycle.audit import roc

    saved = np.load(path, allow_pickle=False)
    members = saved["members"]
    primary = {name.split("/")[0]: saved[name] for name in saved.files if name.endswith("/loss threshold")}
    curves = {target: roc(scores, members) for target, scores in primary.items()}
    return {target: (curve.fpr, curve.tpr) for target, curve in curves.items()}


def _examples(bench: Bench, store: Store) -> dict[str, Any]:
    """Rows of examples: synthetic ones from the release, real ones for the internal report only."""
    path = bench.folder.release / "synthetic" / "synthetic.npz"
    examples: dict[str, Any] = {}
    if path.exists():
        saved = np.load(path, allow_pickle=False)
        images = saved["train_images"]
        images = images[..., None] if images.ndim == 3 else images
        rows = _per_class(saved["train_labels"].ravel(), 10)
        examples["synthetic_examples"] = (
            images[rows],
            saved["train_labels"].ravel()[rows],
            saved["train_soft_labels"][rows],
        )
    members = store.members()
    rows = _per_class(members.labels, 10)
    examples["real_examples"] = (members.images[rows], members.labels[rows])
    return examples


def _per_class(labels: np.ndarray, count: int) -> np.ndarray:
    """The first `count` rows of every class, class by class."""
    return np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)])
