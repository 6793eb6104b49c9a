"""The memorisation gate: does a snapshot's output lie nearer to its members than to records it never saw?

As many members as held-out records are compared, drawn at random; where both come from one pool, flipping coins again between
them gives the exact distribution of the statistic for a generator that memorised nothing. Copies are sought among all members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from upcycle.audit._copies import nearest_two


@dataclass(frozen=True)
class GateReport:
    """One snapshot in one space ("pixels", or features that were not trained on members).

    `closer` is the share of synthetic images nearer to the members than to as many held-out records (0.5 if nothing was
    memorised, ties count half), `p_value` how often re-flipped coins give as much. `replicated` is the share nearer to their
    nearest member, of all, than to a third of the distance to the second nearest (Gu et al. 2023), `replicated_held_out` the
    same against the held-out records: what chance neighbours give. Medians are of the nearest of as many on either side.
    """

    images_seen: int
    space: str
    closer: float
    p_value: float
    replicated: float
    replicated_held_out: float
    median_to_members: float
    median_to_held_out: float
    vetoed: bool

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Gate:
    """When a snapshot is vetoed: `closer` at least `effect` with a p-value at most alpha / tests; or more than `copies` of its
    images replicated beyond what held-out records give; or the median distance to members below `nearness` times that to
    held-out records. At most `records` of either side are compared."""

    alpha: float = 0.05
    effect: float = 0.55
    copies: float = 0.02
    nearness: float = 0.8
    flips: int = 1_000
    records: int = 1_000


Space = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Synthetic images, members and held-out records in one space, each (n, ...)."""


def closer_share(distances: np.ndarray, inside: np.ndarray) -> float:
    """Share of rows of `distances` (n, records) whose nearest record is `inside` (records,) bool; ties count half."""
    near, far = distances[:, inside].min(1), distances[:, ~inside].min(1)
    return float((near < far).mean() + (near == far).mean() / 2)


def closer_test(
    distances: np.ndarray, inside: np.ndarray, groups: np.ndarray, *, flips: int, seed: int = 0
) -> tuple[float, float]:
    """(share, p-value) of `closer_share` against coins flipped anew, group by group; the p-value is exact for such flips:
    (1 + flips at least as extreme) / (1 + flips) (Phipson & Smyth 2010)."""
    rng = np.random.default_rng(seed)
    found = closer_share(distances, inside)
    order = np.argsort(distances, axis=1, kind="stable")[:, :64]  # the nearest of either side is almost surely among them
    units, member_of = np.unique(groups, return_inverse=True)
    of_unit = np.zeros(len(units), bool)
    of_unit[member_of] = inside
    extreme = 0
    for _ in range(flips):
        flipped = rng.permutation(of_unit)[member_of]
        extreme += _nearest_inside(distances, order, flipped) >= found - 1e-12
    return found, (1 + extreme) / (1 + flips)


def _nearest_inside(distances: np.ndarray, order: np.ndarray, inside: np.ndarray) -> float:
    """`closer_share` where ties with the very nearest record are rare: looked up in the sorted neighbours."""
    rows = np.arange(len(order))
    first_in, first_out = inside[order].argmax(1), (~inside[order]).argmax(1)
    near, far = distances[rows, order[rows, first_in]], distances[rows, order[rows, first_out]]
    known = inside[order].any(1) & (~inside[order]).any(1)
    share = np.where(near == far, 0.5, (near < far).astype(float))
    share[~known] = inside[order[~known, 0]]
    return float(share.mean())


def judge_snapshots(
    snapshots: Mapping[int, Mapping[str, Space]], *, groups: np.ndarray | None = None, gate: Gate | None = None, seed: int = 0
) -> list[GateReport]:
    """A report per snapshot (by images seen) and space. `groups` (2m,): patients of members, then of held-out records."""
    gate = gate or Gate()
    tests = sum(len(spaces) for spaces in snapshots.values())
    return [
        _judge(seen, name, space, groups, gate, tests, seed)
        for seen, spaces in snapshots.items()
        for name, space in spaces.items()
    ]


def _judge(seen: int, name: str, space: Space, groups: np.ndarray | None, gate: Gate, tests: int, seed: int) -> GateReport:
    synthetic, members, held_out = space
    chosen = _equal_parts(len(members), len(held_out), gate.records, seed)
    distances = all_distances(synthetic, np.concatenate([members, held_out])[chosen])
    inside, units = chosen < len(members), chosen if groups is None else groups[chosen]
    share, p_value = closer_test(distances, inside, units, flips=gate.flips, seed=seed)
    copied, chance = (_replicated(synthetic, pool) for pool in (members, held_out))
    near, far = (float(np.median(distances[:, side].min(1))) for side in (inside, ~inside))
    shifted = share >= gate.effect and p_value <= gate.alpha / tests
    vetoed = shifted or copied - chance > gate.copies or near < gate.nearness * far
    return GateReport(seen, name, share, p_value, copied, chance, near, far, vetoed)


def _equal_parts(members: int, held_out: int, most: int, seed: int) -> np.ndarray:
    """As many members as held-out records, at most `most` of each: indices among the members followed by the held-out."""
    count, rng = min(members, held_out, most), np.random.default_rng([seed, 1])
    sides = ((rng.permutation(members)[:count], 0), (rng.permutation(held_out)[:count], members))
    return np.concatenate([np.sort(side) + start for side, start in sides])


def _replicated(synthetic: np.ndarray, pool: np.ndarray) -> float:
    """Share nearer to their nearest record than to a third of the distance to the second nearest."""
    distances = nearest_two(synthetic, pool)[0]
    return float((distances[:, 0] < distances[:, 1] / 3).mean())


def all_distances(queries: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Root-mean-square distances float64 (queries, pool)."""
    from scipy.spatial.distance import cdist

    a, b = (np.ascontiguousarray(x).reshape(len(x), -1).astype(np.float64) for x in (queries, pool))
    return np.asarray(cdist(a, b) / np.sqrt(a.shape[1]))


def passing(reports: Sequence[GateReport]) -> list[int]:
    """Images seen of the snapshots that no space vetoes, in order."""
    vetoed = {report.images_seen for report in reports if report.vetoed}
    return sorted({report.images_seen for report in reports} - vetoed)
