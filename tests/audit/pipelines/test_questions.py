"""What a run is asked: the same whoever is a member, and never a model that rolls dice or looks at its batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle.audit.attacks import as_logits
from upcycle.audit.pipeline_audit import audit
from upcycle.audit.pipelines._canaries import CanaryCounts, Records, plant
from upcycle.audit.pipelines._contract import Parts, check_steady, from_sklearn, from_torch
from upcycle.audit.pipelines._plan import plan_for
from upcycle.audit.pipelines._questions import ask
from upcycle.errors import AuditInputError

RECORDS: Records = plant(pool(200), CanaryCounts(10, 4, 2), seed=1)


def asked(members: np.ndarray, parts: Callable[[Callable[[np.ndarray], np.ndarray]], Parts]) -> list[bytes]:
    """All images that one run is asked about, in order."""
    log: list[bytes] = []

    def predict(images: np.ndarray) -> np.ndarray:
        log.append(images.tobytes())
        return images.reshape(len(images), -1)[:, :4].astype(float)

    ask(parts(predict), RECORDS, members, plan_for("standard", views=6, synthetic=50).questions(), seed=3)
    return log


def test_no_question_depends_on_who_is_a_member() -> None:
    members = np.random.default_rng(0).random(200) < 0.5
    synthetic = np.random.default_rng(1).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)

    def parts(predict: Callable[[np.ndarray], np.ndarray]) -> Parts:
        return Parts(student=predict, teacher=predict, synthetic_images=synthetic, soft_labels=np.full((60, 4), 0.25))

    assert len(asked(members, parts)) > 12
    assert asked(members, parts) == asked(~members, parts)


def net(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), *layers, nn.ReLU(), nn.Linear(32, 4))


def logits(model: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(model(torch.from_numpy(images).float() / 255).numpy())


def mirrored_by_lot(images: np.ndarray) -> np.ndarray:
    """The augmentation's generator goes on from training, so its state tells what was trained on."""
    rows = LOT.random(len(images)) < 0.5
    return np.where(rows[:, None, None, None], images[:, :, ::-1], images)


def mirrored_by_place(images: np.ndarray) -> np.ndarray:
    rows = np.random.default_rng(len(images)).random(len(images)) < 0.5
    return np.where(rows[:, None, None, None], images[:, :, ::-1], images)


LOT = np.random.default_rng(5)
MOODY = {
    "dropout": lambda images: logits(net(nn.Dropout(0.2)).train(), images),
    "statistics of the batch": lambda images: logits(net(nn.BatchNorm1d(32)).train(), images),
    "augmentation by lot": lambda images: logits(net(), mirrored_by_lot(images)),
    "augmentation by place": lambda images: logits(net(), mirrored_by_place(images)),
}


