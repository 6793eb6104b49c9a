"""What attacks on a classifier read: its answers in every pipeline, and who was a member."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import numpy as np

from upcycle._distinct import distinct
from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks._folds import membership_folds
from upcycle.audit.attacks._shadow_set import ShadowSet, record_statistic
from upcycle.audit.attacks._signals import one_hot
from upcycle.errors import AuditInputError

THUMBNAIL: Final = 8
COMPONENTS: Final = 16


def blind_features(labels: np.ndarray, classes: int, images: np.ndarray | None) -> np.ndarray:
    """What membership can be told from without any model: float64 (n, features).

    One-hot label; with images also mean, deviation, extremes and mean step between neighbouring pixels per channel, and
    16 principal components of an 8x8 thumbnail.
    """
    plain = one_hot(labels, classes)
    if images is None:
        return plain
    n, height, width, _ = images.shape
    rows, columns = (np.arange(side) * THUMBNAIL // side for side in (height, width))
    thumbnails, moments = [], []
    for start in range(0, n, 512):
        batch = images[start : start + 512].astype(np.float64)
        flat = batch.reshape(len(batch), -1, batch.shape[-1])
        steps = [
            np.abs(np.diff(batch, axis=axis)).mean(axis=(1, 2)) if batch.shape[axis] > 1 else flat[:, 0] * 0 for axis in (1, 2)
        ]
        moments.append(np.hstack([flat.mean(1), flat.std(1), flat.min(1), flat.max(1), *steps]))
        thumbnails.append(_block_means(_block_means(batch, rows, 1), columns, 2).reshape(len(batch), -1))
    return np.hstack([plain, np.concatenate(moments), _components(np.concatenate(thumbnails))])


def _block_means(images: np.ndarray, blocks: np.ndarray, axis: int) -> np.ndarray:
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    sizes = np.diff(np.append(starts, len(blocks)))
    shape = [1] * images.ndim
    shape[axis] = len(sizes)
    return np.asarray(np.add.reduceat(images, starts, axis=axis) / sizes.reshape(shape))


def _components(rows: np.ndarray) -> np.ndarray:
    """The leading principal components of the rows; membership plays no part."""
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ vectors[:, ::-1][:, :COMPONENTS])


T = TypeVar("T")
LEAST_RECORDS: Final = 100  # below, a fifth of them is less than the 15 neighbours that the first fit needs
_FOLDS: Final = (5, 3)  # few, large groups may not fill five


@dataclass(frozen=True, eq=False)
class Audited:
    """The audited records and who was given them; shared by all classifiers, so that all attacks meet the same draws.

    Attributes:
        images: uint8 (records, height, width, channels).
        labels: int64 (records,), under which each record was given.
        classes: number of classes.
        members: bool (pipelines, records).
        units: int64 (records,); equal numbers share a coin.
        seed: what attacks draw from.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: int
    members: np.ndarray
    units: np.ndarray
    seed: int

    @cached_property
    def groups(self) -> np.ndarray | None:
        """`units`, or None where each is one record."""
        return None if len(distinct(self.units)) == len(self.units) else self.units

    @cached_property
    def folds(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """(train, held-out) index pairs of the first pipeline, as many as the groups fill; none where the records are too
        few."""
        if len(self.labels) < LEAST_RECORDS:
            return ()
        for count in _FOLDS:
            try:
                return tuple(membership_folds(self.members[0], self.groups, count, derive_seed(self.seed, "attack folds")))
            except AuditInputError:
                continue
        return ()

    @cached_property
    def known(self) -> np.ndarray:
        """bool (records,): the non-members of the first pipeline that the attacker is told of, a half drawn by a coin."""
        coin = numpy_rng(self.seed, "known non-members").random(int(self.units.max()) + 1) < 0.5
        return np.asarray(coin[self.units] & ~self.members[0])

    @cached_property
    def features(self) -> np.ndarray:
        """float64 (records, d): of image and label alone."""
        return blind_features(self.labels, self.classes, self.images)

    @cached_property
    def _kept(self) -> dict[str, object]:
        return {}

    def once(self, name: str, make: Callable[[Audited], T]) -> T:
        """What `make` gives, made once for all classifiers."""
        if name not in self._kept:
            self._kept[name] = make(self)
        return self._kept[name]  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Answered:
    """One classifier's answers: `logits` float32 (pipelines, records, views, classes) about the `audited` records."""

    logits: np.ndarray
    audited: Audited

    @property
    def pipelines(self) -> int:
        return len(self.logits)

    @property
    def labels(self) -> np.ndarray:
        return self.audited.labels

    @property
    def members(self) -> np.ndarray:
        return self.audited.members

    @cached_property
    def log_odds(self) -> np.ndarray:
        """float64 (pipelines, records, views)."""
        return record_statistic(self.logits, self.labels)

    @cached_property
    def shadows(self) -> ShadowSet:
        """The same as a set of shadow models. Raises AuditInputError for fewer than two pipelines, and for equal ones."""
        return ShadowSet(self.logits, self.members, self.labels)
