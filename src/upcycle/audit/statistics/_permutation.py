"""Holm's correction, and the audit without shadows: canaries whose wrong label was drawn at random, judged by an exact
permutation test from one run of the real pipeline. Without a leak, the drawn label is exchangeable with the others."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.statistics._binomial import clopper_pearson
from upcycle.audit.statistics._values import Rate
from upcycle.errors import AuditInputError


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values, in the order given: all below alpha may be rejected with family-wise error
    alpha."""
    p = np.asarray(p_values, dtype=np.float64)
    return weighted_holm(p, np.ones(len(p)))


def weighted_holm(p_values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Holm's method with weights (Holm 1979, section 4): a larger weight buys a larger share of the error."""
    p, weights = np.asarray(p_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    ratio = p / weights
    order = np.argsort(ratio, kind="stable")
    left = np.cumsum(weights[order][::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(ratio[order] * left), 1.0)
    return adjusted


LEVELS: Final = 64


@dataclass(frozen=True)
class LabelPermutation:
    """`p_value`: exact, one-sided. `first`: share of canaries whose drawn label scored highest of its candidates (ties
    shared), with Clopper-Pearson limits; `chance`: that share if nothing leaked. `mean_rank`: 1 is highest."""

    canaries: int
    p_value: float
    first: Rate
    chance: float
    mean_rank: float
    candidates: float


def label_permutation(
    scores: np.ndarray, drawn: np.ndarray, candidates: np.ndarray | None = None, confidence: float = 0.95
) -> LabelPermutation:
    """The exact test that the drawn labels score no higher than the other labels that could have been drawn.

    `scores` float (canaries, labels): the model's score of every label for every canary, higher = more likely the
    label it was trained with. `drawn` int (canaries,): the label that a uniform draw gave it. `candidates` bool
    (canaries, labels): the labels that could have been drawn (None: all), without the true one. The statistic sums
    Savage's scores of the drawn label's rank, rounded to 64 levels; its null law is the convolution of every canary's
    own, hence exact whatever the model, the ties and the number of classes. Draws must be independent between canaries.
    Raises AuditInputError.
    """
    scores, drawn, candidates = _check(scores, drawn, candidates)
    levels, ranks = _levels(scores, candidates)
    rows = np.arange(len(drawn))
    p_value = _tail(int(levels[rows, drawn].sum()), levels, candidates)
    best = np.where(candidates, scores, -np.inf).max(axis=1)
    winners = ((scores == best[:, None]) & candidates).sum(axis=1)
    first = float(((scores[rows, drawn] == best) / winners).sum())
    n, sizes = len(drawn), candidates.sum(axis=1)
    limits = clopper_pearson(int(first), n, confidence).low, clopper_pearson(int(np.ceil(first)), n, confidence).high
    return LabelPermutation(
        canaries=n,
        p_value=p_value,
        first=Rate(first / n, *limits),
        chance=float((1 / sizes).mean()),
        mean_rank=float(ranks[rows, drawn].mean()),
        candidates=float(sizes.mean()),
    )


def _levels(scores: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integer Savage scores 0..64 of every candidate's rank, shared by ties, and the midranks (1 = highest)."""
    levels, ranks = np.zeros(scores.shape, dtype=np.int64), np.zeros(scores.shape)
    for row, (values, open_) in enumerate(zip(scores, candidates, strict=True)):
        k = int(open_.sum())
        savage = np.cumsum(1 / np.arange(k, 0, -1))[::-1]  # of rank 1..k; the mean is 1
        _, inverse, counts = np.unique(-values[open_], return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        sums = np.diff(np.append(0.0, np.cumsum(savage)[ends - 1]))
        levels[row, open_] = np.round(LEVELS * (sums / counts / savage[0]))[inverse]
        ranks[row, open_] = (ends - (counts - 1) / 2)[inverse]
    return levels, ranks


def _tail(observed: int, levels: np.ndarray, candidates: np.ndarray) -> float:
    """P(sum of one uniformly drawn level per canary >= observed): direct convolution, exact far into the tail."""
    law = np.ones(1)
    for values, open_ in zip(levels, candidates, strict=True):
        law = np.convolve(law, np.bincount(values[open_], minlength=LEVELS + 1) / open_.sum())
    return min(float(law[observed:].sum()), 1.0)


def _check(scores: np.ndarray, drawn: np.ndarray, candidates: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, drawn = np.asarray(scores), np.asarray(drawn)
    if scores.ndim != 2 or scores.dtype.kind not in "fiu" or len(scores) == 0:
        raise AuditInputError(
            f"canary scores must be numbers of shape (canaries, labels). Got {scores.dtype} {scores.shape}. "
            "Give one score per label."
        )
    candidates = np.ones(scores.shape, dtype=bool) if candidates is None else np.asarray(candidates)
    problems = []
    if candidates.shape != scores.shape or candidates.dtype.kind != "b":
        problems.append(
            f"candidates must be booleans of shape {scores.shape}. Got {candidates.dtype} {candidates.shape}. Mark every label."
        )
    elif not np.isfinite(scores[candidates]).all():
        problems.append("canary scores must be finite for every candidate. Got NaN or infinity. Correct the model.")
    elif (candidates.sum(axis=1) < 2).any():
        problems.append("candidates must number at least 2 per canary. Got fewer. Use a task of three or more classes.")
    if drawn.shape != scores.shape[:1] or drawn.dtype.kind not in "iu":
        problems.append(
            f"drawn labels must be integers of shape ({len(scores)},). Got {drawn.dtype} {drawn.shape}. Give one each."
        )
    elif len(drawn) and not 0 <= drawn.min() <= drawn.max() < scores.shape[1]:
        problems.append(f"drawn labels must be in 0..{scores.shape[1] - 1}. Got others. Use the columns of the scores.")
    elif not problems and not candidates[np.arange(len(drawn)), drawn].all():
        problems.append("drawn labels must be candidates. Got one that could not have been drawn. Check the true labels.")
    if problems:
        raise AuditInputError(*problems)
    return scores.astype(np.float64), drawn.astype(np.int64), candidates
