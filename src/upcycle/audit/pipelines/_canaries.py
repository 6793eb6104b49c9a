"""Canaries: records planted to be as easy to recognise as possible, and the natural ones that need no planting.

After Aerni, Zhang & Tramer 2024 (arXiv:2404.17399). A canary takes the place of one record of the audited pool, before any
teacher or generator sees it, and lives in memory only: nothing here writes a file, and no released model is trained on one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from upcycle.data import ImageSet
from upcycle.errors import AuditInputError

REAL: Final = ""


KINDS: Final = ("mislabelled", "patch", "repeated")


RANDOM_LABEL: Final = ("mislabelled", "repeated")  # kinds whose wrong label was drawn uniformly


COPIES: Final = 2  # of a repeated canary


_COMPONENTS, _NEIGHBOURS = 32, 5


@dataclass(frozen=True)
class CanaryCounts:
    """How many canaries of each kind are planted in the pool."""

    mislabelled: int = 0
    patch: int = 0
    repeated: int = 0

    @property
    def total(self) -> int:
        return self.mislabelled + self.patch + self.repeated


@dataclass(frozen=True, eq=False)
class Records:
    """The audited pool, canaries in their places.

    `images` uint8 (n, height, width, channels), `labels` and `true_labels` int64 (n,): they differ where a wrong label was
    drawn; `groups` int64 (n,) or None; `kind` str (n,): REAL or one of KINDS; `copies` int64 (n,): how often a pipeline that
    has the record sees it; `outlier` bool (n,): a real record far from its neighbours.
    """

    images: np.ndarray
    labels: np.ndarray
    true_labels: np.ndarray
    kind: np.ndarray
    copies: np.ndarray
    outlier: np.ndarray
    groups: np.ndarray | None = field(default=None)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def canary(self) -> np.ndarray:
        """bool (n,)."""
        return np.asarray(self.kind != REAL)

    def given(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels that a pipeline with these `members` bool (n,) is given, copies included."""
        rows = np.repeat(np.flatnonzero(members), self.copies[members])
        return self.images[rows], self.labels[rows]


def without_canaries(data: ImageSet) -> Records:
    """The pool as it is."""
    labels, n = data.labels.astype(np.int64), len(data)
    kind = np.full(n, REAL, dtype="U12")
    return Records(data.images, labels, labels.copy(), kind, np.ones(n, np.int64), np.zeros(n, bool), data.groups)


def plant(data: ImageSet, counts: CanaryCounts, *, seed: int) -> Records:
    """The pool with canaries in randomly chosen places, at most one per group, never more than half of a class.

    mislabelled: the image with a label drawn uniformly from the wrong ones. patch: the true label, and a square of random black
    and white pixels of its own in one corner. repeated: grey levels turned round (a rare mode), a uniformly drawn wrong label,
    and COPIES copies. `seed` is a secret: with it and the pool the canaries could be found. Raises AuditInputError if they
    do not fit.
    """
    rng = np.random.default_rng(seed)
    records = without_canaries(data)
    if not counts.total:
        return records
    chosen = _places(data, counts.total, rng)
    names = np.repeat(KINDS, [counts.mislabelled, counts.patch, counts.repeated])
    images, labels, kind, copies = data.images.copy(), records.labels.copy(), records.kind, records.copies
    classes = int(labels.max()) + 1
    kind[chosen] = names
    for row in chosen[names == "patch"]:
        images[row] = _patched(images[row], rng)
    turned = chosen[names == "repeated"]
    images[turned] = 255 - images[turned]
    copies[turned] = COPIES
    wrong = chosen[np.isin(names, RANDOM_LABEL)]
    labels[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return replace(records, images=images, labels=labels, kind=kind, copies=copies)


def natural_outliers(images: np.ndarray, among: np.ndarray, share: float) -> np.ndarray:
    """bool (n,): the `share` of the records in `among` bool (n,) with the largest mean distance to their five nearest, in 32
    principal components of the pixels. Membership and labels play no part (the rule of "Achilles' Heels", 2024)."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    rows = np.flatnonzero(among)
    flat = images[rows].reshape(len(rows), -1).astype(np.float32)
    parts = min(_COMPONENTS, *flat.shape)
    space = PCA(parts, svd_solver="randomized", random_state=0).fit_transform(flat)
    distances, _ = NearestNeighbors(n_neighbors=min(_NEIGHBOURS + 1, len(rows))).fit(space).kneighbors(space)
    chosen = rows[np.argsort(-distances[:, 1:].mean(1), kind="stable")[: round(share * len(rows))]]
    found = np.zeros(len(images), bool)
    found[chosen] = True
    return found


def _places(data: ImageSet, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (count,) for canaries in random order."""
    order = rng.permutation(len(data))
    if data.groups is not None:
        order = order[np.sort(np.unique(data.groups[order], return_index=True)[1])]
    labels = data.labels[order]
    room = np.bincount(data.labels) // 2
    nth = np.zeros(len(order), np.int64)  # how many of its class come before
    for label in np.unique(labels):
        mine = labels == label
        nth[mine] = np.arange(mine.sum())
    order = order[nth < room[labels]]
    if len(order) < count:
        raise AuditInputError(
            f"canaries must fit into half of the records, one per group. Got {count} for {len(order)} places. Plan fewer."
        )
    return np.asarray(order[:count])


def _patched(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image (height, width, channels) with a square of a seventh of its side, random pixels, in a random corner."""
    side = max(2, image.shape[0] // 7)
    pattern = rng.integers(0, 2, (side, side, image.shape[2]), dtype=np.uint8) * np.uint8(255)
    out = image.copy()
    rows = slice(0, side) if rng.random() < 0.5 else slice(-side, None)
    columns = slice(0, side) if rng.random() < 0.5 else slice(-side, None)
    out[rows, columns] = pattern
    return out
