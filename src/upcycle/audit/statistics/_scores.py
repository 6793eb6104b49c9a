"""Scores of records, checked once at the door and trusted by every statistic. One run is a pool with one run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from upcycle._distinct import distinct
from upcycle.errors import AuditInputError


@dataclass(frozen=True, eq=False, init=False)
class Scores:
    """Scores of records by one pipeline or by several. Raises AuditInputError with every problem found.

    Attributes:
        values: float64 (n,), finite; higher = more likely a member.
        members: bool (n,); was the record given to the pipeline. Both kinds occur.
        units: int64 (n,), numbered from 0; entries with equal numbers share their coin flips: one record, or all of a
            patient, on one side of every run. None given: every entry is a unit, or, of several runs, an error.
        runs: int64 (n,), numbered from 0; the pipeline. 2k and 2k + 1 were given complementary halves. None given: one run.
    """

    values: np.ndarray
    members: np.ndarray
    units: np.ndarray
    runs: np.ndarray

    def __init__(
        self, values: np.ndarray, members: np.ndarray, units: np.ndarray | None = None, runs: np.ndarray | None = None
    ) -> None:
        values, members = np.asarray(values), np.asarray(members)
        if values.ndim != 1 or values.shape != members.shape:
            raise AuditInputError(
                f"scores and members must be one-dimensional and equally long. Got {values.shape} and {members.shape}. "
                "Give one score and one flag per record."
            )
        groups, numbers = _numbered("units", units, values), _numbered("runs", runs, values)
        problems = [*flag_problems("members", members, 1), *value_problems("scores", values), *groups[1], *numbers[1]]
        if not problems:
            problems = _side_problems(members, groups[0], numbers[0])
        if problems:
            raise AuditInputError(*problems)
        for name, array in (
            ("values", values.astype(np.float64)),
            ("members", members.astype(bool)),
            ("units", np.arange(len(values)) if groups[0] is None else groups[0]),
            ("runs", np.zeros(len(values), np.int64) if numbers[0] is None else numbers[0]),
        ):
            object.__setattr__(self, name, array)

    @classmethod
    def pooled(
        cls, values: np.ndarray, members: np.ndarray, units: np.ndarray, used: np.ndarray, runs: np.ndarray | None = None
    ) -> Scores:
        """The records `used` bool (records,) of `values` and `members` (pipelines, records) with `units` (records,); `runs`
        (pipelines,) where the pipelines are not all of the audit's."""
        numbers, count = np.arange(len(values)) if runs is None else runs, int(used.sum())
        return cls(
            values[:, used].ravel(), members[:, used].ravel(), np.tile(units[used], len(values)), np.repeat(numbers, count)
        )

    @cached_property
    def single(self) -> bool:
        """Is there one run only?"""
        return bool((self.runs == self.runs[0]).all())

    @cached_property
    def independent(self) -> bool:
        """One run, and no two entries share a coin."""
        return self.single and len(distinct(self.units)) == len(self.units)

    @cached_property
    def pairs(self) -> np.ndarray:
        """int64 (n,): the pair of complementary pipelines."""
        return self.runs // 2

    @property
    def inside(self) -> np.ndarray:
        """Scores of members."""
        return np.asarray(self.values[self.members])

    @property
    def outside(self) -> np.ndarray:
        """Scores of non-members."""
        return np.asarray(self.values[~self.members])

    @property
    def sides(self) -> tuple[int, int]:
        """Numbers of distinct units among members and among non-members."""
        return len(distinct(self.units[self.members])), len(distinct(self.units[~self.members]))

    def take(self, kept: np.ndarray) -> Scores:
        """The entries `kept` bool (n,)."""
        return Scores(self.values[kept], self.members[kept], self.units[kept], self.runs[kept])

    def having(self, values: np.ndarray) -> Scores:
        """The same entries with other values."""
        return Scores(values, self.members, self.units, self.runs)


def value_problems(what: str, values: np.ndarray) -> list[str]:
    """Why `values` cannot be scores, one line each."""
    if values.dtype.kind not in "fiub":
        return [f"{what} must be numbers. Got {values.dtype}. Convert them to float."]
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        return [f"{what} must be finite. Got {bad} NaN or infinite of {len(values)}. Find the records that overflow."]
    return []


def flag_problems(what: str, members: np.ndarray, least: int) -> list[str]:
    """Why `members` cannot be membership with `least` records on each side, one line each."""
    if members.dtype.kind not in "biu" or not np.isin(members, (0, 1)).all():
        return [f"{what} must be booleans. Got {members.dtype}. Give True for records the pipeline was given."]
    inside, outside = int(members.sum()), int((members == 0).sum())
    if min(inside, outside) == 0:
        only = "members" if inside else "non-members"
        return [f"{what} must hold members and non-members. Got {only} only. Leave records out by a coin flip."]
    if min(inside, outside) < least:
        return [
            f"{what} must hold at least {least} records on each side. Got {inside} members and {outside} non-members. "
            "Hold more records out."
        ]
    return []


def _numbered(what: str, found: np.ndarray | None, values: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """Groups as int64 (n,) numbered from 0; and why they cannot be any."""
    if found is None:
        return None, []
    array = np.asarray(found)
    if array.shape != values.shape:
        return None, [f"{what} must have shape {values.shape}. Got {array.shape}. Give one per score."]
    if what == "runs":
        return array.astype(np.int64), []
    return np.unique(array, return_inverse=True)[1].astype(np.int64), []


def _side_problems(members: np.ndarray, units: np.ndarray | None, runs: np.ndarray | None) -> list[str]:
    if units is None:
        return []
    keys = units if runs is None else units + (int(units.max()) + 1) * runs
    inside = np.bincount(keys, members.astype(bool)) > 0
    mixed = int((inside & (np.bincount(keys, ~members.astype(bool)) > 0)).sum())
    if not mixed:
        return []
    return [f"groups must lie wholly on one side of a run. Got {mixed} on both. Flip the coin per group."]
