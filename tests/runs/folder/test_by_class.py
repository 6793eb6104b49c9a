"""A student that answers the largest class only must not look like a good one."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.runs.folder import ByClass, by_class

LABELS = np.repeat([0, 1], [27, 73])
ALWAYS = np.tile([0.0, 1.0], (100, 1))
GOOD = np.eye(2)[LABELS]


def found(student: np.ndarray, labels: np.ndarray = LABELS, names: tuple[str, ...] = ("malignant", "benign")) -> ByClass:
    return by_class({"student": student, "baseline": np.eye(len(names))[labels]}, labels, names, 0.95)


def test_answering_one_class_only_is_half_right_and_said() -> None:
    of = found(ALWAYS)
    assert (of.largest, of.largest_share, of.uneven) == ("benign", 0.73, True)
    assert of.balanced_accuracy["student"][0] == 0.5
    assert of.worst_class["student"][:2] == ("malignant", 0.0)
    assert of.never_answered == {"student": ("malignant",), "baseline": ()}
    said = dict(of.lines())
    assert said["warning"] == "the student never answers malignant"
    assert said["largest class"] == "always answering benign would be right for 0.730"
    assert said["balanced accuracy"].startswith("0.500")


def test_what_is_kept_of_classes_comes_back_as_it_was() -> None:
    import json

    of = found(ALWAYS)
    assert ByClass.from_json(json.loads(json.dumps(of.to_json()))) == of
    assert ByClass.from_json(None) is None


def test_even_classes_keep_plain_accuracy_first_and_still_say_the_largest_class() -> None:
    labels = np.arange(100) % 2
    of = found(np.eye(2)[labels], labels)
    assert not of.uneven
    assert [label for label, _ in of.lines()] == ["largest class"]


def test_the_worst_class_is_not_one_of_a_handful_of_test_images() -> None:
    labels = np.repeat([0, 1, 2], [40, 40, 3])
    student = np.eye(3)[np.where(labels == 2, 0, labels)]
    of = found(student, labels, ("a", "b", "few"))
    assert of.worst_class["student"][0] != "few"
    assert of.never_answered["student"] == ("few",)


@pytest.mark.parametrize("seed", range(3))
def test_limits_of_balanced_accuracy_cover_the_truth(seed: int) -> None:
    rng, covered = np.random.default_rng(seed), 0
    for _ in range(200):
        right = rng.random(100) < np.where(LABELS == 0, 0.6, 0.9)
        _, low, high = found(np.eye(2)[np.where(right, LABELS, 1 - LABELS)]).balanced_accuracy["student"]
        covered += low <= 0.75 <= high
    assert covered >= 200 * 0.95 - 3 * (200 * 0.95 * 0.05) ** 0.5
