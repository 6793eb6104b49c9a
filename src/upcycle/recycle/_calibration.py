"""Temperature scaling (Guo et al. 2017): how sure a classifier should be, by the soft labels of images that were drawn."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

_WIDEST = 3.0  # of the natural logarithm: temperatures from 1/20 to 20


def fit_temperature(logits: np.ndarray, soft_labels: np.ndarray) -> float:
    """What logits (n, classes) must be divided by to be nearest to soft labels (n, classes), by cross-entropy; above 1 where
    the classifier is too sure."""

    def cross_entropy(log: float) -> float:
        return -float((soft_labels * log_softmax(logits / np.exp(log), axis=1)).sum(1).mean())

    return float(np.exp(minimize_scalar(cross_entropy, bounds=(-_WIDEST, _WIDEST), method="bounded").x))
