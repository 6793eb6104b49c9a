"""Label-only attacks: exact on linear models, and blind to everything but the label."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from upcycle.audit.attacks._label_only import BoundarySearch, boundary_distance
from upcycle.audit.statistics import Scores, auc
from upcycle.errors import AuditInputError


def linear(weights: np.ndarray, bias: float):
    return lambda images: (images.reshape(len(images), -1).astype(float) @ weights + bias > 0).astype(int)


def test_boundary_distance_of_a_linear_model_is_the_distance_to_its_plane() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (40, 6, 6, 1)).astype(np.float32)
    weights = rng.normal(size=36)
    bias = -float(np.median(images.reshape(40, -1) @ weights))
    predict = linear(weights, bias)
    labels = predict(images)
    labels[:5] = 1 - labels[:5]
    found = boundary_distance(predict, images, labels)
    exact = np.abs(images.reshape(40, -1) @ weights + bias) / np.linalg.norm(weights)
    assert (found[:5] == 0).all()
    assert (found[5:] >= exact[5:] * (1 - 1e-3)).all()
    assert np.median(found[5:] / exact[5:]) < 1.1
    assert np.corrcoef(found[5:], exact[5:])[0, 1] > 0.98


def test_distance_finds_the_members_of_a_model_that_learned_by_heart() -> None:
    """A nearest neighbour on random labels: members keep their label where others are right by luck only."""
    rng = np.random.default_rng(1)
    images, labels = rng.uniform(0, 255, (80, 4, 4, 1)), rng.integers(0, 10, 80)
    members = np.arange(80) < 40
    model = KNeighborsClassifier(1).fit(images[members].reshape(40, -1), labels[members])

    def predict(x: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(x.reshape(len(x), -1)))

    distance = boundary_distance(predict, images, labels, search=BoundarySearch(steps=2, probes=20))
    assert auc(Scores(distance, members)) > 0.9
    half = np.random.default_rng(2).permutation(members)
    assert abs(auc(Scores(distance, half)) - 0.5) < 4 * 0.065


@pytest.mark.parametrize(
    ("predict", "images", "labels", "says"),
    [
        (lambda x: np.zeros(len(x), int), np.zeros((3, 4, 4)), np.zeros(3, int), "images must be finite numbers of shape"),
        (lambda x: np.zeros((len(x), 2)), np.zeros((3, 4, 4, 1)), np.zeros(3, int), "predict must return one int label"),
        (
            lambda x: np.zeros(len(x), int),
            np.zeros((3, 4, 4, 1)),
            np.zeros(2, int),
            r"labels must be integers from 0 of shape \(3,\)",
        ),
        (lambda x: np.zeros(len(x), int), np.zeros((3, 4, 4, 1)), np.zeros(3, int), "at least two labels among the records"),
    ],
)
def test_unusable_models_and_images_are_refused(predict, images, labels, says) -> None:
    with pytest.raises(AuditInputError, match=says):
        boundary_distance(predict, images, labels)
