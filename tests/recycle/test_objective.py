"""What models are chosen by, and the prior that their answers assume: closed forms, and a class of few records."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from tests.fakes import Painter
from upcycle.config import ClassifierConfig
from upcycle.data import ImageSet
from upcycle.nets import classifier_factory
from upcycle.recycle import (
    Bank,
    Distillation,
    Objective,
    Recipe,
    Sampler,
    TeacherLabels,
    auroc,
    balanced_accuracy,
    class_shares,
    log_prior,
    score,
    score_on,
    train_classifier,
    train_student,
    under_prior,
)
from upcycle.recycle._classify import logits_of

CPU = torch.device("cpu")
CONFIG = ClassifierConfig(width=4, blocks=1, batch=64, lr=0.05, min_images=1, validate_every=0.1)


def test_scores_are_those_of_scikit_learn_and_an_absent_class_does_not_count() -> None:
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 3, 300), rng.normal(size=(300, 3))
    logits[np.arange(300), labels] += 1
    assert score("balanced", logits, labels) == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))
    assert score("auroc", logits, labels) == pytest.approx(roc_auc_score(labels, softmax(logits, axis=1), multi_class="ovr"))
    two = labels < 2
    assert balanced_accuracy(logits[two], labels[two]) == pytest.approx(
        np.mean([(logits[labels == k].argmax(1) == k).mean() for k in (0, 1)])
    )
    assert auroc(logits[labels == 0], labels[labels == 0]) == 0.5


def test_the_order_of_answers_that_are_sure_to_the_last_digit_still_counts() -> None:
    logits = np.array([[0, 900], [0, 800], [0, 700], [0, 600]], np.float32)
    assert auroc(logits, np.array([1, 1, 0, 0])) == 1.0


def test_logit_adjustment_is_bayes_rule() -> None:
    """Two normal classes of means 0 and 1: the log-odds of equal classes are x - 1/2, those of 9 to 1 are less by log 9."""
    x, labels = np.linspace(-3, 4, 29), np.repeat([0, 1], [900, 100])
    balanced = np.stack([np.zeros(29), x - 0.5], 1)
    shift = log_prior("balanced", labels, 2)
    assert shift is not None and log_prior("accuracy", labels, 2) is None and log_prior("auroc", labels, 2) is None
    as_data = 1 / (1 + 9 * np.exp(0.5 - x))
    assert softmax(balanced + shift, axis=1)[:, 1] == pytest.approx(as_data, rel=1e-5)
    assert under_prior(softmax(balanced, axis=1), class_shares(labels, 2))[:, 1] == pytest.approx(as_data)


def test_a_class_without_records_has_a_finite_prior() -> None:
    assert np.isfinite(log_softmax(log_prior("balanced", np.array([0, 0, 2]), 3))).all()


def greys(counts: tuple[int, int], seed: int) -> ImageSet:
    """8x8 images of one grey each, of classes that are one standard deviation apart."""
    rng, labels = np.random.default_rng(seed), np.repeat([0, 1], counts)
    levels = 115 + 25 * labels + rng.normal(0, 25, len(labels))
    return ImageSet(np.broadcast_to(levels.clip(0, 255)[:, None, None, None], (len(labels), 8, 8, 1)).astype(np.uint8), labels)


class GreyPainter(Painter):
    """Draws as `greys` do, as many of either class as asked for."""

    def paint(self, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(1).normal(0, 25, 4096)[rows % 4096]
        return np.broadcast_to((115 + 25 * labels + noise).clip(0, 255)[:, None, None, None], (len(labels), 8, 8, 1)).astype(
            np.uint8
        )


@pytest.mark.parametrize("objective", ["accuracy", "balanced"])
def test_a_class_of_few_records_is_answered_with_objective_balanced_and_not_with_accuracy(
    objective: Objective, tmp_path: Path
) -> None:
    """Thirty of a thousand. By accuracy the border lies four deviations from the large class; by balanced accuracy in the
    middle, where 69 % of both are found. The baseline answers as the teacher; the student learns it from synthetic images."""
    recipe = Recipe(classifier_factory(CONFIG), 2, CONFIG, budget=24_000, objective=objective)
    teacher = train_classifier(greys((970, 30), 0), greys((485, 15), 1), recipe, seed=0).net
    sampler = Sampler(GreyPainter(), np.array([0.5, 0.5]), seed=0)
    bank = Bank(tmp_path, sampler, 1_000, (8, 8, 1))
    student = train_student(bank, TeacherLabels(teacher), replace(recipe, budget=12_000), Distillation(1_000, 0), seed=0).net
    test = greys((1_000, 1_000), 2)
    for net in (teacher, student):
        answers = logits_of(net, test, CPU).argmax(1)
        recall = [(answers == label)[test.labels == label].mean() for label in (0, 1)]
        if objective == "accuracy":
            assert recall[1] < 0.1
        else:
            assert np.mean(recall) == pytest.approx(0.69, abs=0.04) and min(recall) > 0.5


def test_a_look_by_another_objective_keeps_another_network_and_still_tells_its_accuracy() -> None:
    seen: list[dict[str, float]] = []
    recipe = Recipe(classifier_factory(CONFIG), 2, CONFIG, budget=1_280, objective="auroc")
    data = greys((200, 40), 3)
    fitted = train_classifier(data, data, recipe, seed=0, report=lambda _, metrics: seen.append(dict(metrics)))
    best = max(row["validation_auroc"] for row in seen)
    assert score_on(fitted.net, data, CPU, "auroc").accuracy == pytest.approx(best)
    assert fitted.validation_accuracy == pytest.approx(score_on(fitted.net, data, CPU).accuracy)
