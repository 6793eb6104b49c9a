"""What attacks on a classifier read: its answers in every pipeline, and who was a member."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks._blind import blind_features
from upcycle.audit.attacks._folds import membership_folds
from upcycle.audit.attacks._shadow_set import ShadowSet, record_statistic
from upcycle.errors import AuditInputError

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
        return None if len(np.unique(self.units)) == len(self.units) else self.units

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
