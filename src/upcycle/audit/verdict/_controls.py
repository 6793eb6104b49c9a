"""Controls that run with every audit, of one run or several: a broken audit must say so instead of giving a number."""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle._random import numpy_rng
from upcycle.audit.statistics import Rate, Scores, auc_interval
from upcycle.audit.verdict._part import Part, Role
from upcycle.audit.verdict._row import Control, Wanted
from upcycle.audit.verdict._rule import Rule

LEAST_ON_A_SIDE: Final = 2  # units: one alone has no spread


def negative(control: str, target: str, attack: str, s: Scores, rule: Rule, *, among: int) -> Control:
    """A control that must contain 0.5, with its share of the error of `among` such controls of its kind."""
    return Control(control, target, attack, Wanted.CHANCE, auc_interval(s, 1 - rule.control_error / among))


def positive(part: Part, attack: str, auc: Rate) -> Control:
    """The attack on a part that an audit must see leak before it clears anything."""
    what = "made to remember" if part.role is Role.CONTROL else part.name
    return Control(f"positive: {what}", part.name, attack, Wanted.POWER, auc)


def halves(s: Scores, seed: int) -> Scores | None:
    """The non-members of each run, half of whose units are called members: nothing may tell them apart. None where they are
    too few in a run, or a half of all would be a single unit."""
    rng, members = numpy_rng(seed, "control-halves"), np.zeros(len(s.values), bool)
    for run in distinct(s.runs):
        outside = (s.runs == run) & ~s.members
        members |= outside & np.isin(s.units, _half(s.units[outside], rng))
    outside, runs = ~s.members, len(distinct(s.runs))
    for side in (members, outside & ~members):
        if len(distinct(s.runs[side])) < runs or len(distinct(s.units[side])) < LEAST_ON_A_SIDE:
            return None
    return Scores(s.values[outside], members[outside], s.units[outside], s.runs[outside])


def shuffled(s: Scores, seed: int) -> Scores:
    """Coins drawn again, after the fact, for complementary halves: no attack may find out how they fell."""
    rng, members = numpy_rng(seed, "control-shuffle"), np.zeros(len(s.values), bool)
    for pair in distinct(s.pairs):
        inside = np.isin(s.units, _half(s.units, rng))
        members |= (s.pairs == pair) & (inside ^ (s.runs % 2 == 1))
    return Scores(s.values, members, s.units, s.runs)


def _half(units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random half of the distinct units, so that neither half is ever a single patient."""
    return rng.permutation(distinct(units))[::2]
