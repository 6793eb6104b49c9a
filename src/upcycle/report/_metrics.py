"""Figures of merit of the judged models, from logits on the test images."""

from dataclasses import dataclass

import numpy as np

from upcycle._arguments import typed

Recall = tuple[float, float, float]


@dataclass(frozen=True)
class Scores:
    """Fractions in 0..1; `auroc` is one class against the rest, macro, None where a class has no test image."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    auroc: float | None
    calibration_error: float


@typed()
def scores(logits: np.ndarray, labels: np.ndarray) -> Scores:
    """Macro F1 and AUROC by scikit-learn; balanced accuracy is the mean recall of the classes that have test images;
    calibration error over ten bins (Guo et al. 2017)."""
    from sklearn.metrics import f1_score

    predicted = logits.argmax(1)
    confidence, accuracy, share = reliability_bins(logits, labels)
    return Scores(
        float((predicted == labels).mean()),
        float(np.nanmean(np.diag(confusion(logits, labels)))),
        float(f1_score(labels, predicted, average="macro", zero_division=0)),
        _auroc(_softmax(logits), labels),
        float((share * np.abs(confidence - accuracy)).sum()),
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return np.asarray(softmax(logits.astype(float), axis=1))


def _auroc(probabilities: np.ndarray, labels: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    if len(np.unique(labels)) != probabilities.shape[1] or probabilities.shape[1] < 2:
        return None
    shown = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return float(roc_auc_score(labels, shown, multi_class="ovr"))


def reliability_bins(
    logits: np.ndarray, labels: np.ndarray, bins: int = 10, smallest: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy and share of the images, for every bin of confidence with at least `smallest` images."""
    probabilities = _softmax(logits)
    top, right = probabilities.max(1), probabilities.argmax(1) == labels
    which = np.minimum((top * bins).astype(int), bins - 1)
    filled = np.flatnonzero(np.bincount(which, minlength=bins) >= smallest)
    confidence = np.array([top[which == k].mean() for k in filled])
    accuracy = np.array([right[which == k].mean() for k in filled])
    return confidence, accuracy, np.array([(which == k).mean() for k in filled])


def confusion(logits: np.ndarray, labels: np.ndarray, smallest: int = 1) -> np.ndarray:
    """Row-normalised confusion matrix (classes, classes); rows of fewer than `smallest` images are NaN."""
    classes = logits.shape[1]
    counts = np.bincount(labels.astype(int) * classes + logits.argmax(1), minlength=classes**2).reshape(classes, classes)
    totals = counts.sum(1, keepdims=True)
    return np.where(totals >= max(smallest, 1), counts / np.maximum(totals, 1), np.nan)


def recalls(logits: np.ndarray, labels: np.ndarray, confidence: float = 0.95, smallest: int = 1) -> list[Recall]:
    """Accuracy of each class with its Clopper-Pearson interval; NaN for a class of fewer than `smallest` images."""
    right = logits.argmax(1) == labels
    return [rate(right[labels == label], confidence, smallest) for label in range(logits.shape[1])]


def rate(hits: np.ndarray, confidence: float = 0.95, smallest: int = 1) -> Recall:
    """Share of True with its Clopper-Pearson interval; NaN for fewer than `smallest` values."""
    from upcycle.audit.statistics import accuracy_interval

    if len(hits) < max(smallest, 1):
        return (np.nan, np.nan, np.nan)
    return (float(hits.mean()), *accuracy_interval(hits, confidence))


@typed()
def roc_band(
    fpr: np.ndarray, tpr: np.ndarray, members: int, non_members: int, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Limits (n,), (n,) of the true positive rate at every false positive rate of an empirical ROC curve of all thresholds.

    Every threshold has a rectangle of two exact intervals that hold together with `confidence` (Hilgers 1991); the
    band is their union. It holds point by point, not for the whole curve, and assumes independent records.
    """
    each = np.sqrt(confidence)
    left, right = _exact_limits(fpr, non_members, each)
    low, high = _exact_limits(tpr, members, each)
    last = np.searchsorted(left, fpr, side="right") - 1  # largest threshold index whose rectangle starts at or before this rate
    first = np.searchsorted(right, fpr, side="left")  # and the smallest whose rectangle has not ended
    return low[first.clip(max=len(fpr) - 1)], high[last.clip(min=0)]


def _exact_limits(rates: np.ndarray, count: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Clopper-Pearson limits of every rate of `count`."""
    from upcycle.audit.statistics import clopper_pearson

    limits = np.array([clopper_pearson(round(hits), count, confidence) for hits in rates * count])
    return limits[:, 0], limits[:, 1]
