"""Do synthetic images copy members? Nearest-neighbour diagnostics in pixels; they can convict, not acquit.

A share near one half is what independent images give, and what many leaking generators give too (Yao et al. 2025, "The DCR
delusion"). NumPy and SciPy only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from upcycle.audit.copies._nearest import Nearest, nearest_two
from upcycle.audit.copies._reflip import equal_parts, reflip
from upcycle.data import ImageSet, units
from upcycle.errors import AuditInputError


@dataclass(frozen=True)
class CopyReport:
    """Distances are root mean squares over pixels, in grey levels 0..255. `replicated` is the share of synthetic images nearer
    to their nearest member than to a third of the distance to the second nearest (Gu et al. 2023). `identical` counts
    byte-identical copies of members.

    `closer` is the share nearer to the members than to as many held-out records (or patients), ties shared; 0.5 if nothing was
    copied. `closer_null_low`..`closer_null_high` hold 95 % of what it would then be, `closer_p_value` is how often it would
    then be as large: both from coins flipped again between whole records. Images that share a nearest record are no independent
    evidence, so a binomial interval over images would be too narrow.
    """

    images: int
    compared_records: int
    identical: int
    replicated: float
    closer: float
    closer_null_low: float
    closer_null_high: float
    closer_p_value: float
    median_to_members: float
    median_to_held_out: float

    def to_json(self) -> dict[str, float | int]:
        return asdict(self)


def find_copies(
    synthetic: np.ndarray,
    members: np.ndarray,
    held_out: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    nearest: Nearest | None = None,
    flips: int = 1_000,
    seed: int = 0,
) -> CopyReport:
    """Compare uint8 synthetic images (n, height, width, channels) with members and held-out records of the same pool.

    `groups` (records,): patients of the members, then of the held-out records; byte-identical records are one group anyway.
    `nearest`: nearest_two(synthetic, members), where it is known. Raises AuditInputError where too few are left to compare.
    """
    unit = _units(members, held_out, groups)
    chosen = equal_parts(unit, len(members), seed=seed)
    inside = chosen < len(members)
    some, others = members[chosen[inside]], held_out[chosen[~inside] - len(members)]
    _refuse_few(len(synthetic), len(some), len(others))
    whole = (nearest_two(synthetic, members) if nearest is None else nearest)[0]
    sides = [nearest_two(synthetic, pool) for pool in (some, others)]
    drawn = _drawn(sides[0], sides[1], (len(some), len(others)))
    closer = reflip(drawn, inside, unit[chosen], flips=flips, seed=seed)
    return CopyReport(
        images=len(synthetic),
        compared_records=len(others),
        identical=int((whole[:, 0] == 0).sum()),
        replicated=float((whole[:, 0] < whole[:, 1] / 3).mean()),
        closer=closer.share,
        closer_null_low=closer.null_low,
        closer_null_high=closer.null_high,
        closer_p_value=closer.p_value,
        median_to_members=float(np.median(sides[0][0][:, 0])),
        median_to_held_out=float(np.median(sides[1][0][:, 0])),
    )


def _refuse_few(synthetic: int, members: int, held_out: int) -> None:
    if synthetic < 1 or min(members, held_out) < 2:
        raise AuditInputError(
            "synthetic images, members and held-out records must be 1, 2 and 2 or more. "
            f"Got {synthetic}, {members} and {held_out} to compare. Give more records, of more patients."
        )


def _units(members: np.ndarray, held_out: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    both = np.concatenate([members, held_out])
    return units(ImageSet(both, np.zeros(len(both), np.int64), groups))


def _drawn(some: Nearest, others: Nearest, sizes: tuple[int, int]) -> np.ndarray:
    """How many images have each record as their nearest, members first; one between two equally near records is halved."""
    (near, mine), (far, other) = ((distances[:, 0], index) for distances, index in (some, others))
    inside = np.where(near == far, 0.5, near < far)
    return np.concatenate([np.bincount(mine, inside, sizes[0]), np.bincount(other, 1 - inside, sizes[1])])
