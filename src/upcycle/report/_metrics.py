"""Figures of merit of the judged models, from logits on the test images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """Fractions in 0..1; `auroc` is one class against the rest, macro, None where a class is absent."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    auroc: float | None
    calibration_error: float


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities float64 (n, classes)."""
    shifted = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def scores(logits: np.ndarray, labels: np.ndarray) -> Scores:
    """Accuracy, balanced accuracy, macro F1 and AUROC by scikit-learn; calibration error over ten bins (Guo et al. 2017)."""
    from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

    predicted, probabilities = logits.argmax(1), softmax(logits)
    present = len(np.unique(labels)) == logits.shape[1]
    shown = probabilities[:, 1] if logits.shape[1] == 2 else probabilities
    auroc = float(roc_auc_score(labels, shown, multi_class="ovr")) if present else None
    confidence, accuracy, share = reliability_bins(logits, labels)
    return Scores(
        float((predicted == labels).mean()),
        float(balanced_accuracy_score(labels, predicted)),
        float(f1_score(labels, predicted, average="macro")),
        auroc,
        float((share * np.abs(confidence - accuracy)).sum()),
    )


def reliability_bins(logits: np.ndarray, labels: np.ndarray, bins: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy and share of the images in every filled bin of confidence."""
    probabilities = softmax(logits)
    top, right = probabilities.max(1), probabilities.argmax(1) == labels
    which = np.minimum((top * bins).astype(int), bins - 1)
    filled = np.unique(which)
    confidence = np.array([top[which == k].mean() for k in filled])
    accuracy = np.array([right[which == k].mean() for k in filled])
    return confidence, accuracy, np.array([(which == k).mean() for k in filled])


def confusion(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Row-normalised confusion matrix (classes, classes)."""
    from sklearn.metrics import confusion_matrix

    classes = np.arange(logits.shape[1])
    return np.asarray(confusion_matrix(labels, logits.argmax(1), labels=classes, normalize="true"))


def recalls(logits: np.ndarray, labels: np.ndarray, confidence: float = 0.95) -> list[tuple[float, float, float]]:
    """Accuracy of each class with its Clopper-Pearson interval; zeros for a class without images."""
    from scipy.stats import binomtest

    rows = []
    for label in range(logits.shape[1]):
        right = logits[labels == label].argmax(1) == label
        if not len(right):
            rows.append((0.0, 0.0, 0.0))
            continue
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(confidence, method="exact")
        rows.append((float(right.mean()), float(interval.low), float(interval.high)))
    return rows
