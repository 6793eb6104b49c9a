"""Scores of all pipelines on one scale, so that one threshold means the same in each of them.

Pipelines differ as models do: one is surer of every record than the next, and in its own measure surer of odd images. What
a pipeline does to all records of a kind says nothing about membership, yet it decides how many of them lie above a threshold
for all pipelines, as if a hundred records were one. Membership attacks place their threshold in every model (Carlini et al.
2022, sec. V); here the middle of its non-members of a kind is taken out, and the spread of all of them, which needs fewer.
The spread of a kind is left in: kinds that leak have other tails, and dividing by it hid half of what such a kind gave away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from upcycle.audit.statistics import NotResolvable, Rate, Scores, tpr_at_common_fpr

_QUANTILES: Final = (0.15, 0.85)  # between which scores spread: far from the tail that is judged
_LEAST: Final = 8  # non-members of a kind in a pipeline, below which its middle is that of all kinds


@dataclass(frozen=True, eq=False)
class Aligned:
    """Scores of an attack over several pipelines, to be put on one scale.

    Attributes:
        scores: float64 (pipelines, records); NaN where a record was not judged.
        members: bool (pipelines, records).
        units: int64 (records,), as in `Scores`.
        kinds: (records,): every kind is put on the scale of all.
    """

    scores: np.ndarray
    members: np.ndarray
    units: np.ndarray
    kinds: np.ndarray

    def rate(self, used: np.ndarray, fpr: float, confidence: float) -> Rate | NotResolvable:
        """Share of the members among the records `used` bool (records,) that lie above the threshold which a share `fpr` in
        (0, 1) of all non-members exceeds, with limits of level `confidence` in (0, 1) (`tpr_at_common_fpr`); these, and all
        kinds of records, each on the scale of all."""
        return tpr_at_common_fpr(self._pooled([used & self._judged]), self._everyone, fpr, confidence)

    @cached_property
    def _everyone(self) -> Scores:
        """All judged records, planted or not: whom the one threshold must not name wrongly."""
        return self._pooled([self._judged & (self.kinds == kind) for kind in np.unique(self.kinds[self._judged])])

    @cached_property
    def _judged(self) -> np.ndarray:
        return np.asarray(~np.isnan(self.scores).any(0))

    @cached_property
    def _of_pipelines(self) -> tuple[np.ndarray, np.ndarray]:
        """Median and spread of the non-members of each pipeline, float64 (pipelines,)."""
        outside = [row[self._judged & ~given] for row, given in zip(self.scores, self.members, strict=True)]
        return np.array([np.median(row) for row in outside]), np.array([_spread(row) for row in outside])

    def _pooled(self, groups: list[np.ndarray]) -> Scores:
        """Disjoint groups bool (records,) of records, each on the scale of all."""
        values = np.full(self.scores.shape, np.nan)
        for group in groups:
            values[:, group] = self._on_one_scale(group)
        return Scores.pooled(values, self.members, self.units, np.logical_or.reduce(groups))

    def _on_one_scale(self, group: np.ndarray) -> np.ndarray:
        """(pipelines, records of the group): less the middle of each pipeline's non-members among them, by its spread."""
        scores, given = self.scores[:, group], self.members[:, group]
        of_all, spreads = self._of_pipelines
        few = int((~given).sum(1).min()) < _LEAST
        middles = of_all[:, None] if few else np.array([_middle_of_others(*row) for row in zip(scores, given, strict=True)])
        return np.asarray((scores - middles) / spreads[:, None])


def _middle_of_others(scores: np.ndarray, given: np.ndarray) -> np.ndarray:
    """float64 (records,): the median of the non-members; for a non-member that of the others. Its own score would draw the
    middle towards it, as no member's does, and members would look further out than they are."""
    outside = scores[~given]
    places, ranked, last = np.argsort(np.argsort(outside, kind="stable")), np.sort(outside), len(outside) - 1
    halves = [np.where(places <= k, ranked[k + 1], ranked[k]) for k in ((last - 1) // 2, last // 2)]
    middle = np.full(len(scores), np.median(outside))
    middle[~given] = sum(halves) / 2
    return middle


def _spread(scores: np.ndarray) -> float:
    """Distance between two quantiles; 1 where the scores do not spread, so that dividing by it changes nothing."""
    low, high = np.quantile(scores, _QUANTILES)
    return float(high - low) or 1.0
