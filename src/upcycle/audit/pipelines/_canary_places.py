"""Where canaries fit: in half of every class, in a quarter of a patient's records, as evenly over patients as they go."""

from typing import Final

import numpy as np

from upcycle.data import ImageSet

_SHARE: Final = 4  # at most one canary for this many of a patient's records
PATCHED: Final = 8  # records of a patient that carry a patch, at most


def canary_places(data: ImageSet, rng: np.random.Generator) -> np.ndarray:
    """Rows for canaries in random order: of every patient one, then of every patient a second one, and so on.

    A patient gives a quarter of its records at most, and one in any case; a class gives half.
    """
    order = rng.permutation(len(data))
    if data.groups is not None:
        turn, size = turns(data.groups[order])
        first = np.argsort(turn, kind="stable")
        order = order[first[(turn < np.maximum(size // _SHARE, 1))[first]]]
    labels, room = data.labels[order], np.bincount(data.labels) // 2
    return np.asarray(order[turns(labels)[0] < room[labels]])


def patients_with_room(data: ImageSet, taken: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of a patch for every patient that can carry one, those with the fewest canaries first, then by chance.

    A quarter of the patient's records, two at least and eight at most, all of them free: not `taken` bool (n,). Nothing where
    the data have no groups.
    """
    if data.groups is None:
        return []
    number = np.unique(data.groups, return_inverse=True)[1]
    size, full = np.bincount(number), np.bincount(number, weights=taken)
    wanted, order = np.clip(size // _SHARE, 2, PATCHED), rng.permutation(len(size))
    used, room, chosen = (
        np.bincount(data.labels[taken], minlength=int(data.labels.max()) + 1),
        np.bincount(data.labels) // 2,
        [],
    )
    for patient in order[np.argsort(full[order], kind="stable")]:
        rows = rng.permutation(np.flatnonzero((number == patient) & ~taken))[: wanted[patient]]
        after = used + np.bincount(data.labels[rows], minlength=len(used))
        if len(rows) == wanted[patient] and (after <= room).all():
            used = after
            chosen.append(rows)
    return chosen


def turns(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many equal values come before each (n,), and how many there are in all (n,)."""
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable")
    turn = np.empty(len(values), np.int64)
    turn[order] = np.arange(len(values)) - np.repeat(np.cumsum(count) - count, count)
    return turn, count[index]
