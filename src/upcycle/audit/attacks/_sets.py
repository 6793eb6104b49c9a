"""Set-level attack: whose records were used, judged by many records of one owner, patient or site at once (dataset
inference: Maini et al. 2021, arXiv:2104.10706; set-level tests after distillation: arXiv:2502.02970)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks._card import AttackCard
from upcycle.audit.statistics import NotResolvable, Rate, check_scores, clopper_pearson
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


def set_p_value(scores: np.ndarray, outside: np.ndarray, *, draws: int = 9999, seed: int = 0) -> float:
    """One-sided p of "the set scores no higher than non-members": share of random splits of `scores` (k,) and `outside`
    (m,) whose first part has as large a mean, the observed split counted; in (0, 1], exact at any size (Phipson & Smyth
    2010)."""
    return (sum(_larger(scores, outside, draws, seed)) + 1) / (draws + 1)


def set_detection(
    scores: np.ndarray,
    members: np.ndarray,
    *,
    sizes: tuple[int, ...] = SET_SIZES,
    fpr: float = 0.01,
    draws: int = 999,
    most: int | None = None,
    seed: int = 0,
) -> tuple[SetDetection, ...]:
    """For each size, how many disjoint random sets of members a permutation test against the non-members finds.

    Given the non-members, disjoint sets are independent, hence Clopper-Pearson's limits (95 %). At most `most` sets a size are
    tested, all by default. A size of which not even one set exists is left unresolved. Raises AuditInputError.
    """
    values, flags = check_scores(scores, members)
    if not 1 / (draws + 1) <= fpr < 1 or not sizes or min(sizes) < 1 or (most is not None and most < 1):
        raise AuditInputError(
            f"fpr must be in 1/(draws + 1)..1, and most and sizes at least 1. Got {fpr} with {draws} draws, {sizes} and "
            f"{most}. Draw more often."
        )
    inside = numpy_rng(seed, "sets of members").permutation(values[flags])
    found = []
    for size in sizes:
        count = min(len(inside) // size, most or len(inside))
        found.append(_detect(inside[: count * size].reshape(count, size), values[~flags], size, fpr, draws, seed))
    return tuple(found)


def smallest_detected(detections: tuple[SetDetection, ...], power: float = 0.5) -> int | None:
    """The smallest size whose detected share is at least `power`, or None."""
    return next((d.size for d in detections if isinstance(d.detected, Rate) and d.detected.value >= power), None)


def patient_scores(scores: np.ndarray, members: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One score per patient, higher for members, and whether the patient is one: float64 (patients,), bool (patients,).

    The score is (mean of the patient's k records - mean of all) sqrt(k) / deviation of all: patients with few records do
    not stand out by chance. Raises AuditInputError, also for a patient on both sides.
    """
    values, flags = check_scores(scores, members)
    groups = np.asarray(groups)
    if groups.shape != values.shape:
        raise AuditInputError(f"groups must have shape {values.shape}. Got {groups.shape}. Give one patient per record.")
    _, index, count = np.unique(groups, return_inverse=True, return_counts=True)
    inside = np.bincount(index, weights=flags)
    both = int(((inside > 0) & (inside < count)).sum())
    if both:
        raise AuditInputError(
            f"patients must be wholly members or wholly non-members. Got {both} on both sides. Flip the coin per patient."
        )
    mean = np.bincount(index, weights=values - values.mean()) / count
    return mean * np.sqrt(count) / max(float(values.std()), 1e-300), inside > 0


def _detect(sets: np.ndarray, outside: np.ndarray, size: int, fpr: float, draws: int, seed: int) -> SetDetection:
    """`sets` float64 (sets, size); every set is compared with splits drawn for it alone."""
    if not len(sets):
        return SetDetection(size, 0, NotResolvable(fpr, size))
    found = sum(_is_found(scores, outside, fpr, draws, derive_seed(seed, "set", size, k)) for k, scores in enumerate(sets))
    low, high = clopper_pearson(found, len(sets))
    return SetDetection(size, len(sets), Rate(found / len(sets), low, high))


def _is_found(scores: np.ndarray, outside: np.ndarray, fpr: float, draws: int, seed: int) -> bool:
    """Is `set_p_value` at most `fpr`? No further split is drawn once it cannot be."""
    larger = 0
    for more in _larger(scores, outside, draws, seed):
        larger += more
        if (larger + 1) / (draws + 1) > fpr:
            return False
    return True


def _larger(scores: np.ndarray, outside: np.ndarray, draws: int, seed: int) -> Iterator[bool]:
    """Of every random split in turn: is the sum of its first part at least that of `scores`, up to rounding?"""
    inside, others = _finite("scores", scores), _finite("outside", outside)
    pool, k = np.concatenate([inside, others]), len(inside)
    rng = numpy_rng(seed, "set splits")
    limit = inside.sum() - 1e-9 * (1 + np.abs(pool).sum())
    for _ in range(draws):
        yield bool(pool[rng.choice(len(pool), k, replace=False, shuffle=False)].sum() >= limit)


def _finite(what: str, scores: np.ndarray) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise AuditInputError(f"{what} must be finite numbers of shape (n >= 1,). Got {values.shape}. Give one per record.")
    return values
