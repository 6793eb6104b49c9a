"""Canaries: records planted to be as easy to recognise as possible, and the natural ones that need no planting.

After Aerni, Zhang & Tramer 2024 (arXiv:2404.17399), who plant another kind for every defence. A canary takes the place of one
record of the audited pool before any teacher or generator sees it, and lives in memory only: nothing here writes a file, and
no released model is trained on one.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from upcycle.audit.pipelines._canary_counts import CanaryCounts
from upcycle.audit.pipelines._canary_places import canary_places, patients_with_room
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError

REAL: Final = ""
NEAR_PAIR: Final = "near pair"
PATIENT_PATCH: Final = "patient patch"
KINDS: Final = ("mislabelled", "patch", "repeated", "odd", NEAR_PAIR, PATIENT_PATCH)
RANDOM_LABEL: Final = ("mislabelled", "repeated")  # kinds whose wrong label was drawn uniformly


COPIES: Final = 2  # of a repeated canary
_NEAR: Final = 6  # grey levels by which the second of a near pair differs at most
_TILES: Final = 4  # a side of an odd image
_COMPONENTS, _NEIGHBOURS = 32, 5


@dataclass(frozen=True, eq=False)
class Records:
    """The audited pool of n records, canaries in their places.

    Attributes:
        images: uint8 (n, height, width, channels).
        labels: int64 (n,), under which records are given.
        true_labels: int64 (n,); they differ from `labels` where a wrong label was drawn.
        kind: str (n,): REAL or one of KINDS.
        copies: int64 (n,): how often a pipeline that has the record sees it.
        outlier: bool (n,): a real record far from its neighbours.
        next_layer: bool (n,): real records almost as far out, which are exposed once the outermost are removed
            (Carlini et al. 2022, arXiv:2206.10469).
        groups: int64 (n,), or None.
    """

    images: np.ndarray
    labels: np.ndarray
    true_labels: np.ndarray
    kind: np.ndarray
    copies: np.ndarray
    outlier: np.ndarray
    next_layer: np.ndarray
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
    kind, nowhere = np.full(n, REAL, dtype="U16"), np.zeros(n, bool)
    return Records(data.images, labels, labels.copy(), kind, np.ones(n, np.int64), nowhere, nowhere.copy(), data.groups)


def plant(data: ImageSet, counts: CanaryCounts, *, seed: int, fewer: bool = False) -> Records:
    """The pool with canaries in randomly chosen places, spread over groups and never in more than half of a class.

    mislabelled: the image with a label drawn uniformly from the wrong ones. patch: the true label, and a square of random black
    and white pixels, different for every canary, in one corner. repeated: grey levels turned round (a rare mode), a uniformly
    drawn wrong label, and COPIES copies. odd: the image with its tiles shuffled, and its true label. near pair: an image, and
    nearly the same image with a wrong label, each with its own coin. patient patch: one square on several records of a
    patient. `seed` is a secret: with it and the pool the canaries could be found. Raises AuditInputError if they do not fit;
    with `fewer`, as many patients carry a patch as have room for one.
    """
    rng = np.random.default_rng(seed)
    records = without_canaries(data)
    if not counts.total + counts.patient_patch:
        return records
    places = canary_places(data, rng)
    if len(places) < counts.total:
        raise AuditInputError(
            f"canaries must fit into half of every class and a quarter of a patient's records. Got {counts.total} for "
            f"{len(places)} places. Plan fewer, or none: then as many are planted as fit."
        )
    rows = np.split(
        places[: counts.total], np.cumsum(counts.single)[:-1]
    )  # all of a kind together: so they spread over patients
    planted = replace(records, images=data.images.copy())
    for kind, chosen in zip(KINDS, rows, strict=False):
        planted.kind[chosen] = kind
    _plant_images(planted, rng)
    _plant_pairs(planted, rows[KINDS.index(NEAR_PAIR)], rng)
    _plant_patients(planted, data, counts.patient_patch, rng, fewer)
    return planted


def _plant_images(records: Records, rng: np.random.Generator) -> None:
    """Images, labels and copies of the canaries that stand for one record alone; in place."""
    images, labels, kind = records.images, records.labels, records.kind
    for row in np.flatnonzero(kind == "patch"):
        images[row] = _patched(images[row], *_patch(images[row], rng))
    for row in np.flatnonzero(kind == "odd"):
        images[row] = _shuffled(images[row], rng)
    turned = kind == "repeated"
    images[turned] = 255 - images[turned]
    records.copies[turned] = COPIES
    wrong = np.flatnonzero(np.isin(kind, RANDOM_LABEL))
    labels[wrong] = _wrong(labels[wrong], records, rng)


def _plant_pairs(records: Records, rows: np.ndarray, rng: np.random.Generator) -> None:
    """In place: the second of every two rows becomes the first one's image, a few grey levels off, with a wrong label."""
    first, second = rows[::2], rows[1::2]
    noise = rng.integers(-_NEAR, _NEAR + 1, records.images[first].shape)
    records.images[second] = (records.images[first].astype(np.int64) + noise).clip(0, 255)
    records.true_labels[second] = records.true_labels[first]
    records.labels[second] = _wrong(records.labels[first], records, rng)


