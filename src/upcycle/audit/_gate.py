"""The memorisation gate: does a snapshot's output lie nearer to its members than to records it never saw?

The members compared are as many as the held-out records, and which is which was decided by a coin flip; so flipping the coins
again gives the exact distribution of the statistic for a generator that memorised nothing. NumPy only.
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
    nearest member than to a third of the distance to the second nearest (Gu et al. 2023), `replicated_held_out` the same
    against the held-out records: what chance neighbours give.
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
    """When a snapshot is vetoed: `closer` at least `effect` with a p-value at most alpha / tests, or more than `copies` of its
    images replicated beyond what held-out records give."""

    alpha: float = 0.05
    effect: float = 0.55
    copies: float = 0.02
    flips: int = 1_000


Space = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Synthetic images, members and held-out records in one space, each (n, ...); as many members as held-out records."""


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
    count = len(members)
    distances = all_distances(synthetic, np.concatenate([members, held_out]))
    inside = np.arange(len(members) + len(held_out)) < count
    units = np.arange(len(inside)) if groups is None else groups
    share, p_value = closer_test(distances, inside, units, flips=gate.flips, seed=seed)
    to_members, to_others = nearest_two(synthetic, members)[0], nearest_two(synthetic, held_out)[0]
    copied, chance = (float((d[:, 0] < d[:, 1] / 3).mean()) for d in (to_members, to_others))
    vetoed = (share >= gate.effect and p_value <= gate.alpha / tests) or copied - chance > gate.copies
    near, far = (float(np.median(d[:, 0])) for d in (to_members, to_others))
    return GateReport(seen, name, share, p_value, copied, chance, near, far, vetoed)


def all_distances(queries: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Root-mean-square distances float64 (queries, pool)."""
    from scipy.spatial.distance import cdist

    a, b = (np.ascontiguousarray(x).reshape(len(x), -1).astype(np.float64) for x in (queries, pool))
    return np.asarray(cdist(a, b) / np.sqrt(a.shape[1]))


def passing(reports: Sequence[GateReport]) -> list[int]:
    """Images seen of the snapshots that no space vetoes, in order."""
    vetoed = {report.images_seen for report in reports if report.vetoed}
    return sorted({report.images_seen for report in reports} - vetoed)
