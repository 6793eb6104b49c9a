"""Do synthetic images copy members? Nearest-neighbour diagnostics in pixels; they can convict, not acquit.

A share near one half is what independent images give, and what many leaking generators give too (Yao et al. 2025, "The DCR
delusion"). NumPy and SciPy only.
"""

from dataclasses import asdict, dataclass

import numpy as np

from upcycle._arguments import typed
from upcycle.audit.copies._nearest import Nearest, nearest_two
from upcycle.data import ImageSet, units
from upcycle.errors import AuditInputError

_EQUAL = 1e-9  # sums of shares that differ by rounding only


@dataclass(frozen=True)
class Reflip:
    """`share` of the images whose nearest record is a member, the middle 95 % of that share under coins flipped again, and how
    often these give as much: (1 + as extreme) / (1 + flips), exact (Phipson & Smyth 2010)."""

    share: float
    null_low: float
    null_high: float
    p_value: float


def reflip(images: np.ndarray, inside: np.ndarray, groups: np.ndarray, *, flips: int = 1_000, seed: int = 0) -> Reflip:
    """Whether members draw more images than as many held-out records do.

    `images` float (records,): how many images have this record as their nearest, ties shared. `inside` bool (records,):
    members. `groups` (records,): what one coin was flipped for; the null is that groups exchange their sides.
    """
    rng, unit = np.random.default_rng(seed), np.unique(groups, return_inverse=True)[1]
    drawn = np.bincount(unit, images)
    side = np.bincount(unit, inside) / np.bincount(unit)
    found = float(drawn @ side)
    null = np.array([drawn @ rng.permutation(side) for _ in range(flips)])
    low, high = np.quantile(null, (0.025, 0.975)) / drawn.sum()
    extreme = int((null >= found - _EQUAL * drawn.sum()).sum())
    return Reflip(found / float(drawn.sum()), float(low), float(high), (1 + extreme) / (1 + flips))


def equal_parts(groups: np.ndarray, members: int, *, most: int | None = None, seed: int = 0) -> np.ndarray:
    """Row numbers of as many groups of members as of held-out records, drawn at random and whole, sorted.

    `groups` (records,) of the `members` first and of the held-out records after them. Without equal numbers of groups, chance
    would not give one half. At most `most` records a side, but always a group.
    """
    rng = np.random.default_rng([seed, 1])
    sides = (np.arange(members), np.arange(members, len(groups)))
    found = [(rows, *np.unique(groups[rows], return_inverse=True)) for rows in sides]
    orders = [rng.permutation(len(names)) for _, names, _ in found]
    count = min(map(len, orders))
    if most is not None:
        filled = (np.cumsum(np.bincount(unit)[order]) for (_, _, unit), order in zip(found, orders, strict=True))
        count = max(1, min(count, *(int((sums <= most).sum()) for sums in filled)))
    chosen = (rows[np.isin(unit, order[:count])] for (rows, _, unit), order in zip(found, orders, strict=True))
    return np.concatenate(list(chosen))


@dataclass(frozen=True)
class CopyReport:
    """Whether synthetic images lie too close to members. Distances are root mean squares over pixels, in grey levels 0..255.

    Images that share a nearest record are no independent evidence, so a binomial interval over images would be too narrow.

    Attributes:
        images: synthetic images compared.
        compared_records: records, or patients, on either side.
        identical: byte-identical copies of members.
        replicated: share nearer to their nearest member than to a third of the distance to the second nearest (Gu et al. 2023).
        closer: share nearer to the members than to as many held-out records (or patients), ties shared; 0.5 without copies.
        closer_null_low: lower end of what holds 95 % of `closer` without copies, by coins flipped again for whole records.
        closer_null_high: its upper end.
        closer_p_value: how often coins flipped again give a `closer` as large.
        median_to_members: median distance to the nearest of those members.
        median_to_held_out: median distance to the nearest of those held-out records.
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


@typed()
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
    sides = (ImageSet(images, np.zeros(len(images), np.int64)) for images in (members, held_out))
    digests = np.concatenate([side.hashes() for side in sides])
    return units(ImageSet(members, np.zeros(len(digests), np.int64), groups, digests))


def _drawn(some: Nearest, others: Nearest, sizes: tuple[int, int]) -> np.ndarray:
    """How many images have each record as their nearest, members first; one between two equally near records is halved."""
    (near, mine), (far, other) = ((distances[:, 0], index) for distances, index in (some, others))
    inside = np.where(near == far, 0.5, near < far)
    return np.concatenate([np.bincount(mine, inside, sizes[0]), np.bincount(other, 1 - inside, sizes[1])])
