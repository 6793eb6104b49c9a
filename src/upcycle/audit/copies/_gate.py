"""The memorisation gate: does a snapshot's output lie nearer to its members than to records it never saw?

As many members as held-out records are compared, or as many patients, drawn at random; where both come from one pool, flipping
coins again between them gives the exact distribution of the statistic for a generator that memorised nothing. Copies are sought
among all members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from upcycle.audit.copies._copies import Reflip, equal_parts, reflip
from upcycle.audit.copies._nearest import nearest_two


@dataclass(frozen=True)
class GateReport:
    """One snapshot of a generator in one space.

    Attributes:
        images_seen: of the snapshot.
        space: "pixels", or features that were not trained on members.
        closer: share of synthetic images nearer to members than to as many held-out records, ties shared; 0.5 without copies.
        p_value: how often coins flipped again give as much.
        replicated: share nearer to their nearest member than to a third of the distance to the second nearest (Gu et al. 2023).
        replicated_held_out: the same against the held-out records: what chance neighbours give.
        median_to_members: median distance to the nearest of as many members.
        median_to_held_out: median distance to the nearest of as many held-out records.
        vetoed: whether the snapshot is refused.
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
    held-out records. At most `records` of either side are compared, whole patients where they are known."""

    alpha: float = 0.05
    effect: float = 0.55
    copies: float = 0.02
    nearness: float = 0.8
    flips: int = 1_000
    records: int = 1_000


Space = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Synthetic images, members and held-out records in one space, each (n, ...)."""


def closer_test(distances: np.ndarray, inside: np.ndarray, groups: np.ndarray, *, flips: int, seed: int = 0) -> Reflip:
    """`reflip` of the nearest records that `distances` (n, records) show; equally near ones share an image."""
    nearest = distances == distances.min(1, keepdims=True)
    return reflip((nearest / nearest.sum(1, keepdims=True)).sum(0), inside, groups, flips=flips, seed=seed)


def judge_snapshots(
    snapshots: Mapping[int, Mapping[str, Space]], *, groups: np.ndarray | None = None, gate: Gate | None = None, seed: int = 0
) -> list[GateReport]:
    """A report per snapshot (by images seen) and space. `groups` (records,): patients of members, then of held-out records."""
    gate = gate or Gate()
    tests = sum(len(spaces) for spaces in snapshots.values())
    return [
        _judge(seen, name, space, groups, gate, tests, seed)
        for seen, spaces in snapshots.items()
        for name, space in spaces.items()
    ]


def _judge(seen: int, name: str, space: Space, groups: np.ndarray | None, gate: Gate, tests: int, seed: int) -> GateReport:
    synthetic, members, held_out = space
    units = np.arange(len(members) + len(held_out)) if groups is None else groups
    chosen = equal_parts(units, len(members), most=gate.records, seed=seed)
    distances = all_distances(synthetic, np.concatenate([members, held_out])[chosen])
    inside = chosen < len(members)
    found = closer_test(distances, inside, units[chosen], flips=gate.flips, seed=seed)
    copied, chance = (_replicated(synthetic, pool) for pool in (members, held_out))
    near, far = (float(np.median(distances[:, side].min(1))) for side in (inside, ~inside))
    shifted = found.share >= gate.effect and found.p_value <= gate.alpha / tests
    vetoed = shifted or copied - chance > gate.copies or near < gate.nearness * far
    return GateReport(seen, name, found.share, found.p_value, copied, chance, near, far, vetoed)


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
