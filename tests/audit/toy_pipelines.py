"""Pipelines for tests: they live in a module so that another process can open them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from upcycle.audit import AuditPlan, Parts, Pipeline
from upcycle.audit.pipelines import Design, Report, Shadows, kept_runs, run_in


class Memory:
    """Knows the records it was given by heart; says so with `sure` (0 = not at all). Counts its calls in `folder`."""

    def __init__(self, sure: float, classes: int, folder: Path | None = None, *, seconds: float = 0.0, teacher: bool = True):
        self.sure, self.classes, self.folder, self.seconds, self.teacher = sure, classes, folder, seconds, teacher
        self.key, self.as_run = f"memory {sure}", None

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        time.sleep(self.seconds)
        if self.folder is not None:
            (self.folder / f"call-{seed}-{os.getpid()}-{time.monotonic_ns()}").touch()
        known = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}

        def answer(sure: float, stage: int) -> object:
            luck = np.random.default_rng([seed, stage]).normal(size=(images[0].size, self.classes))

            def predict(asked: np.ndarray) -> np.ndarray:
                centred = asked.reshape(len(asked), -1) - asked.reshape(len(asked), -1).mean(1, keepdims=True)
                logits = centred @ luck / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
                for row, image in zip(logits, asked, strict=True):
                    if (label := known.get(image.tobytes())) is not None:
                        row[label] += sure
                return logits

            return predict

        fresh = np.random.default_rng(seed).integers(0, 256, (100, *images.shape[1:]), dtype=np.uint8)
        soft = np.random.default_rng(seed + 1).dirichlet(np.ones(self.classes), 100)
        return Parts(
            student=answer(self.sure, 1),
            teacher=answer(6.0, 2) if self.teacher else None,
            synthetic_images=fresh,
            soft_labels=soft,
        )


class Constant:
    """Answers the same whatever it was given."""

    key = "constant"

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        return Parts(student=lambda asked: np.tile([0.1, 0.2, 0.3, 0.4], (len(asked), 1)))


class Copier(Memory):
    """A student that knows nothing beside a synthetic set of members."""

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        parts = super().__call__(images, labels, seed=seed)
        return Parts(student=parts.student, teacher=parts.teacher, synthetic_images=images[::3])


def run_shadows(
    pipeline: Pipeline, design: Design, plan: AuditPlan, *, cache: Path | None = None, report: Report | None = None
) -> Shadows:
    """All runs of a design, in `cache` or in a folder for the while."""
    with kept_runs(pipeline, cache) as folder:
        return run_in(folder, pipeline, design, plan, report)
