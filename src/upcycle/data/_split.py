"""Cutting a pool into parts: splits that were not given, and members against non-members. Groups stay on one side."""

import numpy as np

from upcycle._arguments import typed
from upcycle._distinct import distinct
from upcycle._random import numpy_rng
from upcycle.data._imageset import ImageSet

_ATTEMPTS = 100  # a draw that breaks a rule is drawn again, from its own seed, so often


@typed()
def units(data: ImageSet) -> np.ndarray:
    """int64 (n,): records with equal numbers must stay together, being of one group or byte-identical copies."""
    _, copies = np.unique(data.hashes(), return_inverse=True)
    if data.groups is None:
        return np.asarray(copies)
    return _connected(np.unique(data.groups, return_inverse=True)[1], copies)


def _connected(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Components of the graph that joins records sharing a `first` or a `second` number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = int(first.max()) + 1
    edges = coo_array((np.ones(len(first)), (first, second + size)), shape=(size + int(second.max()) + 1,) * 2)
    _, component = connected_components(edges, directed=False)
    return np.asarray(component[first])


@typed()
def cut(data: ImageSet, share: float, *, seed: int, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Sorted index arrays (rest, part), `part` about `share` of the records, stratified by class and whole by unit.

    `part` has at least one unit of every class that has two. A draw that takes all of a class is drawn again; `part` is empty
    where none was found that does not.
    """
    unit = np.unique(units(data), return_inverse=True)[1]
    for attempt in range(_ATTEMPTS):
        keys = ("split", key, attempt) if attempt else ("split", key)
        part = _stratified(unit, data.labels, share, numpy_rng(seed, *keys))[unit]
        if np.isin(data.labels, data.labels[~part]).all():
            return np.flatnonzero(~part), np.flatnonzero(part)
    return np.arange(len(data)), np.arange(0)


def _stratified(unit: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """bool (units,): the units chosen, about `share` of the records of each class."""
    numbers, first, sizes = np.unique(unit, return_index=True, return_counts=True)
    order = rng.permutation(len(numbers))
    label = labels[first]  # a unit counts for the class of its first record
    chosen = np.zeros(len(numbers), bool)
    for value in np.unique(label):
        mine = order[label[order] == value]
        reached = np.cumsum(sizes[mine])
        chosen[mine[reached - sizes[mine] / 2 <= share * reached[-1]]] = True
        if len(mine) > 1 and chosen[mine].all():
            chosen[mine[-1]] = False
        elif len(mine) > 1 and not chosen[mine].any():
            chosen[mine[np.argmin(sizes[mine])]] = True
    return chosen


@typed()
def draw_members(train: ImageSet, *, share: float, at_least: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted index arrays (members, non_members) by coin flips over whole units.

    About max(share * n, at_least) records stay out, never more than a quarter, and of few patients as many as are needed to be
    judged (`_patients_out`). Every class keeps a member: a draw that would empty one, or that a large unit cut short by more
    than half, is drawn again. Not stratified: a stratified draw would not be independent between records.
    """
    unit, n = np.unique(units(train), return_inverse=True)[1], len(train)
    least = 0 if train.groups is None or share == 0 else _patients_out(int(unit.max()) + 1)
    target = min(round(max(share * n, at_least)), n // 4) if share > 0 else 0
    best = np.zeros(n, bool)
    for attempt in range(_ATTEMPTS):
        outside = _flip(unit, target, least, numpy_rng(seed, "members", attempt))
        if np.isin(train.labels, train.labels[~outside]).all():
            best = max(best, outside, key=lambda found: (min(_count(unit, found), least), found.sum()))
            if 2 * outside.sum() >= target and _count(unit, outside) >= least:
                break
    else:
        # many classes of one unit each: one unit of every class stays in, the others are flipped once more
        kept = _kept(unit, train.labels, seed)
        best = max(best, _flip(unit, target, least, numpy_rng(seed, "members", "kept"), kept), key=np.sum)
    return np.flatnonzero(~best), np.flatnonzero(best)


def _patients_out(patients: int) -> int:
    """Fewest patients to keep away of so few: a quarter, ten at most, and two of four or more.

    One patient's scores cannot be told from luck; two against two can at least be shown, and with ten the usual share of the
    records is as many.
    """
    return max(min(patients // 4, 10), 2) if patients >= 4 else min(patients - 1, 1)


def _count(unit: np.ndarray, outside: np.ndarray) -> int:
    return len(distinct(unit[outside]))


def _flip(unit: np.ndarray, target: int, least: int, rng: np.random.Generator, kept: np.ndarray | None = None) -> np.ndarray:
    """bool (n,): the records left out, whole units in random order up to `target` records, and `least` units in any case;
    never a unit in `kept`."""
    sizes = np.bincount(unit)
    order = rng.permutation(len(sizes))
    if kept is not None:
        order = order[~np.isin(order, kept)]
    return np.isin(unit, order[(np.cumsum(sizes[order]) <= target) | (np.arange(len(order)) < least)])


def _kept(unit: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """One unit of every class, by chance."""
    shuffled = numpy_rng(seed, "members", "keepers").permutation(len(unit))
    return unit[shuffled[np.unique(labels[shuffled], return_index=True)[1]]]
