"""What may leave: student, synthetic set, audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from upcycle.data import sealed
from upcycle.nets import ResidualClassifier, predict_logits
from upcycle.runs._folder import write_json
from upcycle.runs._stages import read_record
from upcycle.runs._steps import RESIDUAL, Bench, Facts, save_classifier

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
