"""Temperature scaling (Guo et al. 2017): how sure a classifier should be, by images that were drawn for a known class."""

import numpy as np
from scipy.optimize import minimize_scalar

from upcycle.recycle._objective import log_likelihood

_WIDEST = 3.0  # of the natural logarithm: temperatures from 1/20 to 20


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """What logits (n, classes) must be divided by for labels (n,) to be likeliest; above 1 where the classifier is too sure."""
    found = minimize_scalar(
        lambda log: -log_likelihood("accuracy", logits / np.exp(log), labels), bounds=(-_WIDEST, _WIDEST), method="bounded"
    )
    return float(np.exp(found.x))
