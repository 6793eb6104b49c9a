"""Controls that run with every audit, of one run or several: a broken audit must say so instead of giving a number."""

from __future__ import annotations

import numpy as np

from upcycle._random import numpy_rng
from upcycle.audit.statistics import Scores, auc_interval
from upcycle.audit.verdict._row import Control, Wanted
from upcycle.audit.verdict._rule import Rule


def negative(control: str, target: str, attack: str, s: Scores, rule: Rule, *, among: int) -> Control:
    """A control that must contain 0.5, with its share of the error of `among` such controls of its kind."""
    return Control(control, target, attack, Wanted.CHANCE, auc_interval(s, 1 - rule.control_error / among))


def halves(s: Scores, seed: int) -> Scores:
    """The non-members of each run, half of whose units are called members: nothing may tell them apart."""
    rng, members = numpy_rng(seed, "control-halves"), np.zeros(len(s.values), bool)
    for run in np.unique(s.runs):
        outside = (s.runs == run) & ~s.members
        members |= outside & np.isin(s.units, _half(s.units[outside], rng))
    return Scores(s.values[~s.members], members[~s.members], s.units[~s.members], s.runs[~s.members])


def shuffled(s: Scores, seed: int) -> Scores:
    """Coins drawn again, after the fact, for complementary halves: no attack may find out how they fell."""
    rng, members = numpy_rng(seed, "control-shuffle"), np.zeros(len(s.values), bool)
    for pair in np.unique(s.pairs):
        inside = np.isin(s.units, _half(s.units, rng))
        members |= (s.pairs == pair) & (inside ^ (s.runs % 2 == 1))
    return Scores(s.values, members, s.units, s.runs)


def _half(units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random half of the distinct units, so that neither half is ever a single patient."""
    return rng.permutation(np.unique(units))[::2]