def _plant_patients(records: Records, data: ImageSet, count: int, rng: np.random.Generator, fewer: bool) -> None:
    """In place: the same square on several records of `count` patients."""
    chosen = patients_with_room(data, records.canary, rng)
    if len(chosen) < count and not fewer:
        raise AuditInputError(
            f"patient patches must fit, one per patient with two free records or more. Got {count} for {len(chosen)} patients. "
            "Plan fewer, or none: then as many are planted as fit."
        )
    for rows in chosen[:count]:
        where = _patch(records.images[rows[0]], rng)
        for row in rows:
            records.images[row] = _patched(records.images[row], *where)
        records.kind[rows] = PATIENT_PATCH


def _wrong(labels: np.ndarray, records: Records, rng: np.random.Generator) -> np.ndarray:
    classes = int(records.true_labels.max()) + 1
    return np.asarray((labels + rng.integers(1, classes, len(labels))) % classes)


def natural_outliers(images: np.ndarray, among: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Two bool (n,): the `share` of the records in `among` bool (n,) with the largest mean distance to their five nearest, in
    32 principal components of the pixels, and the next layer of as many. Membership and labels play no part (the rule of
    "Achilles' Heels", 2024)."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    rows = np.flatnonzero(among)
    flat = images[rows].reshape(len(rows), -1).astype(np.float32)
    parts = min(_COMPONENTS, *flat.shape)
    space = PCA(parts, svd_solver="randomized", random_state=0).fit_transform(flat)
    distances, _ = NearestNeighbors(n_neighbors=min(_NEIGHBOURS + 1, len(rows))).fit(space).kneighbors(space)
    order, count = rows[np.argsort(-distances[:, 1:].mean(1), kind="stable")], round(share * len(rows))
    numbers = np.arange(len(images))
    return np.isin(numbers, order[:count]), np.isin(numbers, order[count : 2 * count])


_Patch = tuple[np.ndarray, slice, slice]


def _patch(image: np.ndarray, rng: np.random.Generator) -> _Patch:
    """A square of a seventh of the side, random pixels, and a random corner for it."""
    side = max(2, image.shape[0] // 7)
    pattern = rng.integers(0, 2, (side, side, image.shape[2]), dtype=np.uint8) * np.uint8(255)
    rows = slice(0, side) if rng.random() < 0.5 else slice(-side, None)
    columns = slice(0, side) if rng.random() < 0.5 else slice(-side, None)
    return pattern, rows, columns


def _patched(image: np.ndarray, pattern: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    out = image.copy()
    out[rows, columns] = pattern
    return out


def _shuffled(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image (height, width, channels) with its 4 x 4 tiles in random order; what no whole tile covers stays."""
    side = image.shape[0] // _TILES
    tiles = [image[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(_TILES) for c in range(_TILES)]
    out = image.copy()
    for place, tile in enumerate(rng.permutation(len(tiles))):
        row, column = divmod(place, _TILES)
        out[row * side : (row + 1) * side, column * side : (column + 1) * side] = tiles[tile]
    return out
