"""What a model is chosen by: accuracy, balanced accuracy, or the area under the ROC curve; and the prior that its answers
assume (logit adjustment, Menon et al. 2021, arXiv:2007.07314)."""

from typing import Final

import numpy as np
from scipy.special import log_softmax, logsumexp
from scipy.stats import rankdata

from upcycle.config import Objective

ACCURACY: Final = "accuracy"


def score(objective: Objective, logits: np.ndarray, labels: np.ndarray) -> float:
    """How well logits (n, classes) serve `objective` on labels (n,), 0..1."""
    if objective == ACCURACY:
        return float((logits.argmax(1) == labels).mean())
    return balanced_accuracy(logits, labels) if objective == "balanced" else auroc(logits, labels)


def balanced_accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean recall of the classes that are there."""
    right = logits.argmax(1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def auroc(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean area under the ROC curve of every class that is there against the rest, by its log-odds; 0.5 where only one is."""
    there = np.unique(labels)
    if len(there) < 2:
        return 0.5
    return float(np.mean([_area(log_odds(logits, int(label)), labels == label) for label in there]))


def log_odds(logits: np.ndarray, label: int) -> np.ndarray:
    """log p / (1 - p) of class `label`, float64 (n,); it keeps the order of answers that are sure to the last digit."""
    values = logits.astype(np.float64)
    return np.asarray(values[:, label] - logsumexp(np.delete(values, label, axis=1), axis=1))


def _area(values: np.ndarray, positive: np.ndarray) -> float:
    """Share of pairs of a positive and another value in which the positive one is higher, ties by half (Mann-Whitney)."""
    inside, outside = int(positive.sum()), int((~positive).sum())
    return float((rankdata(values)[positive].sum() - inside * (inside + 1) / 2) / (inside * outside))


def class_shares(labels: np.ndarray, classes: int) -> np.ndarray:
    """Shares float64 (classes,) of labels (n,); a class without any counts as one record."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1).astype(np.float64)
    return np.asarray(counts / counts.sum())


def log_prior(objective: Objective, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """What a classifier of these labels is given on top of its logits while it learns, float32 (classes,): the log shares of
    the classes, so that its own logits answer as if all classes were equally frequent; None where answers assume the data's."""
    return np.log(class_shares(labels, classes)).astype(np.float32) if objective == "balanced" else None


def under_prior(probabilities: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes) that assume equal classes, as they are where classes have `shares` (classes,): Bayes' rule."""
    weighed = probabilities.astype(np.float64) * shares
    return np.asarray((weighed / weighed.sum(1, keepdims=True)).astype(probabilities.dtype))


def log_likelihood(objective: Objective, logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean log-probability of the right class; with objective balanced the mean over classes."""
    found = log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]
    if objective != "balanced":
        return float(found.mean())
    return float(np.mean([found[labels == label].mean() for label in np.unique(labels)]))
