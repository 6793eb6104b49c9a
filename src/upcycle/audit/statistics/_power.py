"""How many records, canaries and pipelines a wanted bound needs, and what a given number can see."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from upcycle.audit.statistics._auc import null_deviation
from upcycle.audit.statistics._binomial import upper_limit
from upcycle.audit.statistics._epsilon import epsilon_cap
from upcycle.audit.statistics._one_run import one_run_epsilon
from upcycle.audit.statistics._tpr import LEAST_FALSE_POSITIVES, order_statistics, tail_ahead
from upcycle.audit.statistics._values import expit, least_count, normal_or_t_quantile
from upcycle.errors import AuditInputError

_MOST = 10_000_000


@dataclass(frozen=True)
class Need:
    """One line of a power table: what is wanted, and the least number of `unit` that gives it (None: no number
    does)."""

    want: str
    number: int | None
    unit: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def detectable_auc(n_members: int, n_non_members: int, alpha: float, power: float = 0.8) -> float:
    """The AUC that a one-sided test at level `alpha` finds with probability `power`, at most 1."""
    return min(0.5 + (_z(1 - alpha) + _z(power)) * null_deviation(n_members, n_non_members), 1.0)


def detectable_tpr(n_members: int, n_non_members: int, fpr: float, alpha: float, power: float = 0.8) -> float:
    """The TPR at `fpr` that the exact test at level `alpha` finds with probability `power`; 1 where none is.

    The least count of members ahead of the non-member order statistic that is significant, and the rate at which as
    many come with that probability.
    """
    from scipy.special import betaincinv

    if n_non_members * fpr < LEAST_FALSE_POSITIVES - 1e-9:
        return 1.0
    position = math.floor(n_non_members * fpr + 1e-9) + 1

    ahead = least_count(lambda count: tail_ahead(count, n_members, position, n_non_members) <= alpha, n_members)
    if ahead is None:
        return 1.0
    return float(betaincinv(ahead, n_members - ahead + 1, power))  # P(Binomial(m, rate) >= ahead) = power


def records_needed(distance: float, confidence: float = 0.95, power: float = 0.8) -> int:
    """Records on each side for a two-sided AUC interval to exclude a value at `distance` with probability `power`."""
    z = _z(0.5 + confidence / 2) + _z(power)
    return math.ceil(z**2 / (6 * distance**2))


def non_members_needed(fpr: float) -> int:
    """Non-members for three expected false positives at `fpr`: fewer and the rate is refused."""
    _check_share("fpr", fpr)
    return math.ceil(LEAST_FALSE_POSITIVES / fpr - 1e-9)


def non_members_for_limit(fpr: float, confidence: float = 0.95) -> int:
    """Independent non-members from which the largest surely has a true false positive rate of at most `fpr`; with fewer, the
    lower limit of a TPR is 0 however well the attack does."""
    _check_share("fpr", fpr)
    return math.ceil(math.log((1 - confidence) / 4) / math.log1p(-fpr))


def records_for_margin(margin: float, fpr: float, confidence: float = 0.95, power: float = 0.8) -> int | None:
    """Records on each side for the upper limit of the TPR at `fpr` to fall below `margin` with probability `power` where
    nothing leaks; None where none do."""
    _check_share("margin", margin)
    _check_share("fpr", fpr)
    if margin <= fpr:
        return None

    def enough(n: int) -> bool:
        if n * fpr < LEAST_FALSE_POSITIVES:
            return False
        tail = (1 - confidence) / 4
        _, loose = order_statistics(n, n, fpr, tail)
        most = least_count(lambda count: upper_limit(count, n, tail) >= margin, n)  # one member more than may be found
        return most is not None and loose <= n and tail_ahead(most, n, loose, n) <= 1 - power

    return least_count(enough, 1_000_000)


def canaries_for_epsilon(
    epsilon: float, *, leak: float | None = None, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Canaries for a one-run bound of `epsilon` on all of them with probability `power`: from a perfect attack, or from one
    that is right with the odds exp(`leak`); None where no number gives it.

    Half of the guesses say "member", but coins seldom make half of the canaries members: as many guesses are wrong as the
    number of members is away from a half.
    """
    if epsilon <= 0:
        raise AuditInputError(f"epsilon must be above 0. Got {epsilon:g}. Give the bound you want to be able to show.")

    def enough(m: int) -> bool:
        return one_run_epsilon(m, m, _right_guesses(m, leak, power), confidence=confidence) >= epsilon

    return least_count(enough, _MOST)


