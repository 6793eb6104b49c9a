"""The last stages: what may leave (student, synthetic set, audit), and the two reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from upcycle._settings import to_yaml
from upcycle.data import Store, sealed
from upcycle.nets import ResidualClassifier, predict_logits
from upcycle.runs._folder import write_json
from upcycle.runs._judge import judged
from upcycle.runs._stages import read_record
from upcycle.runs._steps import RESIDUAL, Bench, Facts, save_classifier

if TYPE_CHECKING:
    from upcycle.report import Evidence

_RELEASE_DRAWS = 1 << 40  # far from the bank's draws, so that no released image was a training image of the student
_NOTICE = """What may leave, once you have read report.html and audit.json.

student/     the classifier: model.safetensors and config.json; in Python: upcycle.load_student("student")
synthetic/   synthetic images with the teacher's soft labels
audit.json   membership inference against the student. It does not cover the synthetic set, its soft labels or the generator,
             and an average-record audit says nothing about the most exposed records.
"""


def release_stage(bench: Bench) -> Facts:
    """Student and synthetic set, written while the private store is sealed."""
    with sealed(bench.folder.store):
        release = bench.folder.release
        (release / "student").mkdir(exist_ok=True)
        save_classifier(bench.classifier("student"), release / "student" / "model.safetensors")
        write_json(release / "student" / "config.json", _student_config(bench))
        count = bench.config.release.synthetic_images
        if count:
            _write_synthetic(bench, release / "synthetic", count)
        audit = json.loads((bench.folder.stage("audit") / "audit.json").read_text())
        audit["plan"].pop("seed", None)  # whoever has the pool and the seed could repeat the coin flips
        write_json(release / "audit.json", audit)
        (release / "README.txt").write_text(_NOTICE)
        return {"synthetic_images": count}


def _student_config(bench: Bench) -> dict[str, Any]:
    shape, teacher, data = bench.shape, bench.config.teacher, read_record(bench.folder.stage("data"))
    net = bench.classifier("student")
    return {
        "network": RESIDUAL if isinstance(net, ResidualClassifier) else type(net).__name__,
        "width": teacher.width,
        "blocks": teacher.blocks,
        "channels": shape.channels,
        "size": shape.size,
        "classes": shape.classes,
        "class_names": [] if data is None else data.facts["class_names"],
        "input": "uint8 / 127.5 - 1",
    }


def _write_synthetic(bench: Bench, folder: Path, count: int) -> None:
    """`synthetic.npz` with MedMNIST keys: train_images uint8, train_labels (n, 1), train_soft_labels float16 (n, classes)."""
    folder.mkdir(exist_ok=True)
    images, labels = bench.sampler().draw(np.arange(count) + _RELEASE_DRAWS)
    logits = predict_logits(bench.classifier("teacher"), torch.from_numpy(np.ascontiguousarray(images)), bench.device)
    soft = (logits / bench.config.student.temperature).softmax(1).numpy().astype(np.float16)
    shaped = images[..., 0] if bench.shape.channels == 1 else images
    partial = folder / "synthetic.partial.npz"
    np.savez_compressed(partial, train_images=shaped, train_labels=labels[:, None], train_soft_labels=soft)
    partial.replace(folder / "synthetic.npz")


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
