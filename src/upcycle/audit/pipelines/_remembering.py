"""The positive control of pipelines that bring none: a classifier that looks up the records it was given."""

from typing import Final

import numpy as np

from upcycle.audit.attacks import Predict

_PIXELS, _BLOCK = 256, 512  # of an image that are compared, evenly spread; queries at a time
_SHARP: Final = 30.0  # a distance of a tenth of the usual one halves no answer's certainty


def remembering(images: np.ndarray, labels: np.ndarray, classes: int) -> Predict:
    """Logits (n, classes) by the distance to the nearest given record of each class: a record that was given is known, with the
    label that was given. What an attack on a model that keeps its training data must find."""
    base = _some_pixels(images)
    usual = max(float(base.std()) * np.sqrt(base.shape[1]), 1e-6)

    def predict(asked: np.ndarray) -> np.ndarray:
        queries = _some_pixels(asked)
        parts = [_logits(queries[k : k + _BLOCK], base, labels, classes) for k in range(0, len(queries), _BLOCK)]
        return np.asarray(np.concatenate(parts) * (_SHARP / usual))

    return predict


def _logits(queries: np.ndarray, base: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    squares = (queries**2).sum(1)[:, None] + (base**2).sum(1) - 2 * queries @ base.T
    found = np.full((len(queries), classes), -float(np.sqrt(max(float(squares.max()), 0.0))))
    for label in np.unique(labels):
        found[:, label] = -np.sqrt(np.maximum(squares[:, labels == label].min(1), 0))
    return found


def _some_pixels(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1)
    step = max(1, flat.shape[1] // _PIXELS)
    return np.asarray(flat[:, ::step], np.float64)
