"""Lower bound on epsilon from attacks on several pipelines, and whom it is about."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from upcycle.audit._binomial import lower_limit
from upcycle.audit._canaries import Records
from upcycle.audit._epsilon import EpsilonBound
from upcycle.audit._normal import NotResolvable, Rate
from upcycle.audit._pooled import Pool, effective_trials

EpsilonUnit = Literal["one record", "one record, given twice", "records that share a coin"]
ONE: Final = "one record"
TWICE: Final = "one record, given twice"
TOGETHER: Final = "records that share a coin"
FPR: Final = 0.01


def pooled_epsilon(p: Pool, found: Rate | NotResolvable, confidence: float = 0.95) -> EpsilonBound:
    """log(TPR low / 0.01) at delta 0, at least 0: the mechanism is not epsilon-DP for any epsilon below it. `found`: the pool's
    TPR at FPR, by `pooled_tpr`.

    `pooled_tpr` counts members above a non-member order statistic whose true false positive rate is at most 1 %, not 1 % among
    the non-members at hand: the error of that choice and the members' binomial each take (1 - confidence) / 4, so the bound
    errs with at most (1 - confidence) / 2. `cap`: what finding every member would have given, with scores that depend on each
    other as these do; 0 where so few effective non-members cannot show a rate of 1 %.
    """
    error, nothing = (1 - confidence) / 4, EpsilonBound("pooled", 0.0, 0.0, confidence, 0.0)
    if isinstance(found, NotResolvable):
        return nothing
    members, outside = effective_trials(p, FPR)
    if (1 - FPR) ** int(outside) > error:
        return nothing
    low, cap = (math.log(max(rate, FPR) / FPR) for rate in (found.low, lower_limit(members, members, error)))
    return replace(nothing, low=low, cap=cap)


def epsilon_unit(records: Records, units: np.ndarray, used: np.ndarray) -> EpsilonUnit:
    """Whom a bound on the records `used` bool (n,) protects or betrays: ONE record, one given TWICE, or, where a coin was
    thrown for several records at once, all of them TOGETHER (group privacy; a single record's epsilon may be smaller)."""
    if (np.bincount(units)[units[used]] > 1).any():
        return TOGETHER
    return TWICE if (records.copies[used] > 1).any() else ONE
