"""Attacks on what a release holds: synthetic images, their soft labels, and the student asked at them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from upcycle._random import numpy_rng
from upcycle.audit.attacks._attack import Attack, AttackCard, Needs, ThreatModel
from upcycle.audit.attacks._signals import Predict, as_logits
from upcycle.audit.copies import nearest, nearest_two

_MANY, _FEW, _HIDDEN = 50, 10, 512  # neighbours of a density and of a mean; random features of the probe
_COIN: Final = "members and non-members were drawn by one coin flip"


@dataclass(frozen=True, eq=False)
class Released:
    """What one pipeline released, and the records that are looked for in it.

    Attributes:
        images: uint8 (m, height, width, channels), at most as many as the plan compares, drawn at random.
        every: uint8 (all, height, width, channels).
        soft_labels: float64 (m, classes) of `images`, or None.
        student: the classifier that leaves with them, or None.
        views: uint8 (n, height, width, channels) each; the first one holds the records as they are.
        labels: int64 (n,), the records' own.
        classes: number of classes.
        seed: what an attack draws from.
    """

    images: np.ndarray
    every: np.ndarray
    soft_labels: np.ndarray | None
    student: Predict | None
    views: list[np.ndarray]
    labels: np.ndarray
    classes: int
    seed: int

    @cached_property
    def near(self) -> tuple[np.ndarray, np.ndarray]:
        """Root-mean-square distances in 0..1 and indices (n, 50 at most) of the nearest of `images` to each record."""
        distances, index = nearest(self.views[0], self.images, _MANY)
        return distances / 255, index


def _nearest(released: Released) -> np.ndarray:
    """Minus the distance to the nearest of all images: 0 for a copy to the bit."""
    return -nearest_two(released.views[0], released.every)[0][:, 0]


def _density(released: Released) -> np.ndarray:
    """Log of a Gaussian kernel density (n,) of the images in pixels; the width is the records' own median nearest distance,
    so it is the same for every pipeline. Calibrated by shadows it is a density ratio as in DOMIAS."""
    from scipy.special import logsumexp

    records = released.views[0]
    own, _ = nearest(records[:: max(1, len(records) // 1000)], records, 2)
    width = max(float(np.median((own[:, 1] / 255) ** 2)), 1e-9)
    return np.asarray(logsumexp(-(released.near[0] ** 2) / (2 * width), axis=1))


def _label_mass(released: Released) -> np.ndarray:
    """Mean soft label (n,) of the record's own label among its nearest images."""
    assert released.soft_labels is not None
    near = released.near[1][:, :_FEW]
    return np.asarray(released.soft_labels[near, released.labels[:, None]].mean(1))


def _at_neighbours(released: Released) -> np.ndarray:
    """The student's mean logits (n, 1, classes) at the images nearest to each record."""
    assert released.student is not None
    answers = as_logits(released.student(released.images), released.classes)
    return np.asarray(answers[released.near[1][:, :_FEW]].mean(1, keepdims=True), np.float32)


def _probe(released: Released) -> np.ndarray:
    """Logits (n, views, classes) of ridge regression on random rectified features of pixels, fitted to the log soft labels."""
    assert released.soft_labels is not None
    pool, rng = released.images, numpy_rng(released.seed, "probe")
    pixels = pool[0].size
    weights = rng.normal(size=(pixels, _HIDDEN)).astype(np.float32) / np.sqrt(pixels)
    offsets = rng.normal(size=_HIDDEN).astype(np.float32) * 0.3
    mean, scale = float(pool.mean()), max(float(pool.std()), 1.0)

    def features(images: np.ndarray) -> np.ndarray:
        flat = (images.reshape(len(images), -1).astype(np.float32) - mean) / scale
        return np.hstack([np.maximum(flat @ weights + offsets, 0), np.ones((len(flat), 1), np.float32)])

    target = np.log(np.maximum(released.soft_labels, 1e-4))
    target -= target.mean(1, keepdims=True)
    x = features(pool)
    gram = x.T @ x + 0.003 * len(x) * np.eye(x.shape[1], dtype=np.float32)
    found = np.linalg.solve(gram.astype(np.float64), x.T.astype(np.float64) @ target)
    return np.stack([features(view) @ found for view in released.views], axis=1).astype(np.float32)


NEAREST: Final = Attack(
    AttackCard(
        "nearest synthetic image",
        "Chen et al. 2020, arXiv:1909.03935",
        "synthetic images",
        "copies lie near originals in pixels",
        ThreatModel.IMAGES,
    ),
    Needs.IMAGES,
    _nearest,
)
DENSITY: Final = Attack(
    AttackCard(
        "density of the synthetic set",
        "van Breugel et al. 2023, arXiv:2302.12580",
        "synthetic images",
        "denser than in shadows: overfitted",
        ThreatModel.IMAGES,
    ),
    Needs.IMAGES,
    _density,
)
LABEL_MASS: Final = Attack(
    AttackCard(
        "label mass of synthetic neighbours",
        "after Jagielski et al. 2023, arXiv:2303.03446",
        "synthetic images and soft labels",
        "a wrong label shows in the soft labels nearby",
        ThreatModel.SOFT_LABELS,
    ),
    Needs.SOFT_LABELS,
    _label_mass,
)
PROBE: Final = Attack(
    AttackCard(
        "probe of the released pairs",
        "Behrens & Zdeborova 2026, arXiv:2506.14457",
        "synthetic images and soft labels",
        "soft labels carry the teacher's memory",
        ThreatModel.SOFT_LABELS,
    ),
    Needs.SOFT_LABELS,
    _probe,
)
NEIGHBOURS: Final = Attack(
    AttackCard(
        "student at synthetic neighbours",
        "Jagielski et al. 2023, arXiv:2303.03446",
        "the student's logits at synthetic images",
        f"what the teacher memorised of a record also bends answers on images like it; {_COIN}",
        ThreatModel.ELSEWHERE,
    ),
    Needs.STUDENT,
    _at_neighbours,
)
