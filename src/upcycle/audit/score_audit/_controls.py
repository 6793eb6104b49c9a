"""Controls of an audit of scores: what must contain 0.5 whatever the scores are."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from upcycle._random import derive_seed
from upcycle.audit.attacks import (
    ESTIMATORS,
    LOSS,
    POSTERIOR,
    attack_features,
    blind_features,
    fitting_folds,
    forward_fit,
    loss_signal,
)
from upcycle.audit.score_audit._targets import AttackScores, Target, TargetScores
from upcycle.audit.statistics import Scores
from upcycle.audit.verdict import LEAST_ON_A_SIDE, Control, Rule, halves, negative, shuffled


def negative_controls(
    targets: Mapping[str, Target], rule: Rule, *, images: np.ndarray | None, folds: int, seed: int
) -> tuple[Control, ...]:
    """Non-members against non-members, shuffled membership (both per target) and the blind baseline without any model
    (where labels are known).

    Each kind of control fails by chance once in 1000 audits: its intervals share that error. Non-members of fewer than four
    groups cannot be halved: a half of one group has no spread.
    """
    controls = []
    for name, target in targets.items():
        whole = Scores(np.zeros(len(target.members)), target.members, target.groups)
        outside = np.flatnonzero(~target.members)
        for kind, sides, used in (
            ("non-members vs non-members", halves(whole, derive_seed(seed, "controls")), outside),
            ("shuffled membership", shuffled(whole, derive_seed(seed, "controls")), np.arange(len(target.members))),
        ):
            if sides is None:
                continue
            found = _attacks(kind, target, sides, used, folds, seed)
            controls += [negative(kind, name, attack, s, rule, among=2 * len(targets)) for attack, s in found.items()]
    answered = next((target for target in targets.values() if isinstance(target, TargetScores)), None)
    return (*controls, *(() if answered is None else _blind_control(answered, rule, images, folds, seed)))


def blind_target(target: AttackScores, rule: Rule) -> tuple[Control, ...]:
    """The blind baseline brought by the user: scores made without any model, each attack with its share of the error."""
    return tuple(
        negative("blind, given", "no model", name, Scores(s, target.members, target.groups), rule, among=len(target.scores))
        for name, s in target.scores.items()
    )


def _attacks(kind: str, target: Target, sides: Scores, used: np.ndarray, folds: int, seed: int) -> dict[str, Scores]:
    """Loss threshold and logistic regression, or the first two given attacks, on the `used` rows with the members of
    `sides`."""
    if isinstance(target, AttackScores):
        return {attack: sides.having(values[used]) for attack, values in list(target.scores.items())[:2]}
    logits, labels = target.logits[used], target.labels[used]
    start, groups = loss_signal(logits, labels), None if target.groups is None else target.groups[used]
    pairs = fitting_folds(sides.members, groups, folds, derive_seed(seed, "control-folds", kind))
    if not pairs:
        return {LOSS.name: sides.having(start)}
    learned = forward_fit(_regression(seed), attack_features(logits, labels), sides.members, pairs, start)
    return {LOSS.name: sides.having(start), POSTERIOR: sides.having(learned)}


def _blind_control(target: TargetScores, rule: Rule, images: np.ndarray | None, folds: int, seed: int) -> tuple[Control, ...]:
    """None where groups fill no two folds."""
    features = blind_features(target.labels, target.logits.shape[1], images)
    pairs = fitting_folds(target.members, target.groups, folds, derive_seed(seed, "control-folds", "blind"))
    if not pairs:
        return ()
    scores = forward_fit(_regression(seed), features, target.members, pairs)
    judged = ~np.isnan(scores)
    s = Scores(scores[judged], target.members[judged], None if target.groups is None else target.groups[judged])
    if min(s.sides) < LEAST_ON_A_SIDE:
        return ()
    name = "blind, labels only" if images is None else "blind, images and labels"
    return (negative(name, "no model", POSTERIOR, s, rule, among=1),)


def _regression(seed: int) -> Callable[[], Any]:
    return lambda: ESTIMATORS[POSTERIOR](seed)