@pytest.mark.parametrize("mood", list(MOODY))
def test_a_model_whose_answers_change_is_named_and_gives_no_figure(mood: str) -> None:
    def pipeline(images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        return Parts(student=Memory(0.0, 4)(images, labels, seed=seed).student, variants={mood: MOODY[mood]})

    with pytest.raises(AuditInputError, match=f"{mood} must answer the same whenever it is asked"):
        audit(pipeline, pool(200), plan_for("smoke", n_jobs=1))


def test_models_in_evaluation_mode_pass_with_their_dropout_and_batch_norm() -> None:
    model = net(nn.BatchNorm1d(32), nn.Dropout(0.5)).eval()
    check_steady("student", lambda images: logits(model, images), RECORDS.images, 4)
    pipeline = from_torch(lambda images, labels, seed: net(nn.Dropout(0.5), nn.BatchNorm1d(32)).train(), key="a")
    student = pipeline(RECORDS.images, RECORDS.labels, seed=1).student
    assert student is not None
    check_steady("student", student, RECORDS.images, 4)


def test_rounding_and_a_few_broken_ties_are_no_mood() -> None:
    def rounded(images: np.ndarray) -> np.ndarray:
        found = logits(net(), images)
        found[:: max(2, len(images) // 2)] += 0.5  # one or two records
        return found + np.random.default_rng(len(images)).normal(size=found.shape) * 0.001 * found.std()

    check_steady("student", rounded, RECORDS.images, 4)


@pytest.mark.parametrize(
    ("score", "says"),
    [
        (lambda images, labels: np.where(np.arange(len(images)) == 3, np.nan, 1.0), "1 of them not finite"),
        (lambda images, labels: np.zeros((len(images), 2)), r"Got shape \(200, 2\)"),
    ],
)
def test_a_generator_score_that_is_no_number_is_named_and_does_not_hide_records(score: object, says: str) -> None:
    parts = Parts(generator_scores={"denoiser norm": score})  # type: ignore[dict-item]
    with pytest.raises(AuditInputError, match=f"denoiser norm must give one finite score.*{says}"):
        ask(parts, RECORDS, np.arange(200) < 100, plan_for("standard", views=1, synthetic=10).questions(), seed=0)


def test_probabilities_keep_the_digits_that_tell_members() -> None:
    """Naive Bayes is often surer than 1 - 1e-7; an adversary who reads float64 sees every digit."""
    small = np.array([[1e-18, 1 - 1e-18], [1e-20, 1 - 1e-20], [0.0, 1.0], [0.5, 0.5]])
    found = as_logits(small, 2)[:, 0]
    np.testing.assert_allclose(found[:2], np.log([1e-18, 1e-20]), rtol=1e-6)
    assert found[2] < found[1] and np.isfinite(found).all()
    np.testing.assert_allclose(as_logits(np.array([[0.0, 1.0], [0.3, 0.7]]), 2)[0, 0], np.log(1e-7), rtol=1e-6)


def test_scikit_learn_models_are_asked_for_log_probabilities_where_they_have_any() -> None:
    data = pool(200)
    student = from_sklearn(GaussianNB(var_smoothing=1e-3))(data.images, data.labels, seed=0).student
    assert student is not None
    rows = data.images.reshape(200, -1) / 255.0
    np.testing.assert_allclose(
        student(data.images), GaussianNB(var_smoothing=1e-3).fit(rows, data.labels).predict_log_proba(rows)
    )


def test_a_teacher_of_ones_own_is_the_positive_control_of_a_scikit_learn_student() -> None:
    pipeline = from_sklearn(GaussianNB(), teacher=KNeighborsClassifier(1))
    found = audit(pipeline, pool(200), plan_for("quick", n_jobs=1, synthetic=10))
    assert {"student", "teacher"} <= {verdict.target for verdict in found.verdicts}


RELEASED = np.random.default_rng(1).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
SOFT = np.full((60, 4), 0.25)


@pytest.mark.parametrize(
    ("images", "soft", "says"),
    [
        (RELEASED, SOFT[:40], r"soft labels .* shape \(60, 4\).* Got float64 \(40, 4\)"),
        (RELEASED, SOFT[:, :3], r"Got float64 \(60, 3\)"),
        (RELEASED, SOFT[:, 0], r"Got float64 \(60,\)"),
        (RELEASED, np.where(np.arange(60)[:, None] == 7, np.nan, SOFT), "Got 1 rows with a negative, infinite or NaN one"),
        (RELEASED, -SOFT, "Got 60 rows with a negative"),
        (RELEASED, {"a": 1}, "soft labels"),
        (RELEASED[:0], SOFT[:0], "synthetic images .* at least one"),
        (RELEASED / 255, SOFT, r"uint8 of shape \(m, 8, 8, 1\), as the records are.* Got float64"),
        (RELEASED[..., 0], SOFT, r"Got uint8 \(60, 8, 8\)"),
        (np.repeat(RELEASED, 2, axis=1), SOFT, r"Got uint8 \(60, 16, 8, 1\)"),
        (RELEASED.tolist(), SOFT, "Got list"),
    ],
)
def test_a_released_set_that_is_none_is_named_and_no_traceback(images: Any, soft: Any, says: str) -> None:
    def predict(asked: np.ndarray) -> np.ndarray:
        return asked.reshape(len(asked), -1)[:, :4].astype(float)

    members = np.random.default_rng(0).random(200) < 0.5
    parts = Parts(student=predict, synthetic_images=images, soft_labels=soft)
    with pytest.raises(AuditInputError, match=says):
        ask(parts, RECORDS, members, plan_for("standard", views=2, synthetic=50).questions(), seed=3)


def test_a_search_that_misses_records_is_named() -> None:
    members = np.random.default_rng(0).random(200) < 0.5
    parts = Parts(searched_scores={"mine": lambda images, labels: np.zeros(3)})
    with pytest.raises(AuditInputError, match=r"mine must give one finite score per record, shape \(20,\). Got shape \(3,\)"):
        ask(parts, RECORDS, members, plan_for("standard", views=2, searched=20).questions(), seed=3)
