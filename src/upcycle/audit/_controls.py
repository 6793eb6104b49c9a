"""Controls that run with every audit: a broken audit must say so instead of giving a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit._attacks import POSTERIOR, PRIMARY, forward_fit, learned_attacks, membership_folds
from upcycle.audit._inputs import AttackScores, Target, TargetScores
from upcycle.audit._signals import attack_features, loss_signal, one_hot
from upcycle.audit._statistics import Rate, delong_interval

ERROR: Final = 0.001
THUMBNAIL: Final = 8
COMPONENTS: Final = 16


@dataclass(frozen=True)
class Control:
    """One control attack. A negative control passes where its AUC interval holds 0.5, the positive one where it lies
    above 0.5."""

    control: str
    target: str
    attack: str
    auc: float
    auc_low: float
    auc_high: float
    passed: bool


def negative_controls(
    targets: Mapping[str, Target], *, images: np.ndarray | None, folds: int, seed: int
) -> tuple[Control, ...]:
    """Non-members against non-members, shuffled membership (both per target) and the blind baseline without any model
    (where labels are known).

    Each kind of control fails by chance once in 1000 audits: its intervals share that error.
    """
    first = next(iter(targets.values()))
    halves = _random_sides(first.groups, first.members, ~first.members, derive_seed(seed, "control-halves"))
    shuffled = _random_sides(
        first.groups, first.members, np.ones(len(first.members), dtype=bool), derive_seed(seed, "control-shuffle")
    )
    controls = []
    for name, target in targets.items():
        controls += _attack_control(
            "non-members vs non-members", name, target, ~first.members, halves, folds, seed, len(targets)
        )
        everyone = np.ones(len(first.members), dtype=bool)
        controls += _attack_control("shuffled membership", name, target, everyone, shuffled, folds, seed, len(targets))
    answered = next((target for target in targets.values() if isinstance(target, TargetScores)), None)
    return tuple(controls) if answered is None else (*controls, _blind_control(answered, images, folds, seed))


def blind_target(target: AttackScores) -> tuple[Control, ...]:
    """The blind baseline brought by the user: scores made without any model, each attack with its share of the error."""
    error = ERROR / len(target.scores)
    return tuple(
        _negative("blind, given", "no model", name, delong_interval(scores, target.members, 1 - error, target.groups))
        for name, scores in target.scores.items()
    )


def blind_features(labels: np.ndarray, classes: int, images: np.ndarray | None) -> np.ndarray:
    """What membership can be told from without any model: float64 (n, features).

    One-hot label; with images also mean, deviation, extremes and mean step between neighbouring pixels per channel, and
    16 principal components of an 8x8 thumbnail.
    """
    plain = one_hot(labels, classes)
    if images is None:
        return plain
    n, height, width, _ = images.shape
    rows, columns = (np.arange(side) * THUMBNAIL // side for side in (height, width))
    thumbnails, moments = [], []
    for start in range(0, n, 512):
        batch = images[start : start + 512].astype(np.float64)
        flat = batch.reshape(len(batch), -1, batch.shape[-1])
        steps = [
            np.abs(np.diff(batch, axis=axis)).mean(axis=(1, 2)) if batch.shape[axis] > 1 else flat[:, 0] * 0 for axis in (1, 2)
        ]
        moments.append(np.hstack([flat.mean(1), flat.std(1), flat.min(1), flat.max(1), *steps]))
        thumbnails.append(_block_means(_block_means(batch, rows, 1), columns, 2).reshape(len(batch), -1))
    return np.hstack([plain, np.concatenate(moments), _components(np.concatenate(thumbnails))])


def _attack_control(
    control: str,
    name: str,
    target: Target,
    used: np.ndarray,
    sides: np.ndarray,
    folds: int,
    seed: int,
    targets: int,
) -> list[Control]:
    """Loss threshold and logistic regression, or the first two given attacks, on the `used` records, `sides` in place of
    membership."""
    truth, confidence = sides[used], 1 - ERROR / (2 * targets)
    groups = None if target.groups is None else target.groups[used]
    if isinstance(target, AttackScores):
        scores = {attack: values[used] for attack, values in list(target.scores.items())[:2]}
    else:
        logits, labels = target.logits[used], target.labels[used]
        start = loss_signal(logits, labels)
        pairs = membership_folds(truth, groups, folds, derive_seed(seed, "control-folds", control))
        learned = forward_fit(_regression(seed), attack_features(logits, labels), truth, pairs, start)
        scores = {PRIMARY: start, POSTERIOR: learned}
    return [
        _negative(control, name, attack, delong_interval(values, truth, confidence, groups))
        for attack, values in scores.items()
    ]


def _blind_control(target: TargetScores, images: np.ndarray | None, folds: int, seed: int) -> Control:
    features = blind_features(target.labels, target.logits.shape[1], images)
    pairs = membership_folds(target.members, target.groups, folds, derive_seed(seed, "control-folds", "blind"))
    scores = forward_fit(_regression(seed), features, target.members, pairs)
    judged = ~np.isnan(scores)
    groups = None if target.groups is None else target.groups[judged]
    rate = delong_interval(scores[judged], target.members[judged], 1 - ERROR, groups)
    name = "blind, labels only" if images is None else "blind, images and labels"
    return _negative(name, "no model", POSTERIOR, rate)


def _negative(control: str, target: str, attack: str, rate: Rate) -> Control:
    return Control(control, target, attack, rate.value, rate.low, rate.high, bool(rate.low <= 0.5 <= rate.high))


def positive_control(target: str, attack: str, rate: Rate) -> Control:
    """The primary attack on the teacher, which should be seen to leak."""
    return Control("positive: teacher", target, attack, rate.value, rate.low, rate.high, bool(rate.low > 0.5))


def _random_sides(groups: np.ndarray | None, members: np.ndarray, used: np.ndarray, seed: int) -> np.ndarray:
    """Random sides (n,) bool for the `used` records, group by group; as many units as there are members, or half of one
    kind."""
    units = np.arange(len(members)) if groups is None else np.unique(groups, return_inverse=True)[1]
    chosen = np.unique(units[used])
    mixed = used.all()
    count = len(np.unique(units[members])) if mixed else len(chosen) // 2
    inside = numpy_rng(seed, "sides").permutation(chosen)[:count]
    return np.isin(units, inside)


def _regression(seed: int) -> Callable[[], Any]:
    return lambda: learned_attacks()[POSTERIOR](seed)


def _block_means(images: np.ndarray, blocks: np.ndarray, axis: int) -> np.ndarray:
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    sizes = np.diff(np.append(starts, len(blocks)))
    shape = [1] * images.ndim
    shape[axis] = len(sizes)
    return np.asarray(np.add.reduceat(images, starts, axis=axis) / sizes.reshape(shape))


def _components(rows: np.ndarray) -> np.ndarray:
    """The leading principal components of the rows; membership plays no part."""
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ vectors[:, ::-1][:, :COMPONENTS])
