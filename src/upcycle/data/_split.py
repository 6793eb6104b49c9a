"""Cutting a pool into parts: splits that were not given, and members against non-members. Groups stay on one side."""

from __future__ import annotations

import hashlib

import numpy as np

from upcycle._random import numpy_rng
from upcycle.data._imageset import ImageSet


def image_hashes(images: np.ndarray) -> np.ndarray:
    """One 16-byte hash per image, dtype S16 (n,); equal exactly for byte-identical images."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    digests = [
        hashlib.blake2b(row.data, digest_size=15).digest() + b"\x01" for row in flat
    ]  # no trailing zero byte, which S drops
    return np.array(digests, dtype="S16")


def units(data: ImageSet) -> np.ndarray:
    """int64 (n,): records with equal numbers must stay together, being of one group or byte-identical copies."""
    _, copies = np.unique(image_hashes(data.images), return_inverse=True)
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


def cut(data: ImageSet, share: float, *, seed: int, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Sorted index arrays (rest, part), `part` about `share` of the records, stratified by class and whole by unit."""
    unit = units(data)
    numbers, first = np.unique(unit, return_index=True)
    order = numpy_rng(seed, "split", key).permutation(len(numbers))
    sizes = np.bincount(unit, minlength=int(unit.max()) + 1)[numbers]
    label = data.labels[first]  # a unit counts for the class of its first record
    chosen = np.zeros(len(numbers), bool)
    for value in np.unique(label):
        mine = order[label[order] == value]
        reached = np.cumsum(sizes[mine])
        target = share * reached[-1]
        chosen[mine[reached - sizes[mine] / 2 <= target]] = True
        if len(mine) > 1 and chosen[mine].all():
            chosen[mine[-1]] = False
    part = np.isin(unit, numbers[chosen])
    return np.flatnonzero(~part), np.flatnonzero(part)


def draw_members(train: ImageSet, *, share: float, at_least: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted index arrays (members, non_members) by coin flips over whole units.

    About max(share * n, at_least) records stay out, never more than a quarter. Every class keeps a member: a draw that would
    empty one is drawn again. Not stratified: a stratified draw would not be independent between records.
    """
    unit, n = units(train), len(train)
    target = min(max(share * n, at_least), n / 4) if share > 0 else 0.0
    numbers = np.unique(unit)
    sizes = np.bincount(unit, minlength=int(unit.max()) + 1)[numbers]
    for attempt in range(100):
        order = numpy_rng(seed, "members", attempt).permutation(len(numbers))
        reached = np.cumsum(sizes[order])
        outside = np.isin(unit, numbers[order[reached <= round(target)]])
        if len(np.unique(train.labels[~outside])) == len(np.unique(train.labels)):
            break
    return np.flatnonzero(~outside), np.flatnonzero(outside)
