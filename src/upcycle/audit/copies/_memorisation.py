"""How near does a generator come to its members, compared with records that it never saw? Diagnostic, not a privacy measure.

Held-out records play the perfect generator: they are as near to the members as independent images of the same population.
A generator that draws plainer images than real ones comes nearer too, without memorising any; one that leaks may stay away.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from upcycle._arguments import typed
from upcycle.audit.copies._nearest import Nearest, nearest_two
from upcycle.audit.statistics import Scores, auc, null_deviation
from upcycle.errors import AuditInputError

NEAR: Final = 0.05  # the share of held-out records that counts as near


_LEAST = 20  # images of a class on either side (Meehan et al. 2020)


_ANCHORED = 1_000  # images of either side whose authenticity is looked at


_CLOSEST = 10


@dataclass(frozen=True)
class Memorisation:
    """Synthetic images compared with held-out records, by their distance to the nearest member, class by class.

    None where no class is large enough. All figures take images as independent: with several images of a patient, chance gives
    more than they say.

    Attributes:
        compared_classes: classes with 20 images on either side.
        c_t: z of the Mann-Whitney test that synthetic images are nearer than held-out records; below 0: nearer.
        c_t_worst: its least value of a class.
        c_t_worst_class: that class.
        c_t_worst_p_value: how often chance gives so little in one of the classes (Meehan et al. 2020).
        near: share of images nearer to a member than the nearest 5 % of held-out records of their class.
        near_expected: what a perfect generator gives.
        near_p_value: how often a perfect generator gives as much.
        authentic: share farther from their nearest member than that is from its own neighbour (Alaa et al. 2022).
        authentic_held_out: the same of held-out records in the same mix of classes.
        authentic_ratio: `authentic` relative to `authentic_held_out`.
        closest: the least distances, in the units of the pixels.
    """

    compared_classes: int
    c_t: float | None
    c_t_worst: float | None
    c_t_worst_class: int | None
    c_t_worst_p_value: float | None
    near: float | None
    near_expected: float | None
    near_p_value: float | None
    authentic: float | None
    authentic_held_out: float | None
    authentic_ratio: float | None
    closest: tuple[float, ...]

    def to_json(self) -> dict[str, float | int | tuple[float, ...] | None]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Side:
    """Images of one side: `distance` float (n,) to the nearest member, which is number `member` (n,), and `labels` (n,)."""

    distance: np.ndarray
    member: np.ndarray
    labels: np.ndarray

    def some(self, most: int, rng: np.random.Generator) -> _Side:
        rows = np.sort(rng.permutation(len(self.labels))[:most])
        return _Side(self.distance[rows], self.member[rows], self.labels[rows])


@typed()
def memorisation(
    synthetic: tuple[np.ndarray, np.ndarray],
    members: np.ndarray,
    held_out: tuple[np.ndarray, np.ndarray],
    *,
    nearest: Nearest | None = None,
    seed: int = 0,
) -> Memorisation:
    """Judge `synthetic` by `held_out`, each (images (n, ...), labels int (n,)), against the `members` (m >= 2, ...).

    Pixels, or features of an encoder that is no model of the members (`pixel_encoder`). At most as many held-out records as
    synthetic images are compared. `nearest`: nearest_two of synthetic images and members, where it is known. Memory stays at
    a block of images times the members. Raises AuditInputError for labels that do not fit, or nothing to compare.
    """
    _check(synthetic, members, held_out)
    rng = np.random.default_rng([seed, 2])
    rows = np.sort(rng.permutation(len(held_out[1]))[: len(synthetic[1])])
    drawn = _side(nearest_two(synthetic[0], members) if nearest is None else nearest, synthetic[1])
    real = _side(nearest_two(held_out[0][rows], members), held_out[1][rows])
    return Memorisation(
        **_c_t(drawn, real),
        **_near(drawn, real),
        **_authentic(drawn.some(_ANCHORED, rng), real.some(_ANCHORED, rng), members),
        closest=tuple(np.sort(drawn.distance)[:_CLOSEST].tolist()),
    )


def _side(nearest: Nearest, labels: np.ndarray) -> _Side:
    return _Side(nearest[0][:, 0], nearest[1], np.asarray(labels))


def _cells(drawn: _Side, real: _Side) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Class -> distances of synthetic images and of held-out records, for classes with enough of both."""
    found = {
        int(label): (drawn.distance[drawn.labels == label], real.distance[real.labels == label])
        for label in np.intersect1d(drawn.labels, real.labels)
    }
    return {label: pair for label, pair in found.items() if min(map(len, pair)) >= _LEAST}


