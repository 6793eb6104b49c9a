"""Scores of few values, such as "was the label right": the exact law of their rank sum, where normal tails mislead.

Given the scores, membership was drawn by coins. The rank sum of members then has a known law, whatever the ties: that of a draw
of units without replacement.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from upcycle.audit.statistics._scores import Scores

_FEW_MOVED: Final = 20.0  # units beside the commonest score, expected on the smaller side: below, no normal law
_DRAWS, _WORK = 20_000, 20_000_000


def coarse(s: Scores) -> bool:
    """Do the scores of a single run take two values, or lie so often at one, that normal tails are wrong?"""
    if not s.single:
        return False
    values, inverse, counts = np.unique(s.values, return_inverse=True, return_counts=True)
    if len(values) == 2:
        return True
    if counts.max() < len(s.values) / 2:
        return False
    moved = len(np.unique(s.units[inverse != counts.argmax()]))
    return moved * min(s.sides) / sum(s.sides) < _FEW_MOVED


def tail(s: Scores, ranks: np.ndarray) -> float:
    """P(the members' rank sum is as large as here), had other coins drawn the members; of a single run. `ranks` (n,): midranks.

    Exact for two values and units of one record; otherwise by 20,000 drawn memberships, the observed one counted (Phipson &
    Smyth 2010), or by Hoeffding's bound for draws without replacement (Hoeffding 1963, section 6) where that is smaller.
    """
    centred = np.bincount(s.units, weights=ranks - ranks.mean())
    member = np.bincount(s.units, weights=s.members) > 0
    levels, place, counts = np.unique(np.round(centred, 9), return_inverse=True, return_counts=True)
    if len(levels) < 2:
        return 1.0
    inside = int(member.sum())
    if len(levels) == 2:
        from scipy.stats import hypergeom

        return float(hypergeom.sf(int(member[place == 1].sum()) - 1, len(centred), int(counts[1]), inside))
    found = float(levels[place][member].sum())
    draws = max(min(_DRAWS, _WORK // len(levels)), 1)
    drawn = np.random.default_rng(0).multivariate_hypergeometric(counts, inside, draws, method="marginals") @ levels
    excess = max(found - inside * float(centred.mean()), 0.0)
    bound = math.exp(-2 * excess**2 / (min(inside, len(centred) - inside) * float(np.ptp(levels)) ** 2))
    return min((1 + int((drawn >= found - 1e-6).sum())) / (1 + draws), bound)


def padded(s: Scores, z: float) -> Scores:
    """The scores with z^2 / 4 more units at either end of either side, from which an interval of normal width covers what it
    promises although a side may have seen nothing but one value (Agresti & Caffo 2000)."""
    count, size = math.ceil(z**2 / 4), max(round(len(s.values) / sum(s.sides)), 1)
    ends = np.repeat([s.values.min(), s.values.max()] * 2, count)
    sides = np.repeat([True, True, False, False], count)
    units = int(s.units.max()) + 1 + np.arange(4 * count)
    more = (np.repeat(ends, size), np.repeat(sides, size), np.repeat(units, size))
    whole = (np.concatenate(pair) for pair in zip((s.values, s.members, s.units), more, strict=True))
    return Scores(*whole)
