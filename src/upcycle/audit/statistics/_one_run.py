"""Lower bounds from ONE training run over independent fair coin flips (Steinke, Nasr & Jagielski 2023, arXiv:2305.08846;
f-DP: Mahloujifar, Melis & Chaudhuri 2024, arXiv:2410.22235). No independence between records is needed, only the coins.
"""

from collections.abc import Callable, Sequence

import numpy as np

from upcycle.audit.statistics._epsilon import EpsilonBound, GaussianBound, by_unit
from upcycle.audit.statistics._scores import Scores
from upcycle.audit.statistics._values import expit, last_true
from upcycle.errors import AuditInputError


def one_run_bound(
    s: Scores,
    *,
    guesses: int | Sequence[int] | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    delta: float = 0.0,
) -> EpsilonBound:
    """The largest epsilon that the number of right guesses rules out.

    The auditor guesses "member" for the highest and "non-member" for the lowest scores, `guesses` in all (None: every
    record), and abstains between. The number is fixed beforehand; of several numbers the best bound counts, each with
    its share of the error. Ties are broken by a coin that never saw membership. A unit of several records has one flip and
    one mean score. Raises AuditInputError where membership cannot have come from fair flips.
    """
    right, counts, m = _guess(s, guesses, seed)
    each = 1 - (1 - confidence) / len(counts)
    low = max(one_run_epsilon(m, k, hits, confidence=each, delta=delta) for k, hits in zip(counts, right, strict=True))
    cap = max(one_run_epsilon(m, k, k, confidence=each, delta=delta) for k in counts)
    return EpsilonBound("one run", low, cap, confidence, delta)


def one_run_at_threshold(s: Scores, threshold: float, *, confidence: float = 0.95, delta: float = 0.0) -> EpsilonBound:
    """The bound where every record is guessed: "member" above a `threshold` known beforehand, "non-member" elsewhere."""
    scores, members = by_unit(s)
    m, right = len(scores), int(((scores > threshold) == members).sum())
    _check_coin(int(members.sum()), m)
    low, cap = (one_run_epsilon(m, m, hits, confidence=confidence, delta=delta) for hits in (right, m))
    return EpsilonBound("one run", low, cap, confidence, delta)


def one_run_gaussian(
    s: Scores, *, guesses: int | Sequence[int] | None = None, seed: int = 0, confidence: float = 0.95
) -> GaussianBound:
    """The largest mu for which mu-GDP is ruled out by the guesses of `one_run_bound`."""
    right, counts, m = _guess(s, guesses, seed)
    error = (1 - confidence) / len(counts)
    mu = max(one_run_mu(m, k, hits, confidence=1 - error) for k, hits in zip(counts, right, strict=True))
    return GaussianBound(mu, confidence)


def one_run_p_value(canaries: int, guesses: int, right: int, epsilon: float, delta: float = 0.0) -> float:
    """P("at least `right` of `guesses` are right") at most, were the mechanism (epsilon, delta)-DP (Steinke et al.,
    theorem 5.2)."""
    from scipy.special import bdtrc

    q = expit(epsilon)
    beta = float(bdtrc(right - 1, guesses, q)) if right > 0 else 1.0
    if delta == 0 or right == 0:
        return beta
    i = np.arange(1, right + 1)
    nearer = np.where(i < right, bdtrc(np.maximum(right - i - 1, 0), guesses, q), 1.0)
    alpha = max(float(((nearer - beta) / i).max()), 0.0)
    return min(beta + 2 * canaries * delta * alpha, 1.0)


def one_run_epsilon(canaries: int, guesses: int, right: int, *, confidence: float = 0.95, delta: float = 0.0) -> float:
    """The largest epsilon that is refuted at `confidence` by `right` of `guesses` right; 0 where none is."""
    _check_counts(canaries, guesses, right)
    return _largest(lambda epsilon: one_run_p_value(canaries, guesses, right, epsilon, delta) <= 1 - confidence)


def one_run_mu(canaries: int, guesses: int, right: int, *, confidence: float = 0.95) -> float:
    """The largest mu for which mu-GDP is refuted at `confidence` by `right` of `guesses` right (Mahloujifar et al.,
    algorithm 3); 0 where none is."""
    _check_counts(canaries, guesses, right)
    return _largest(lambda mu: _refutes_gaussian(mu, canaries, guesses, right, 1 - confidence))


def _refutes_gaussian(mu: float, canaries: int, guesses: int, right: int, error: float) -> bool:
    """Backward recursion over the number of right guesses: probability mass that every tail can have at most."""
    from scipy.special import ndtr, ndtri

    hit, miss = error * right / canaries, error * (guesses - right) / canaries
    for i in range(right - 1, -1, -1):
        least = float(ndtr(ndtri(hit) - mu))
        if least <= miss:
            break
        hit, miss = min(hit + i / (guesses - i) * (least - miss), 1.0), least
    return hit + miss > guesses / canaries


def _largest(refuted: Callable[[float], bool]) -> float:
    """The largest value in 0..64 that is refuted, if refutation is monotone; 0 where 0 is not."""
    return last_true(refuted, 0.0, 64.0, 1e-7) if refuted(0.0) else 0.0


def _guess(s: Scores, guesses: int | Sequence[int] | None, seed: int) -> tuple[list[int], list[int], int]:
    """Right guesses for each number of guesses, those numbers, and the number of coins."""
    scores, members = by_unit(s)
    m = len(scores)
    counts = [m] if guesses is None else [guesses] if isinstance(guesses, int) else list(guesses)
    if not counts or not all(1 <= k <= m for k in counts):
        raise AuditInputError(f"guesses must be between 1 and the {m} canaries. Got {counts}. Fix their number beforehand.")
    _check_coin(int(members.sum()), m)
    lottery = np.random.default_rng([seed, *b"ties"]).permutation(m)  # never the stream that may have flipped the coins
    hits = members[np.lexsort((lottery, -scores))]
    right = [int(hits[: (k + 1) // 2].sum() + (~hits[m - k // 2 :]).sum()) for k in counts]
    return right, counts, m


def _check_coin(inside: int, m: int) -> None:
    from scipy.special import bdtr

    if 2 * min(float(bdtr(inside, m, 0.5)), float(bdtr(m - inside, m, 0.5))) < 1e-6:
        raise AuditInputError(
            f"members must come from independent fair coin flips for a one-run bound. Got {inside} of {m}. "
            "Flip a coin per canary, or use the split bound."
        )


def _check_counts(canaries: int, guesses: int, right: int) -> None:
    if not 0 <= right <= guesses <= canaries or guesses < 1:
        raise AuditInputError(
            f"right guesses must be <= guesses <= canaries. Got {right}, {guesses} and {canaries}. Count again."
        )
