"""How much better than the baseline the student serves an objective other than accuracy."""

import numpy as np

from upcycle._random import numpy_rng
from upcycle.recycle import Objective, score

_DRAWS = 400


def gap_by(
    objective: Objective, student: np.ndarray, baseline: np.ndarray, labels: np.ndarray, confidence: float
) -> tuple[float, float, float]:
    """Student minus baseline by `objective`, in points, with percentile limits: logits (n, classes) of both for the same test
    images, which are drawn again within every class (paired, stratified bootstrap)."""
    rng, of_class = numpy_rng(0, "objective-gap"), [np.flatnonzero(labels == label) for label in np.unique(labels)]

    def gap(rows: np.ndarray) -> float:
        return 100 * (score(objective, student[rows], labels[rows]) - score(objective, baseline[rows], labels[rows]))

    drawn = [gap(np.concatenate([rng.choice(rows, len(rows)) for rows in of_class])) for _ in range(_DRAWS)]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return gap(np.arange(len(labels))), float(low), float(high)