def _c_t(drawn: _Side, real: _Side) -> dict[str, Any]:
    """Classes weigh as their held-out records do, as in Meehan et al.; the sum is scaled so that chance gives it variance 1."""
    from scipy.special import log_ndtr

    cells = _cells(drawn, real)
    if not cells:
        return dict.fromkeys(("c_t", "c_t_worst", "c_t_worst_class", "c_t_worst_p_value")) | {"compared_classes": 0}
    z = {label: _z(*pair) for label, pair in cells.items()}
    weights = np.array([len(others) for _, others in cells.values()], float)
    worst = min(z, key=lambda label: z[label])
    return {
        "compared_classes": len(cells),
        "c_t": float(weights @ list(z.values()) / np.linalg.norm(weights)),
        "c_t_worst": z[worst],
        "c_t_worst_class": worst,
        "c_t_worst_p_value": float(-math.expm1(len(z) * log_ndtr(-z[worst]))),  # of a z of 9, 1 - ndtr is 0
    }


def _z(drawn: np.ndarray, real: np.ndarray) -> float:
    mine = np.arange(len(drawn) + len(real)) < len(drawn)
    return (auc(Scores(np.concatenate([drawn, real]), mine)) - 0.5) / null_deviation(len(drawn), len(real))


def _near(drawn: _Side, real: _Side) -> dict[str, Any]:
    """Images below the k-th least held-out distance of their class, k / (h + 1) at most 5 %: for independent images their
    number is beta-binomial whatever the law of the distances (Wilks 1941)."""
    from scipy.stats import betabinom

    law, count, total, expected = np.ones(1), 0, 0, 0.0
    for mine, others in _cells(drawn, real).values():
        k, h = int(NEAR * (len(others) + 1)), len(others)
        count += int((mine < np.sort(others)[k - 1]).sum())
        total += len(mine)
        expected += len(mine) * k / (h + 1)
        law = np.convolve(law, betabinom.pmf(np.arange(len(mine) + 1), len(mine), k, h + 1 - k))
    if not total:
        return dict.fromkeys(("near", "near_expected", "near_p_value"))
    return {"near": count / total, "near_expected": expected / total, "near_p_value": min(1.0, float(law[count:].sum()))}


def _authentic(drawn: _Side, real: _Side, members: np.ndarray) -> dict[str, Any]:
    """Only members that are somebody's nearest are asked for their own neighbour."""
    shared = np.intersect1d(drawn.labels, real.labels)
    if not len(shared):
        return dict.fromkeys(("authentic", "authentic_held_out", "authentic_ratio"))
    anchors, place = np.unique(np.concatenate([drawn.member, real.member]), return_inverse=True)
    spacing = nearest_two(members[anchors], members)[0][:, 1][place]
    flags = (drawn.distance > spacing[: len(drawn.member)], real.distance > spacing[len(drawn.member) :])
    weights = np.array([(drawn.labels == label).sum() for label in shared]) / np.isin(drawn.labels, shared).sum()
    mine, others = (
        float(weights @ [flag[side.labels == label].mean() for label in shared])
        for flag, side in zip(flags, (drawn, real), strict=True)
    )
    return {"authentic": mine, "authentic_held_out": others, "authentic_ratio": mine / others if others else None}


def _check(synthetic: tuple[np.ndarray, np.ndarray], members: np.ndarray, held_out: tuple[np.ndarray, np.ndarray]) -> None:
    problems = [
        f"labels of {name} must be one integer per image. Got {np.shape(labels)} for {len(images)} images. Give one each."
        for name, (images, labels) in (("synthetic images", synthetic), ("held-out records", held_out))
        if np.shape(labels) != (len(images),) or np.asarray(labels).dtype.kind not in "iu"
    ]
    if len(members) < 2 or not len(synthetic[0]) or not len(held_out[0]):
        got = f"{len(members)}, {len(synthetic[0])} and {len(held_out[0])}"
        problems.append(
            f"members, synthetic images and held-out records must be 2, 1 and 1 or more. Got {got}. Give more images."
        )
    if problems:
        raise AuditInputError(*problems)
