"""How many canaries of each kind: enough for limits that certify something, as far as the pool has room for them.

A kind can be certified from 300 pairs of a pipeline and a canary that it was given: with fewer, even an attack that does no
better than chance leaves an upper limit above 3 % at 1 % false positives (exact binomial).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle._small_cell import SMALL_CELL
from upcycle.audit.pipelines._canary_places import PATCHED, canary_places, patients_with_room
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError

LEAST_OBSERVED: Final = 300  # pairs of a pipeline and a canary it was given
_ENOUGH, _MISLABELLED = (
    560,
    960,
)  # such pairs: limits near 5 % come out below their margin in four of five audits; the first kind
_MOST, _MOST_ALONE = 500, 1000  # mislabelled ones, with shadow pipelines and without
_USUAL, _CROWDED = 10, 5  # records for each canary: where there is room, and where a limit needs more canaries
_LEAST, _LEAST_MISLABELLED = 20, 60  # canaries, however many pipelines
_KINDS: Final = 5  # of single records


@dataclass(frozen=True)
class CanaryCounts:
    """How many canaries of each kind are planted in the pool: records, but `patient_patch`, which counts patients."""

    mislabelled: int = 0
    patch: int = 0
    repeated: int = 0
    odd: int = 0
    near_pair: int = 0
    patient_patch: int = 0

    def __post_init__(self) -> None:
        if self.near_pair % 2:
            raise AuditInputError(f"near_pair must be even, being pairs. Got {self.near_pair}. Plant one more.")

    @property
    def single(self) -> tuple[int, ...]:
        """Records of every kind but the last, which is planted in several records of a patient."""
        return self.mislabelled, self.patch, self.repeated, self.odd, self.near_pair

    @property
    def total(self) -> int:
        """Places that the kinds of single records take."""
        return sum(self.single)


def fitted_counts(data: ImageSet, pipelines: int, *, seed: int) -> CanaryCounts:
    """As many canaries of each kind as `pipelines` runs need and the pool has room for; `seed` is that of `plant`.

    Up to a tenth of the records for limits near 5 %, up to a fifth for LEAST_OBSERVED of each kind. Where even that is too
    much, fewer kinds have enough each: the mislabelled ones first, then patches, repeated ones, odd ones and near pairs.
    """
    places, records = len(canary_places(data, np.random.default_rng(seed))), len(data)
    if pipelines == 1:
        return _counts(_alone(records, places), 0)
    least, enough = _needed(LEAST_OBSERVED, pipelines), _needed(_ENOUGH, pipelines)
    single = _single(records, places, least, enough, max(_needed(_MISLABELLED, pipelines), _LEAST_MISLABELLED))
    taken = np.zeros(records, bool)
    taken[canary_places(data, np.random.default_rng(seed))[: sum(single)]] = True
    patients = len(patients_with_room(data, taken, np.random.default_rng(seed)))
    return _counts(single, min(patients if 2 * PATCHED * patients <= records else patients // 4, enough))


def _needed(observed: int, pipelines: int) -> int:
    """Canaries that give this many pairs with a pipeline that received them: even, and enough to say something about others."""
    return max(2 * -(-observed // (2 * (pipelines // 2))), _LEAST)


def _counts(single: list[int], patients: int) -> CanaryCounts:
    mislabelled, patch, repeated, odd, near = single
    return CanaryCounts(mislabelled, patch, repeated, odd, near // 2 * 2, patients if patients >= SMALL_CELL else 0)


def _single(records: int, places: int, least: int, enough: int, mislabelled: int) -> list[int]:
    """Counts of the kinds of single records for shadow pipelines."""
    room = min(records // _CROWDED, places)
    first = min(max(records // 100, mislabelled), _MOST, records // _USUAL, room)
    if first + (_KINDS - 1) * least <= room:
        other = max(least, min(enough, (records // _USUAL - first) // (_KINDS - 1)))
        return [first, *[min(other, first)] * (_KINDS - 1)]
    kinds = max(min(room // least, _KINDS), 1)
    first = min(first, room - (kinds - 1) * least)
    return [first, *[least if k < kinds else 0 for k in range(1, _KINDS)]]


def _alone(records: int, places: int) -> list[int]:
    """Counts of the kinds of single records for one pipeline: mislabelled ones, on which its exact tests rest, and others."""
    room = min(records // _CROWDED, places)
    first = min(max(100, min(records // 20, _MOST_ALONE)), records // _USUAL, room)
    other = min(records // 100, first, (room - first) // (_KINDS - 1))
    return [first, *[other if other >= SMALL_CELL else 0] * (_KINDS - 1)]
