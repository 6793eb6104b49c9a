"""Coins flipped again: do synthetic images lie nearer to members than by chance, if both sides come from one pool?

Many images share their nearest record, so that images are not independent evidence: the records that were flipped are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
