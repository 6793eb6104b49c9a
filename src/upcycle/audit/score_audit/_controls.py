"""Controls that run with every audit: a broken audit must say so instead of giving a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks import (
    POSTERIOR,
    PRIMARY,
    attack_features,
    blind_features,
    forward_fit,
    learned_attacks,
    loss_signal,
    membership_folds,
)
from upcycle.audit.score_audit._targets import AttackScores, Target, TargetScores
from upcycle.audit.statistics import Rate, delong_interval
from upcycle.audit.verdict import Control

ERROR: Final = 0.001


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
