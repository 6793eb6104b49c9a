"""Attacks that search for every record, and are therefore asked of few: the distance to the student's decision boundary, and
whatever a pipeline offers of that kind."""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle.audit.attacks import BoundarySearch, Predict, as_logits, boundary_distance
from upcycle.audit.pipelines._canaries import Records
from upcycle.audit.pipelines._contract import Parts

BOUNDARY: Final = "boundary distance"


_SEARCH: Final = BoundarySearch(steps=6, probes=50, halvings=8)  # about 400 questions a record


def searched_rows(records: Records, count: int) -> np.ndarray:
    """At most `count` rows, sorted: mislabelled canaries and outliers a quarter each where there are so many, and other real
    records, evenly through each kind. The same for every pipeline; membership plays no part."""
    kinds = (records.kind == "mislabelled", records.outlier)
    chosen = [_evenly(np.flatnonzero(kind), count // 4) for kind in kinds]
    rest = np.flatnonzero(~records.canary & ~records.outlier)
    return np.sort(np.concatenate([*chosen, _evenly(rest, count - sum(map(len, chosen)))]))


def searched(parts: Parts, records: Records, count: int, seed: int) -> dict[str, np.ndarray]:
    """Scores float (records,) by name on `searched_rows`, NaN for all other records; nothing for a `count` of 0."""
    if not count:
        return {}
    rows = searched_rows(records, count)
    images, labels = records.images[rows], records.labels[rows]
    found = {name: score(images, labels) for name, score in parts.searched_scores.items()}
    if parts.student is not None:
        found[BOUNDARY] = _distances(parts.student, images, labels, int(records.true_labels.max()) + 1, seed)
    return {name: _spread(values, rows, len(records)) for name, values in found.items()}


def _distances(student: Predict, images: np.ndarray, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Distances (n,) to the boundary between images of whole grey levels; all 0 where the student knows one class only."""

    def classed(asked: np.ndarray) -> np.ndarray:
        grey = asked.round().clip(0, 255).astype(np.uint8)
        return np.asarray(as_logits(student(grey), classes).argmax(1))

    if len(np.unique(classed(images))) < 2:
        return np.zeros(len(images))
    return boundary_distance(classed, images, labels, search=_SEARCH, seed=seed)


def _evenly(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)]


def _spread(values: np.ndarray, rows: np.ndarray, records: int) -> np.ndarray:
    whole = np.full(records, np.nan, np.float32)
    whole[rows] = values
    return whole
