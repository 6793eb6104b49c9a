"""A release made of a random network and drawn noise: everything that needs no training."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from upcycle.config import ClassifierConfig
from upcycle.nets import classifier_factory
from upcycle.release import Material, ReleaseOptions

CLASSES = 3
AUDIT = {
    "schema_version": 1,
    "verdict": "NO LEAK FOUND",
    "sentence": "The attack gave AUC 0.51 [0.48, 0.54].",
    "rows": [{"target": "student", "auc": 0.51}],
}


def drawn(labels: np.ndarray, numbers: np.ndarray, *, size: int = 8, channels: int = 1) -> np.ndarray:
    """uint8 noise, image k a function of labels[k] and numbers[k]."""
    rows = [
        np.random.default_rng([int(label), int(number)]).integers(0, 256, (size, size, channels), dtype=np.uint8)
        for label, number in zip(labels, numbers, strict=True)
    ]
    return np.stack(rows) if rows else np.empty((0, size, size, channels), np.uint8)


def soft(images: np.ndarray) -> np.ndarray:
    """Rows that sum to 1, a function of the image."""
    scores = images.reshape(len(images), -1)[:, :CLASSES].astype(float) + 1
    return scores / scores.sum(1, keepdims=True)


def made_of(*, size: int = 8, channels: int = 1, **changes: Any) -> Material:
    """A material with `changes`."""
    torch.manual_seed(0)
    net = classifier_factory(ClassifierConfig(width=4, blocks=1))(channels, CLASSES, size).eval()
    sizes = {"channels": channels, "size": size, "classes": CLASSES}
    values: dict[str, Any] = {
        "student": net,
        "architecture": {"network": "residual-classifier", "width": 4, "blocks": 1, **sizes},
        **sizes,
        "class_names": ("left", "right", "none of them"),
        "draw": lambda labels, numbers: drawn(labels, numbers, size=size, channels=channels),
        "soft_labels": soft,
        "shares": np.ones(CLASSES) / CLASSES,
        "audit": dict(AUDIT),
        "evaluation": {"test_images": 300, "accuracy": {"student": [0.9, 0.87, 0.93], "baseline": [0.91, 0.88, 0.94]}},
    }
    return Material(**{**values, **changes})


def light(**asked: Any) -> ReleaseOptions:
    """Options without the programs, which take seconds: for tests that look at something else."""
    return ReleaseOptions(**{"onnx": False, "torch_export": False, **asked})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def run(digits_run: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished smoke run, to change at will."""
    return Path(shutil.copytree(digits_run[0], tmp_path / "run"))


@pytest.fixture(autouse=True)
def _subnormals() -> Iterator[None]:
    """A run flushes subnormal numbers for speed, which other tests must not inherit."""
    yield
    torch.set_flush_denormal(False)
