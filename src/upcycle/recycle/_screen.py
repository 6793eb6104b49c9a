"""The screen: which members a teacher and a generator may learn from without giving them away. Doubted labels and isolated
images are left out, both judged only by what was made without the record or anything near it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from upcycle._distinct import distinct
from upcycle._protection import ScreenConfig
from upcycle.data import ImageSet
from upcycle.errors import ConfigError, DataError
from upcycle.recycle._cleaning import believed, fold_of

NEAR_SHARE: Final = 0.05  # of held-out records that are as near to a member as two near copies are to each other
_SIDE: Final = 16  # of the thumbnails compared, in pixels at most: small shifts and noise fade there
_BLOCK: Final = 512


def unit_of(members: ImageSet, held_out: ImageSet) -> np.ndarray:
    """Unit of every member, int64 (n,) from 0: members of one patient, equal images and near copies share a number.

    Near copies are closer than `NEAR_SHARE` of the held-out records are to their nearest member, in correlation of thumbnails;
    a mirrored, inverted, brighter or higher-contrast copy is one, too. Labels play no part.
    """
    first, second = near_copies(members.images, held_out.images)
    if members.groups is not None:
        same = np.unique(members.groups, return_index=True, return_inverse=True)
        first = np.concatenate([first, np.arange(len(members))])
        second = np.concatenate([second, same[1][same[2]]])
    edges = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(members),) * 2)
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def near_copies(images: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (pairs,), (pairs,) of uint8 `images` (n, height, width, channels) that are near copies of one another."""
    base, queries = thumbnails(images), _views(images)
    apart = np.concatenate([gaps.min(1) for gaps in _gaps(_views(held_out), base)])
    limit = max(float(np.quantile(apart, NEAR_SHARE)), 1e-5)  # equal images correlate to rounding
    found = []
    for start, gaps in zip(range(0, len(images), _BLOCK), _gaps(queries, base), strict=True):
        rows, columns = np.nonzero(gaps <= limit)
        later = rows + start < columns
        found.append((rows[later] + start, columns[later]))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def thumbnails(images: np.ndarray) -> np.ndarray:
    """float32 (n, pixels): block means at most 16 pixels a side, less their own mean, of unit length; a flat image is zeros."""
    n, height, width, channels = images.shape
    step = max(1, -(-height // _SIDE))
    whole = images[:, : height // step * step, : width // step * step].astype(np.float32)
    blocks = whole.reshape(n, height // step, step, width // step, step, channels).mean((2, 4)).reshape(n, -1)
    blocks -= blocks.mean(1, keepdims=True)
    return np.asarray(blocks / np.maximum(np.linalg.norm(blocks, axis=1, keepdims=True), 1e-3))


def _views(images: np.ndarray) -> np.ndarray:
    """Thumbnails (2, n, pixels) of images as they are and mirrored."""
    return np.stack([thumbnails(images), thumbnails(images[:, :, ::-1])])


def _gaps(views: np.ndarray, base: np.ndarray) -> Iterator[np.ndarray]:
    """Block by block, 1 - |correlation| with every row of `base`, the smallest over the views."""
    for start in range(0, views.shape[1], _BLOCK):
        yield 1 - np.abs(np.stack([view[start : start + _BLOCK] @ base.T for view in views])).max(0)


NEIGHBOURS: Final = 5
_COMPONENTS: Final = 32
_LEAN: Final = 10  # held-out records as which the share of all classes counts
_FEW, _VERY_FEW, _SHARE_OF_FEW = 60, 20, 0.02  # records of a class: fewer lose at most this share, very few none as isolated


@dataclass(frozen=True, eq=False)
class Screened:
    """What the screen left out, and why. All (n,): `doubted` and `isolated` bool, `belief` the probability float32 that the
    out-of-fold classifier gave the label, `distance` float64 the mean distance to the nearest records of other folds (inf where
    the class has none there)."""

    doubted: np.ndarray
    isolated: np.ndarray
    belief: np.ndarray
    distance: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """bool (n,)."""
        return np.asarray(~(self.doubted | self.isolated))


def draw_folds(members: ImageSet, unit: np.ndarray, folds: int, seed: int, turn: int = 0) -> np.ndarray:
    """Fold int64 (n,) of every member, stratified by class, all records of a `unit` int64 (n,) in one."""
    return fold_of(replace(members, groups=unit), folds, seed, turn)


def check_screen(members: ImageSet, held_out: ImageSet, how: ScreenConfig, class_names: Sequence[str], rows: int) -> None:
    """Raise ConfigError, all problems at once, where folds of these members could not be drawn, or screen.keep names what is
    none of the `rows` of the training split."""
    unit = unit_of(members, held_out)
    problems = _too_few(unit, members.labels, how.folds, "screen.folds", class_names, lambda most: _advice(most, how))
    if strangers := [row for row in how.keep if not 0 <= row < rows]:
        problems.append(
            f"screen.keep must be rows of the training split, 0 to {rows - 1}. Got {', '.join(map(str, strangers[:5]))}. "
            "Take them from the column train_row of private/screen/left_out.csv."
        )
    if problems:
        raise ConfigError(*problems)


def check_cleaning(members: ImageSet, folds: int, class_names: Sequence[str]) -> None:
    """Raise ConfigError, all problems at once, where that many `folds` of these members could not be drawn to clean labels."""
    unit = np.arange(len(members)) if members.groups is None else np.unique(members.groups, return_inverse=True)[1]

    def advice(most: int) -> str:
        return f"Set cleaning.folds={most}, or 0 for no cleaning." if most > 1 else "Set cleaning.folds=0, or add images."

    if problems := _too_few(unit, members.labels, folds, "cleaning.folds", class_names, advice):
        raise ConfigError(*problems)


def _too_few(
    unit: np.ndarray, labels: np.ndarray, folds: int, setting: str, class_names: Sequence[str], advice: Callable[[int], str]
) -> list[str]:
    """One line where there are fewer units than folds, else one for every class with fewer."""
    if (units := int(unit.max()) + 1) < folds:
        return [
            f"{setting} must be at most the number of independent members, {units}: one patient's images and near copies count "
            f"once. Got {folds}. {advice(units)}"
        ]
    found = {name: len(distinct(unit[labels == label])) for label, name in enumerate(class_names)}
    return [
        f"{setting} must be at most the number of independent members of a class, {inside} of {name!r}. Got {folds}. "
        f"{advice(inside)}"
        for name, inside in found.items()
        if 0 < inside < folds
    ]


def _advice(most: int, how: ScreenConfig) -> str:
    fewer, none = f"screen.folds={most}", "screen.folds=0"
    if how.apart:  # as many teachers as folds, and none apart without a screen
        fewer, none = f"{fewer} and teachers={most}", f"{none}, screen.apart=false and screen.crossed=false"
    return f"Set {fewer}, or {none} for no screen." if most > 1 else f"Set {none}, or add images."


def share_right(choices: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often the classifiers are right about a class, float64 (classes,), by their `choices` int64 (folds, m) for held-out
    records of `labels` (m,): none of them saw one, and no wrong label among the members counts. A class of few records leans
    on the share of all."""
    right, weight = (choices == labels).mean(0), np.bincount(labels, minlength=classes)
    of_class = np.bincount(labels, right, minlength=classes)
    return np.asarray((of_class + _LEAN * right.mean()) / (weight + _LEAN))


def screen(
    members: ImageSet,
    held_out: ImageSet,
    fold: np.ndarray,
    probabilities: np.ndarray,
    right: np.ndarray,
    how: ScreenConfig,
    must_stay: np.ndarray,
) -> Screened:
    """What to leave out of `members`, given their `fold` int64 (n,) and the out-of-fold `probabilities` float (n, classes) of
    classifiers that are `right` (classes,) about that share of a class; records in `must_stay` bool (n,) are never. Raises
    DataError if a class would be emptied."""
    trusted = believed(probabilities, members.labels, threshold=how.floor, most=how.most, ratio=how.ratio)
    trusted |= right[members.labels] < how.sure  # they cannot tell a wrong label from a hard record
    distance = isolation(members, PixelSpace.of(held_out.images), fold)
    alone = _most_isolated(distance, members.labels, how.isolated, trusted)
    given = probabilities[np.arange(len(members)), members.labels]
    out = Screened(~trusted & ~must_stay, alone & ~must_stay, given, distance)
    _refuse_empty_classes(members.labels, out.kept)
    return out


@dataclass(frozen=True, eq=False)
class PixelSpace:
    """A map from uint8 images (n, ...) to float32 (n, components): `mean` (pixels,) and `components` (components, pixels)."""

    mean: np.ndarray
    components: np.ndarray

    @classmethod
    def of(cls, held_out: np.ndarray) -> Self:
        """Up to 32 principal components of `held_out` images: no member shapes the space in which members are compared."""
        from sklearn.decomposition import PCA

        flat = held_out.reshape(len(held_out), -1).astype(np.float32)
        fitted = PCA(min(_COMPONENTS, *flat.shape), svd_solver="randomized", random_state=0).fit(flat)
        return cls(fitted.mean_, fitted.components_)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.asarray((images.reshape(len(images), -1).astype(np.float32) - self.mean) @ self.components.T)


def isolation(members: ImageSet, space: PixelSpace, fold: np.ndarray) -> np.ndarray:
    """Mean distance float64 (n,) to the five nearest members of the same class in other folds; inf where there is none."""
    from sklearn.neighbors import NearestNeighbors

    points, out = space(members.images), np.full(len(members), np.inf)
    for label, part in _parts(members.labels, fold):
        others = np.flatnonzero((members.labels == label) & (fold != part))
        mine = np.flatnonzero((members.labels == label) & (fold == part))
        if len(others):
            near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(others))).fit(points[others])
            out[mine] = near.kneighbors(points[mine])[0].mean(1)
    return out


def _parts(labels: np.ndarray, fold: np.ndarray) -> Iterator[tuple[int, int]]:
    for label, part in np.unique(np.stack([labels, fold], axis=1), axis=0):
        yield int(label), int(part)


def _most_isolated(distance: np.ndarray, labels: np.ndarray, share: float, trusted: np.ndarray) -> np.ndarray:
    """bool (n,): the `share` of every class with the largest distances among the `trusted` bool (n,); fewer of a small class,
    none of a very small one. A doubted label is left out anyway, and most are far from their class: with them in the count no
    odd image would be."""
    out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        inside = np.flatnonzero((labels == label) & trusted)
        count = int(allowed_share(len(inside), share) * len(inside))
        out[inside[np.argsort(-distance[inside], kind="stable")[:count]]] = True
    return out


def allowed_share(records: int, share: float) -> float:
    """The share of a class with that many records that may be left out as isolated."""
    if records < _VERY_FEW:
        return 0.0
    return min(share, _SHARE_OF_FEW) if records < _FEW else share


def _refuse_empty_classes(labels: np.ndarray, kept: np.ndarray) -> None:
    emptied = [int(label) for label in np.unique(labels) if not kept[labels == label].any()]
    if emptied:
        raise DataError(
            f"the screen must leave records of every class. Got none of class number {', '.join(map(str, emptied))}. "
            "Lower screen.most or screen.isolated, or name the records that must stay in screen.keep."
        )
