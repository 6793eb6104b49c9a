"""Whether the student is as sure as it is right, and the temperature that would make it so, by synthetic images alone."""

from dataclasses import replace

import numpy as np

from upcycle._random import derive_seed
from upcycle.data import ImageSet
from upcycle.recycle import fit_temperature, logits_of
from upcycle.report import scores
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._plan import CALIBRATION_IMAGES

_LEAST = 100


def calibration(bench: Bench, logits: np.ndarray, labels: np.ndarray) -> Facts:
    """The calibration error of the student's logits (n, classes) on test images, as they are and at the temperature at which
    it is as sure as its teachers of synthetic ones it did not learn from; empty where the run makes hardly any."""
    count = min(CALIBRATION_IMAGES, bench.config.release.synthetic_images)
    if count < _LEAST:
        return {}
    from upcycle.runs.stages._release import soft_labels_of  # which needs the evaluation

    seed = derive_seed(bench.config.seed, "calibration")
    drawn = ImageSet(*replace(bench.tuned().sampler(), seed=seed).draw(np.arange(count)))
    # not by the classes asked for: a generator that draws another class would make any student look too sure
    soft = soft_labels_of(bench, temperature=1.0, rounded=False)(drawn.images)  # rounding changes how sure they are
    temperature = fit_temperature(logits_of(bench.classifier("student"), drawn, bench.device), soft)
    errors = {name: scores(logits / t, labels).calibration_error for name, t in {"error": 1.0, "scaled": temperature}.items()}
    return {"temperature": temperature, "synthetic_images": count, **errors}
