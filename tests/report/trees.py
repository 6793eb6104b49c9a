"""A cheap pipeline for the tests of the pages: every part that a real one leaves, made of decision trees."""

from __future__ import annotations

from typing import Final

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from upcycle.audit import Parts

SEED: Final = 987654321  # of the plan: no page may show it


class Trees:
    """Teacher and baseline learn their records by heart; the student learns from noisy images and the teacher's answers."""

    key = "trees"

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        rng = np.random.default_rng(seed)
        teacher, baseline = (DecisionTreeClassifier(max_depth=d, random_state=0).fit(_rows(images), labels) for d in (None, 6))
        noise = rng.integers(0, 120, (200, *images.shape[1:]))
        noise[np.arange(200), (np.arange(200) % 4) * 2] += 80
        synthetic = noise.astype(np.uint8)
        soft = teacher.predict_proba(_rows(synthetic))
        students = [DecisionTreeClassifier(max_depth=d, random_state=0).fit(_rows(synthetic), soft.argmax(1)) for d in (3, 2)]
        predict = [lambda asked, net=net: net.predict_proba(_rows(asked)) for net in (*students, teacher, baseline)]
        return Parts(
            student=predict[0],
            variants={"student, hard labels": predict[1]},
            teacher=predict[2],
            baseline=predict[3],
            synthetic_images=synthetic,
            soft_labels=0.9 * soft + 0.025,
            generator_scores={"denoiser norm": lambda asked, _: asked.reshape(len(asked), -1).mean(1)},
            facts={"teacher agrees with the class asked for": 0.9},
        )


def _rows(images: np.ndarray) -> np.ndarray:
    return np.asarray(images.reshape(len(images), -1), dtype=np.float64)
