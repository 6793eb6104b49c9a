"""How well membership of the worst-protected record can be told: limits that hold over all records at once."""

import numpy as np

from upcycle.audit.statistics._binomial import lower_limit, upper_limit
from upcycle.audit.statistics._values import Rate


def worst_of(wins: np.ndarray, pairs: int, confidence: float = 0.95, ties: np.ndarray | None = None) -> Rate:
    """The largest rate of right guesses over records, with limits; each limit errs with (1 - confidence) / 2.

    `wins` int (records,): in how many of `pairs` independent pairs of pipelines the one that was given the record was told from
    the other; `ties` (records,): pairs that a coin would decide, which count against either limit.

    The upper limit is the largest of the records' exact one-sided limits (Clopper & Pearson 1934). It needs no correction for
    their number: the record with the largest true rate is one record, and its own limit holds with the whole error, however the
    records depend on each other. The lower limit does (Bonferroni over records), since the record with most wins was picked.
    """
    error, tied = (1 - confidence) / 2, np.zeros(len(wins)) if ties is None else np.asarray(ties)
    most, least = int((wins + tied).max()), int(wins.max())
    value = float((wins + tied / 2).max()) / pairs
    return Rate(value, lower_limit(least, pairs, error / len(wins)), upper_limit(most, pairs, error))


def worst_by_luck(records: int, pairs: int, confidence: float = 0.95) -> float:
    """The upper limit of `worst_of` in every second audit of a model that tells nothing, for independent records."""
    from scipy.stats import binom

    most = int(binom.ppf(0.5 ** (1 / records), pairs, 0.5))
    return upper_limit(most, pairs, (1 - confidence) / 2)