def _right_guesses(m: int, leak: float | None, power: float) -> int:
    """Right guesses on `m` canaries that an attack with these odds reaches with probability `power`."""
    from scipy.stats import binom

    uneven = math.ceil(binom.ppf((1 + power) / 2, m, 0.5) - m / 2)
    right = m if leak is None else int(binom.ppf(1 - power, m, expit(leak)))
    return int(max(right - uneven, 0))


def records_for_epsilon(epsilon: float, confidence: float = 0.95) -> int | None:
    """Records on each side for a perfect attack to show `epsilon` by a split threshold (half of them choose it)."""
    half = least_count(lambda n: epsilon_cap(n, n, confidence=confidence) >= epsilon, _MOST)
    return None if half is None else 2 * half


def pipelines_needed(canaries: int, fpr: float) -> int:
    """Pipelines for three expected false positives at `fpr` among all pairs, half of the canaries being out of each; at
    least two."""
    if canaries < 2:
        raise AuditInputError(f"canaries must be at least 2. Got {canaries}. Plant more.")
    return max(math.ceil(non_members_needed(fpr) / (canaries / 2)), 2)


def power_table(
    *, auc: float, fpr: float, margin: float, epsilon: float, canaries: int, confidence: float, power: float
) -> tuple[Need, ...]:
    """What each wanted bound needs, one line each. Raises AuditInputError."""
    given = {"auc": auc, "fpr": fpr, "margin": margin, "epsilon": epsilon, "canaries": canaries}
    for name, value in {**given, "confidence": confidence, "power": power}.items():
        if not isinstance(value, int | float):
            raise AuditInputError(f"{name} must be a number. Got {type(value).__name__}. See help(power_table).")
    _check_share("fpr", fpr)
    _check_share("margin", margin)
    if not 0.5 < auc < 1:
        raise AuditInputError(f"auc must be between 0.5 and 1. Got {auc:g}. Give the AUC that must not be missed.")
    sure = f"in {power:.0%} of audits"
    return (
        Need(f"tell an AUC of {auc:g} from chance {sure}", records_needed(auc - 0.5, confidence, power), "records per side"),
        Need(f"print a TPR at {fpr:g} FPR", non_members_needed(fpr), "non-members"),
        Need(f"print it from {canaries} canaries", pipelines_needed(canaries, fpr), "pipelines"),
        Need(
            f"lift the lower limit of a TPR at {fpr:g} FPR above 0",
            non_members_for_limit(fpr, confidence),
            "independent non-members",
        ),
        Need(
            f"bring the upper limit of the TPR at {fpr:g} FPR below {margin:g} {sure} if nothing leaks",
            records_for_margin(margin, fpr, confidence, power),
            "records or canaries per side",
        ),
        Need(
            f"show epsilon >= {epsilon:g} in one run {sure}, by a perfect attack",
            canaries_for_epsilon(epsilon, confidence=confidence, power=power),
            "canaries",
        ),
        Need(
            f"show epsilon >= {epsilon:g} by a split threshold, by an attack that tells all records apart",
            records_for_epsilon(epsilon, confidence),
            "records per side",
        ),
    )


def _z(probability: float) -> float:
    return normal_or_t_quantile(probability, None)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise AuditInputError(f"{name} must be between 0 and 1. Got {value:g}. Give a fraction, such as 0.01.")
