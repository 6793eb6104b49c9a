"""The distance to the decision boundary, from predicted labels only (Choquette-Choo et al. 2021, arXiv:2007.14321), by
HopSkipJump (Chen et al. 2020, arXiv:1904.02144)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.attacks._attack import Attack, AttackCard, Needs, ThreatModel
from upcycle.audit.attacks._signals import Predict, as_logits, check_labels
from upcycle.errors import AuditInputError

Labels = Callable[[np.ndarray], np.ndarray]
"""float32 images (n, ...) -> int labels (n,)."""
_PAPER: Final = "Choquette-Choo et al. 2021, arXiv:2007.14321"
_BLOCK: Final = 16  # records walked together: bounds the memory of their queries


@dataclass(frozen=True)
class BoundarySearch:
    """How long the boundary is walked: `steps` of HopSkipJump, each with `probes` random queries, then a bisection of
    `halvings`. About steps x (probes + 2 halvings) queries per record."""

    steps: int = 12
    probes: int = 100
    halvings: int = 12


def boundary_distance(
    predict: Labels, images: np.ndarray, labels: np.ndarray, *, search: BoundarySearch | None = None, seed: int = 0
) -> np.ndarray:
    """Euclidean distance to the nearest found image that `predict` does not give the record's label, float64 (n,), grey
    levels of 0..255; 0 where the record itself is not given it.

    Found points are not clipped to 0..255. The walk starts at the nearest record with another predicted label; without
    any, all distances are infinite in truth and AuditInputError is raised. `images` (n, height, width, channels) in
    0..255; `predict` maps float32 images to int labels (m,). Raises AuditInputError.
    """
    x, own = _images(images, labels)
    shape, flat = x.shape[1:], x.reshape(len(x), -1)
    predicted = _ask(predict, x)
    distances = np.zeros(len(x))
    right = np.flatnonzero(predicted == own)
    for start in range(0, len(right), _BLOCK):
        rows = right[start : start + _BLOCK]
        walk = _Walk(lambda points: _ask(predict, points.reshape(-1, *shape)), flat[rows], own[rows])
        begin = _starts(flat, predicted, flat[rows], own[rows])
        end = walk.run(begin, search or BoundarySearch(), np.random.default_rng([seed, start]))
        distances[rows] = np.linalg.norm(end - flat[rows], axis=1)
    return distances


@dataclass(frozen=True, eq=False)
class _Walk:
    """HopSkipJump from several records (r, d) at once; `other` images are those not given the record's label."""

    ask: Labels
    records: np.ndarray
    labels: np.ndarray

    def run(self, begin: np.ndarray, search: BoundarySearch, rng: np.random.Generator) -> np.ndarray:
        """Points (r, d) on the far side of the boundary, as near as the walk came."""
        point = self.bisect(begin, search.halvings)
        for step in range(1, search.steps + 1):
            direction = self.normal(point, search.probes, rng)
            length = np.linalg.norm(point - self.records, axis=1, keepdims=True) / np.sqrt(step)
            ahead = self.bisect(self.stride(point, direction, length, search.halvings), search.halvings)
            nearer = np.linalg.norm(ahead - self.records, axis=1) < np.linalg.norm(point - self.records, axis=1)
            point = np.where(nearer[:, None], ahead, point)
        return point

    def other(self, points: np.ndarray) -> np.ndarray:
        """bool (r, ...) for points (r, ..., d)."""
        labels = self.ask(points.reshape(-1, points.shape[-1]).astype(np.float32)).reshape(points.shape[:-1])
        return np.asarray(labels != self.labels.reshape(-1, *[1] * (points.ndim - 2)))

    def bisect(self, far: np.ndarray, halvings: int) -> np.ndarray:
        """The point between record and `far` just beyond the boundary."""
        low, high = np.zeros((len(far), 1)), np.ones((len(far), 1))
        for _ in range(halvings):
            middle = (low + high) / 2
            crossed = self.other(self.records + middle * (far - self.records))[:, None]
            low, high = np.where(crossed, low, middle), np.where(crossed, middle, high)
        return np.asarray(self.records + high * (far - self.records))

    def normal(self, point: np.ndarray, probes: int, rng: np.random.Generator) -> np.ndarray:
        """Unit direction (r, d) away from the record's label: eq. 16 of HopSkipJump, with the mean as its baseline."""
        noise = rng.normal(size=(len(point), probes, point.shape[1]))
        noise /= np.linalg.norm(noise, axis=2, keepdims=True)
        radius = np.linalg.norm(point - self.records, axis=1) / np.sqrt(point.shape[1])
        signs = 2.0 * self.other(point[:, None] + radius[:, None, None] * noise) - 1
        centred = signs - signs.mean(axis=1, keepdims=True)
        centred = np.where(np.ptp(signs, axis=1, keepdims=True) == 0, signs, centred)
        total = (centred[:, :, None] * noise).sum(axis=1)
        return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))

    def stride(self, point: np.ndarray, direction: np.ndarray, length: np.ndarray, halvings: int) -> np.ndarray:
        """One step along `direction`, halved until it ends beyond the boundary; none where no length does."""
        chosen, open_ = point.copy(), np.ones(len(point), dtype=bool)
        for _ in range(halvings):
            there = point + length * direction
            crossed = self.other(there) & open_
            chosen[crossed], open_ = there[crossed], open_ & ~crossed
            if not open_.any():
                break
            length = length / 2
        return chosen


def _starts(flat: np.ndarray, predicted: np.ndarray, records: np.ndarray, labels: np.ndarray) -> np.ndarray:
    starts = np.empty(records.shape)
    for row, (record, label) in enumerate(zip(records, labels, strict=True)):
        others = flat[predicted != label]
        if not len(others):
            raise AuditInputError(
                f"predict must give at least two labels among the records. Got label {label} for all. Give more records."
            )
        starts[row] = others[((others - record) ** 2).sum(axis=1).argmin()]
    return starts


def _images(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or images.dtype.kind not in "fiu" or not np.isfinite(images).all():
        raise AuditInputError(
            f"images must be finite numbers of shape (n, height, width, channels). Got {images.dtype} {images.shape}. "
            "Add the channel axis."
        )
    return images.astype(np.float32), check_labels(labels, len(images))


def _ask(predict: Labels, images: np.ndarray) -> np.ndarray:
    found = np.asarray(predict(images))
    if found.shape != (len(images),) or found.dtype.kind not in "iu":
        raise AuditInputError(
            f"predict must return one int label per image. Got {found.dtype} {found.shape} for {len(images)} images. "
            "Take the argmax of the outputs."
        )
    return found


_SEARCH: Final = BoundarySearch(steps=6, probes=50, halvings=8)  # about 400 questions a record


def _distances(student: Predict, images: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Distances (n,) to the boundary between images of whole grey levels; all 0 where the student knows one class only."""

    def classed(asked: np.ndarray) -> np.ndarray:
        grey = asked.round().clip(0, 255).astype(np.uint8)
        return np.asarray(as_logits(student(grey), classes).argmax(1))

    if len(np.unique(classed(images))) < 2:
        return np.zeros(len(images))
    return boundary_distance(classed, images, labels, search=_SEARCH, seed=seed)


BOUNDARY: Final = Attack(
    AttackCard(
        "boundary distance",
        f"{_PAPER}; Chen et al. 2020, arXiv:1904.02144",
        "predicted labels of some thousand images per record",
        "members lie farther from the decision boundary; the model is the same at every query",
        ThreatModel.LABELS,
    ),
    Needs.SEARCH,
    _distances,
)
