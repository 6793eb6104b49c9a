"""Set-level attack: whose records were used, judged by many records of one owner, patient or site at once (dataset
inference: Maini et al. 2021, arXiv:2104.10706; set-level tests after distillation: arXiv:2502.02970)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks._attack import AttackCard
from upcycle.audit.statistics import NotResolvable, Rate, Scores, clopper_pearson
from upcycle.errors import AuditInputError

SET_SIZES: Final = (10, 20, 50, 100, 200, 500)
SET_CARDS: Final = (
    AttackCard(
        "set of records",
        "after Maini et al. 2021, arXiv:2104.10706; arXiv:2502.02970",
        "one score per record of any attack, for the suspected set and for known non-members",
        "the set is wholly in or wholly out; its records are exchangeable with the non-members where it is out",
    ),
    AttackCard(
        "patient",
        "after Maini et al. 2021, arXiv:2104.10706, one set per patient",
        "one score per record of any attack, and the patient of each record",
        "a patient is wholly in or wholly out; patients are exchangeable",
    ),
)


@dataclass(frozen=True)
class SetDetection:
    """Sets of `size` members found at level `fpr`: share with exact limits over disjoint sets, or why there is none."""

    size: int
    sets: int
    detected: Rate | NotResolvable


def set_detection(
    s: Scores,
    *,
    sizes: tuple[int, ...] = SET_SIZES,
    fpr: float = 0.01,
    draws: int = 999,
    most: int | None = None,
    seed: int = 0,
) -> tuple[SetDetection, ...]:
    """For each size, how many disjoint random sets of members a permutation test against the non-members finds.

    The test is one-sided: the share of random splits of set and non-members whose first part has as large a mean, the observed
    split counted (exact at any size: Phipson & Smyth 2010). Given the non-members, disjoint sets are independent, hence
    Clopper-Pearson's limits (95 %). At most `most` sets a size are tested, all by default. A size of which not even one set
    exists is left unresolved. Raises AuditInputError.
    """
    if not 1 / (draws + 1) <= fpr < 1 or not sizes or min(sizes) < 1 or (most is not None and most < 1):
        raise AuditInputError(
            f"fpr must be in 1/(draws + 1)..1, and most and sizes at least 1. Got {fpr} with {draws} draws, {sizes} and "
            f"{most}. Draw more often."
        )
    inside, found = numpy_rng(seed, "sets of members").permutation(s.inside), []
    for size in sizes:
        count = min(len(inside) // size, most or len(inside))
        found.append(_detect(inside[: count * size].reshape(count, size), s.outside, size, fpr, draws, seed))
    return tuple(found)


def patient_scores(s: Scores) -> tuple[np.ndarray, np.ndarray]:
    """One score per unit of a single run, such as a patient, higher for members, and whether it is one: float64 (units,), bool
    (units,).

    The score is (mean of the patient's k records - mean of all) sqrt(k) / deviation of all: patients with few records do
    not stand out by chance.
    """
    count = np.bincount(s.units)
    mean = np.bincount(s.units, weights=s.values - s.values.mean()) / count
    return mean * np.sqrt(count) / max(float(s.values.std()), 1e-300), np.bincount(s.units, weights=s.members) > 0


def _detect(sets: np.ndarray, outside: np.ndarray, size: int, fpr: float, draws: int, seed: int) -> SetDetection:
    """`sets` float64 (sets, size); every set is compared with splits drawn for it alone."""
    if not len(sets):
        return SetDetection(size, 0, NotResolvable(fpr, size))
    found = sum(_is_found(scores, outside, fpr, draws, derive_seed(seed, "set", size, k)) for k, scores in enumerate(sets))
    low, high = clopper_pearson(found, len(sets))
    return SetDetection(size, len(sets), Rate(found / len(sets), low, high))


def _is_found(scores: np.ndarray, outside: np.ndarray, fpr: float, draws: int, seed: int) -> bool:
    """Is the p-value at most `fpr`? No further split is drawn once it cannot be."""
    larger = 0
    for more in _larger(scores, outside, draws, seed):
        larger += more
        if (larger + 1) / (draws + 1) > fpr:
            return False
    return True


def _larger(scores: np.ndarray, outside: np.ndarray, draws: int, seed: int) -> Iterator[bool]:
    """Of every random split in turn: is the sum of its first part at least that of `scores`, up to rounding?"""
    pool, k = np.concatenate([scores, outside]), len(scores)
    rng = numpy_rng(seed, "set splits")
    limit = scores.sum() - 1e-9 * (1 + np.abs(pool).sum())
    for _ in range(draws):
        yield bool(pool[rng.choice(len(pool), k, replace=False, shuffle=False)].sum() >= limit)
