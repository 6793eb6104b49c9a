"""The true positive rate at a low false positive rate: resolvable or refused, limits that hold after the choice of the
threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.statistics._binomial import lower_limit, upper_limit
from upcycle.audit.statistics._clusters import design_effect_above, effective_trials
from upcycle.audit.statistics._scores import Scores
from upcycle.audit.statistics._values import NotResolvable, Rate, last_true

LEAST_FALSE_POSITIVES: Final = 3.0
_OF_THRESHOLD: Final = 0.2  # of the error of a limit, where the non-members are many
_LEAST_HITS: Final = 10  # members above a threshold from which their dependence is measured
_SMALLEST: Final = math.log(1e-12)  # p-value that limits are searched for


def tpr_at_fpr(s: Scores, fpr: float, confidence: float = 0.95) -> Rate | NotResolvable:
    """Share of members found at a false positive rate of `fpr`; NotResolvable below three expected false positives.

    `value`: the largest TPR whose empirical, block-tied FPR is <= fpr. `low`, `high` hold for the TPR at the *true*
    FPR, after the choice of the threshold: `low` counts members above a non-member order statistic whose true FPR is <=
    fpr, `high` above one whose true FPR is >= fpr (each with error alpha/4, by the Beta law of order statistics, free
    of the scores' law and conservative under ties), then takes the one-sided Clopper-Pearson limit over the members
    (error alpha/4). So each limit alone errs with at most (1 - confidence) / 2, and `low` > fpr is evidence of a leak.
    Thresholds depend on non-members only, hence the binomial over the members is exact.

    Where entries depend on each other, counts shrink to `effective_trials`. In one run three false positives must come from
    three units. Limits of a single pair of pipelines are about that pair.
    """
    ranked = _Ranked.of(s, fpr)
    return ranked if isinstance(ranked, NotResolvable) else ranked.rate(confidence)


def tpr_at_common_fpr(s: Scores, everyone: Scores, fpr: float, confidence: float = 0.95) -> Rate | NotResolvable:
    """Share of the members of `s` above the one threshold that a share `fpr` of the non-members of `everyone` exceeds: of
    several runs, by scores that mean the same for every record of any run. NotResolvable below three expected false positives.

    Members and non-members of one kind of record alone cannot bound a rate near `fpr`: a limit of 3 % at 1 % needs about 1,300
    of each, since a handful of non-members must place the threshold. `everyone` places it almost exactly. A fifth of the error
    of each limit is for the threshold, by the effective number of its non-members; the rest for the binomial over the members,
    whose number shrinks by the design effect measured at the threshold, or where at least _LEAST_HITS of them lie above.
    """
    outside = np.sort(everyone.outside)[::-1]
    n, error = len(outside), (1 - confidence) / 2
    if n * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        return NotResolvable(fpr, math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9), "non-members")
    at = float(outside[math.floor(n * fpr + 1e-9)])
    free = n / max(design_effect_above(everyone, ~everyone.members, t) for t in (at, float(outside[n // 10])))
    strict, loose = _pooled_positions(n, free, fpr, error * _OF_THRESHOLD)
    low, high = 0.0, 1.0
    if strict:
        low = lower_limit(*_found_above(s, float(outside[strict - 1])), error * (1 - _OF_THRESHOLD))
    if loose <= n:
        high = upper_limit(*_found_above(s, float(outside[loose - 1])), error * (1 - _OF_THRESHOLD))
    return Rate(float((s.inside > at).mean()), low, high)


def _found_above(s: Scores, threshold: float) -> tuple[float, float]:
    """Members above, and members in all, both shrunk to what scatters as independent ones would."""
    inside, count = np.sort(s.inside)[::-1], int(s.members.sum())
    measured = min(threshold, float(inside[min(_LEAST_HITS, count - 1)]))
    trials = count / design_effect_above(s, s.members, measured)
    return float((inside > threshold).mean()) * trials, trials


def tpr_p_value(s: Scores, fpr: float) -> float:
    """p of "members are found at `fpr` no more often than non-members"; 1 where `fpr` is not resolvable.

    Of independent entries it is exact: were membership exchangeable, the number of members ahead of a given non-member order
    statistic would be negative hypergeometric. Otherwise it is the smallest error at which the lower limit exceeds `fpr`.
    """
    ranked = _Ranked.of(s, fpr)
    if isinstance(ranked, NotResolvable):
        return 1.0
    if s.independent:
        position = math.floor(len(ranked.outside) * fpr + 1e-9) + 1
        return tail_ahead(ranked.found(position), len(ranked.inside), position, len(ranked.outside))

    def hidden(log_error: float) -> bool:
        return ranked.rate(1 - 2 * math.exp(log_error)).low <= fpr

    if hidden(math.log(0.5)):
        return 1.0
    return math.exp(last_true(hidden, _SMALLEST, math.log(0.5), 1e-6))


def tail_ahead(ahead: int, members: int, position: int, non_members: int) -> float:
    """P(at least `ahead` members score above the position-th largest non-member) where membership is exchangeable:
    negative hypergeometric, which is beta-binomial with the Beta law of the order statistic."""
    from scipy.special import betaln, gammaln

    if ahead <= 0:
        return 1.0
    k = np.arange(ahead, members + 1)
    choose = gammaln(members + 1) - gammaln(k + 1) - gammaln(members - k + 1)
    rest = non_members - position + 1
    law = np.exp(choose + betaln(k + position, members - k + rest) - betaln(position, rest))
    return min(float(law.sum()), 1.0)


def order_statistics(n: int, free: float, fpr: float, error: float) -> tuple[int, int]:
    """Positions among n descending non-members whose exceedance probability is surely <= fpr (0: none is) and surely >
    fpr.

    The exceedance of the j-th largest of n independent ones is Beta(j, n - j + 1); with `free` < n of them the counts
    scale by free / n.
    """
    from scipy.special import betainc

    position = np.arange(1, n + 1)
    above = (position - 1) * free / n
    strict = int((betainc(above + 1, free - above, fpr) >= 1 - error).sum())
    reached = position * free / n
    loose = int((betainc(reached, free - reached + 1, fpr) > error).sum()) + 1
    return strict, loose


def _pooled_positions(n: int, free: float, fpr: float, error: float) -> tuple[int, int]:
    """The same of n non-members that scatter as `free` independent ones do."""
    from scipy.special import bdtr

    size = max(int(free), 1)
    at_most = bdtr(np.arange(size + 1), size, fpr)
    return math.floor((at_most <= error).sum() / size * n), math.ceil(((at_most < 1 - error).sum() + 1) / size * n)


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Scores of non-members, descending, and of members; the effective number of each; and whether they come of one run."""

    outside: np.ndarray
    inside: np.ndarray
    effective: tuple[float, float]
    single: bool
    fpr: float

    @classmethod
    def of(cls, s: Scores, fpr: float) -> _Ranked | NotResolvable:
        outside, needed = np.sort(s.outside)[::-1], math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9)
        if len(outside) * fpr < LEAST_FALSE_POSITIVES - 1e-9:
            return NotResolvable(fpr, needed, "non-members" if s.independent or not s.single else _GROUPS)
        members, free = effective_trials(s, fpr)
        if s.single and free * fpr < LEAST_FALSE_POSITIVES - 1e-9:
            return NotResolvable(fpr, needed, _GROUPS)
        return cls(outside, s.inside, (members, free), s.single, fpr)

    def found(self, position: int) -> int:
        """Members above the position-th largest non-member; all of them past the last."""
        return len(self.inside) if position > len(self.outside) else int((self.inside > self.outside[position - 1]).sum())

    def rate(self, confidence: float) -> Rate:
        n, m, error = len(self.outside), len(self.inside), (1 - confidence) / 4
        strict, loose = self._positions(error)
        trials = self.effective[0]
        low = lower_limit(self.found(strict) / m * trials, trials, error) if strict else 0.0
        at = self.found(math.floor(n * self.fpr + 1e-9) + 1)
        return Rate(at / m, low, upper_limit(self.found(loose) / m * trials, trials, error))

    def _positions(self, error: float) -> tuple[int, int]:
        n, free = len(self.outside), self.effective[1]
        if self.single:
            return order_statistics(n, free, self.fpr, error)
        return _pooled_positions(n, free, self.fpr, error)


_GROUPS: Final = "independent groups of non-members"
