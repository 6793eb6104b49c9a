"""Knowledge Recycling in the small, audited whole: a student of synthetic digits looks safe on clean records and gives its
teacher's mislabelled canaries away (the toy of the audit's specification, there with 48 pipelines)."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from upcycle.audit.attacks import Predict
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipelines import CanaryCounts, Parts, plan_for
from upcycle.audit.statistics import Rate
from upcycle.audit.verdict import Row
from upcycle.data import ImageSet

CLASSES, PARTS, DRAWN = 10, 10, 1500
SEEDS = (0, 1, 2)


def flat(images: np.ndarray) -> np.ndarray:
    return np.asarray(images.reshape(len(images), -1) / 240)


def class_gaussians(pixels: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws (n, pixels) from a Gaussian per class along its ten leading components."""
    drawn = []
    for label in range(CLASSES):
        own = pixels[labels == label]
        _, lengths, directions = np.linalg.svd(own - own.mean(0), full_matrices=False)
        spread = lengths[:PARTS, None] * directions[:PARTS] / np.sqrt(len(own) - 1)
        drawn.append(own.mean(0) + rng.normal(size=(DRAWN // CLASSES, PARTS)) @ spread)
    return np.concatenate(drawn).clip(0, 1)


def pupil(soft: np.ndarray, pixels: np.ndarray, seed: int) -> Predict:
    """A net fitted to log soft labels (n, classes) on synthetic images alone."""
    net = MLPRegressor(hidden_layer_sizes=(64,), solver="lbfgs", max_iter=100, random_state=seed)
    net.fit(pixels, soft)
    return lambda images: net.predict(flat(images))


def recycle(images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
    """Teacher, class-Gaussian generator, student on its images with soft labels; and a student of noisy copies of members."""
    pixels, state, rng = flat(images), seed % 2**32, np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        teacher = MLPClassifier((128,), solver="lbfgs", alpha=0.1, max_iter=80, random_state=state).fit(pixels, labels)

        def soft(asked: np.ndarray) -> np.ndarray:
            return np.asarray(teacher.predict_log_proba(asked).clip(-12, 0))

        fresh = class_gaussians(pixels, labels, rng)
        copies = pixels[rng.integers(len(pixels), size=DRAWN)] + 0.05 * rng.normal(size=(DRAWN, pixels.shape[1]))
        student, copying = (pupil(soft(drawn), drawn, state) for drawn in (fresh, copies))
    return Parts(student=student, variants={"copying": copying}, teacher=lambda asked: soft(flat(asked)))


@cache
def audited(seed: int) -> PipelineAudit:
    digits = load_digits()
    rows = np.random.default_rng(seed).permutation(len(digits.target))[:900]
    pool = ImageSet((digits.images[rows, ..., None] * 15).astype(np.uint8), digits.target[rows])
    attacks = ("loss threshold", "shrunk Student-t ratio")
    plan = plan_for("standard", pipelines=8, canaries=CanaryCounts(100), attacks=attacks, views=1, n_jobs=1, seed=seed)
    return audit(recycle, pool, plan)


def row(seed: int, target: str, population: str, attack: str) -> Row:
    (found,) = audited(seed).select(target=target, population=population, attack=attack)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_student_of_synthetic_images_looks_safe_on_clean_records_and_leaks_its_canaries(seed: int) -> None:
    assert row(seed, "student", "clean", "loss threshold").auc.value < 0.65
    canaries = row(seed, "student", "canary", "shrunk Student-t ratio")
    assert canaries.auc.value > 0.8
    assert isinstance(canaries.tpr_at_1pct, Rate) and canaries.tpr_at_1pct.value > 0.1
    assert audited(seed).verdict == "LEAKS"
    assert audited(seed).facts.accuracy["student"] > 0.8


def test_the_nearer_a_student_is_to_its_members_the_more_it_leaks() -> None:
    """Means over the seeds: the teacher leaks most, then the student of copies, then the student of a generator."""
    areas = {
        target: np.mean([row(seed, target, "canary", "shrunk Student-t ratio").auc.value for seed in SEEDS])
        for target in ("teacher", "copying", "student")
    }
    assert areas["teacher"] > 0.98
    assert areas["teacher"] >= areas["copying"] >= areas["student"]
