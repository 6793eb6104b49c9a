"""How far private records lie from a released set, in few numbers: what whoever receives the set can test it against.

The bins follow from the released images alone, so a receiver can draw them again, and no edge is a private record's distance.
Every bin holds at least SMALL_CELL records (patients, where there are some) of either side. Sides that lie too far apart for
that have two bins, rounded down to tens, and what is under ten is not told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from upcycle._random import numpy_rng
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.copies._nearest import nearest
from upcycle.audit.statistics import Scores, auc_p_value
from upcycle.errors import AuditInputError

COMPARED: Final = 2_000  # the first images of a set
_RECORDS: Final = 5_000  # of either side, at most
_GRID: Final = 2.0 ** (np.arange(-56, 9) / 8)  # multiples of the usual distance between two images of the set
_ROUNDING: Final = 1e-3
_APART: Final = 0.5  # of the shares below an edge, from which on the sides lie apart
Counts = tuple[int | None, ...]


@dataclass(frozen=True)
class DistanceHistogram:
    """Distances of private records (of a patient: of the nearest one) to their nearest image of a released set.

    Attributes:
        compared: images of the set, its first ones.
        counted_in: "records" or "patients".
        usual: median distance between two of these images, in grey levels (root mean square over the pixels).
        edges: between the bins, fixed multiples of `usual`, rising.
        members: records in every bin that the generator was given; None: fewer than ten.
        held_out: records in every bin that no model was given.
    """

    compared: int
    counted_in: str
    usual: float
    edges: tuple[float, ...]
    members: Counts
    held_out: Counts

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "DistanceHistogram":
        """Raises AuditInputError for anything that is no such histogram."""
        try:
            edges, sides = [float(edge) for edge in found["edges"]], [found["members"], found["held_out"]]
            counts = [tuple(None if count is None else int(count) for count in side) for side in sides]
            whole = cls(int(found["compared"]), str(found["counted_in"]), float(found["usual"]), tuple(edges), *counts)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise AuditInputError("histogram must hold edges and counts. Got something else. Get the release again.") from error
        fits = all(_fits(side, edges) for side in counts)
        if not fits or not edges or edges != sorted(edges) or not min(*edges, whole.usual) > 0 or whole.compared < 2:
            got = "too few in one, or numbers that do not fit"
            raise AuditInputError(f"histogram must have {SMALL_CELL} or more in every bin. Got {got}. Get the release again.")
        return whole

    def belongs_to(self, images: np.ndarray) -> bool:
        """Do these images (n, ...), the first of a set, make the bins?"""
        usual = _usual(images[: self.compared])
        edges = all(np.abs(usual * _GRID / edge - 1).min() < _ROUNDING for edge in self.edges)
        return len(images) >= self.compared and abs(usual / self.usual - 1) < _ROUNDING and edges

    @property
    def p_value(self) -> float:
        """How often as many members would be as near by luck: one-sided, over records or patients, ties shared."""
        bins, most = np.arange(len(self.edges) + 1), SMALL_CELL - 1
        # what is not told stands where it speaks least for copies: unseen records near, members far
        members, held_out = _told(self.members, 0, most), _told(self.held_out, most, 0)
        values = np.concatenate([np.repeat(-bins, members), np.repeat(-bins, held_out)])
        return auc_p_value(Scores(values.astype(np.float64), np.arange(len(values)) < sum(members)))

    def least(self, side: Counts) -> int:
        """Records of a side, at least."""
        return sum(count or 0 for count in side)


def _fits(side: Counts, edges: Sequence[float]) -> bool:
    told = [count for count in side if count is not None]
    enough = bool(told) and min(told) >= SMALL_CELL and sum(told) <= _RECORDS
    return enough and len(side) == len(edges) + 1 and (len(told) == len(side) or len(edges) == 1)


def _told(side: Counts, near: int, far: int) -> list[int]:
    """The counts; `near` in place of what is not told of the first bin, and `far` of any other."""
    return [(far if k else near) if count is None else count for k, count in enumerate(side)]


def distance_histogram(
    images: np.ndarray, members: np.ndarray, held_out: np.ndarray, groups: np.ndarray | None = None, *, seed: int = 0
) -> DistanceHistogram | None:
    """The histogram of a released set, its uint8 `images` (n, ...); None where it would have a single bin, as with few records
    or patients. `groups` (records,): patients of the members, then of the held-out records."""
    if len(images) < 2:
        return None
    some, unit = images[:COMPARED], np.arange(len(members) + len(held_out)) if groups is None else groups
    sides = (members, unit[: len(members)]), (held_out, unit[len(members) :])
    usual, counts = _usual(some), []
    edges = np.round(usual * _GRID, 6)
    for name, (records, owners) in zip(("members", "held out"), sides, strict=True):
        rows = np.sort(numpy_rng(seed, "distances", name).permutation(len(records))[:_RECORDS])
        counts.append(np.histogram(_of_units(records[rows], owners[rows], some), [-np.inf, *edges, np.inf])[0])
    kept, merged = _merged(np.stack(counts))
    if not kept:
        kept, merged = _apart(np.stack(counts))
    if not kept:
        return None
    unit_name = "records" if groups is None else "patients"
    return DistanceHistogram(
        len(some), unit_name, usual, tuple(float(edges[k]) for k in kept), *(tuple(side) for side in merged)
    )


def _usual(images: np.ndarray) -> float:
    """The median distance between two images, from which the bins follow."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    others = flat[np.random.default_rng(0).permutation(len(flat))]
    return max(float(np.median(np.sqrt(((flat - others) ** 2).mean(1)))), _ROUNDING)


def _of_units(records: np.ndarray, owners: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The least distance of every owner's records."""
    unit = np.unique(owners, return_inverse=True)[1]
    found = np.full(unit.max(initial=-1) + 1, np.inf)
    np.minimum.at(found, unit, nearest(records, images, 1)[0][:, 0])
    return found


def _apart(counts: np.ndarray) -> tuple[list[int], list[list[int | None]]]:
    """The one edge between sides that lie apart, and what is told of them; nothing where they do not, or are few."""
    totals = counts.sum(1, keepdims=True)
    if totals.min() < SMALL_CELL:
        return [], []
    below = counts.cumsum(1)[:, :-1]
    edge = int(np.abs(np.diff(below / totals, axis=0)).argmax())
    if float(np.abs(np.diff(below / totals, axis=0)).max()) < _APART:
        return [], []
    cells = np.stack([below[:, edge], totals[:, 0] - below[:, edge]], 1)
    told = [[int(count) // 10 * 10 if count >= SMALL_CELL else None for count in side] for side in cells]
    return ([edge], told) if all(any(side) for side in told) else ([], [])


def _merged(counts: np.ndarray) -> tuple[list[int], list[list[int | None]]]:
    """Edges that stay, and counts int (2, bins) in the bins between them, each of SMALL_CELL or more of both sides."""
    kept, merged, open_bin = list[int](), list[np.ndarray](), np.zeros(2, np.int64)
    for k, bin_counts in enumerate(counts.T):
        open_bin = open_bin + bin_counts
        rest = counts[:, k + 1 :].sum(1)
        if min(*open_bin, *rest) >= SMALL_CELL:
            kept, merged, open_bin = [*kept, k], [*merged, open_bin], np.zeros(2, np.int64)
    return kept, np.stack([*merged, open_bin], 1).tolist()
