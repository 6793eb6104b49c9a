"""Signals: what they equal in plain arithmetic, and that they point the right way."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle.audit.attacks._signals import attack_features, signals
from upcycle.errors import AuditInputError


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(scale=3, size=(50, 6)), rng.integers(0, 6, 50)


def test_signals_equal_their_definitions(answers: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = answers
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = np.arange(50)
    own = p[rows, labels]
    others = np.where(np.eye(6, dtype=bool)[labels], 0, p * np.log1p(-p)).sum(axis=1)
    without = np.where(np.eye(6, dtype=bool)[labels], -np.inf, logits).max(axis=1)
    expected = {
        "loss": np.log(own),
        "confidence": p.max(axis=1),
        "entropy": (p * np.log(p)).sum(axis=1),
        "modified_entropy": (1 - own) * np.log(own) + others,
        "log_odds": np.log(own / (1 - own)),
        "hinge": logits[rows, labels] - without,
    }
    found = signals()
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name](logits, labels), values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_surer_right_answer_always_looks_more_like_a_member() -> None:
    logits = np.array([[0.0, 0, 0], [1, 0, 0], [5, 0, 0], [20, 0, 0]])
    for name, signal in signals().items():
        assert (np.diff(signal(logits, np.zeros(4, dtype=int))) > 0).all(), name


def test_very_confident_answers_keep_their_order_and_raise_no_warning() -> None:
    margins = np.array([50.0, 100, 200, 400, 700])
    logits = np.column_stack([margins, np.zeros((5, 2))]).astype(np.float32)
    right, wrong = np.zeros(5, dtype=int), np.ones(5, dtype=int)
    np.testing.assert_allclose(signals()["log_odds"](logits, right), margins - np.log(2))
    assert (np.diff(signals()["loss"](logits, right)) > 0).all()
    for signal in signals().values():
        assert np.isfinite(signal(logits, wrong)).all()
    assert np.isfinite(attack_features(np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([1, 1]))).all()


def test_renaming_the_classes_changes_no_signal(answers: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = answers
    order = np.random.default_rng(1).permutation(6)
    for signal in signals().values():
        np.testing.assert_allclose(signal(logits[:, order], np.argsort(order)[labels]), signal(logits, labels), rtol=1e-12)


def test_features_have_one_row_per_record_and_hold_the_label() -> None:
    logits, labels = np.random.default_rng(2).normal(size=(7, 30)), np.arange(7)
    features = attack_features(logits, labels)
    assert features.shape == (7, 10 + 10 + 6 + 1 + 1 + 30)
    np.testing.assert_array_equal(features[:, -30:].argmax(axis=1), labels)


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        (np.array([[np.nan, 1.0]]), np.array([0]), "logits must be finite"),
        (np.zeros((3, 1)), np.zeros(3, dtype=int), "two or more classes"),
        (np.zeros((3, 2)), np.zeros(2, dtype=int), "labels must have shape"),
        (np.zeros((3, 2)), np.full(3, 2), "labels must be integers in 0..1"),
    ],
)
def test_unusable_answers_are_refused(logits: np.ndarray, labels: np.ndarray, says: str) -> None:
    with pytest.raises(AuditInputError, match=says):
        signals()["loss"](logits, labels)
