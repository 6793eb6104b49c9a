"""The audit of scores: attacks on every target, with controls, intervals and a verdict. Scores in, frozen result out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np

from upcycle._arguments import typed
from upcycle._random import derive_seed
from upcycle.audit.attacks import (
    ESTIMATORS,
    LEARNED,
    LEAST_TO_LEARN,
    LOSS,
    POSTERIOR,
    are_probabilities,
    attack_features,
    cross_fit,
    fitting_folds,
    forward_fit,
    loss_signal,
    membership_folds,
)
from upcycle.audit.score_audit._controls import blind_target, negative_controls
from upcycle.audit.score_audit._result import AuditResult
from upcycle.audit.score_audit._targets import AttackScores, Target, TargetScores, check_targets
from upcycle.audit.statistics import Scores
from upcycle.audit.verdict import (
    LEAST_ON_A_SIDE,
    ONE,
    TOGETHER,
    Attacked,
    Control,
    Endpoint,
    Evidence,
    Part,
    Role,
    Row,
    Rule,
    adjust,
    judge,
    make_row,
    positive,
)
from upcycle.errors import AuditInputError

BLIND: Final = "blind"
POSITIVE: Final = (Role.CONTROL.value, Role.TEACHER.value)  # the first of these targets that is there is what must be seen
_SMALLEST: Final = 1e-300  # a probability of 0 as a logit
_CLEAN: Final = (
    "This is an average-record, population-level attack without canaries or shadow pipelines: it cannot certify the worst-case "
    "records."
)
_GIVEN: Final = "It speaks of these records and these attacks: it cannot certify others."
_BLIND_TO_IMAGES: Final = (
    "no images were given: the blind control compared labels alone, and would not see that members and non-members came from "
    "different places."
)


@typed()
def audit_scores(
    targets: Mapping[str, Target],
    *,
    endpoint: Endpoint | None = None,
    folds: int = 5,
    confidence: float = 0.95,
    seed: int = 0,
    images: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    seen_ids: np.ndarray | None = None,
) -> AuditResult:
    """Membership attacks on each target, the controls, and a verdict per target.

    `targets` maps names to the same records' logits (`TargetScores`: five attacks are run) or to scores of attacks run
    elsewhere (`AttackScores`). "student", "teacher" and "baseline" are known names. "positive control", a
    model made to remember its members, or else the teacher must be seen to leak before NO LEAK FOUND is said. AttackScores
    named "blind", made without any model, are one more negative control.
    `images` (n, height, width, channels) lets the blind baseline look for a difference between the halves that no model made;
    an image on both sides is refused. `ids` (n,) guards against records on both sides, and `seen_ids` (k,), the records on
    which anything was chosen (early stopping, settings), against non-members that the models have seen after all. `endpoint`
    is the primary one, declared beforehand (default: AUC of the first attack on clean records). `Rule` says how the error
    1 - confidence is shared. Groups that fill no two folds leave the learned attacks out, and a note says so. Raises
    AuditInputError.
    """
    _check_plan(folds, confidence)
    check_targets(targets, folds=folds, images=images, ids=ids, seen_ids=seen_ids)
    rule, notes = Rule(confidence), list[str]()
    clean = {name: _as_arrays(name, target, notes) for name, target in targets.items()}
    if images is None and any(isinstance(target, TargetScores) for target in clean.values()):
        notes.append(_BLIND_TO_IMAGES)
    notes += _few_groups(clean, folds, seed)
    blind = _take_blind(clean, rule)
    scores = {name: _attack(target, folds, seed) for name, target in clean.items()}
    plan = _declared(endpoint, scores)
    rows = {name: _rows(name, target, scores[name], plan, rule, seed) for name, target in clean.items()}
    seen = next((row for name in POSITIVE for row in rows.get(name, ()) if row.primary), None)
    shown = () if seen is None else (positive(seen.part, plan.attack, seen.auc),)
    controls = (*negative_controls(clean, rule, images=images, folds=folds, seed=seed), *blind, *shown)
    verdicts = tuple(judge(_evidence(name, target, rows[name], plan, seen), controls, rule) for name, target in clean.items())
    own = any(isinstance(target, TargetScores) for target in clean.values())
    return AuditResult(
        verdicts,
        tuple(row for mine in rows.values() for row in mine),
        controls,
        tuple(attack.card for attack in (LOSS, *LEARNED)) if own else (),
        plan,
        folds,
        confidence,
        seed,
        {f"{name}/{attack}": values for name, found in scores.items() for attack, values in found.items()},
        tuple(notes),
    )


def _check_plan(folds: int, confidence: float) -> None:
    problems = []
    if folds < 2:
        problems.append(f"folds must be at least 2. Got {folds}. Use 5.")
    if not 0.5 < confidence < 1:
        problems.append(f"confidence must be between 0.5 and 1. Got {confidence}. Use 0.95.")
    if problems:
        raise AuditInputError(*problems)


def _as_arrays(name: str, target: Target, notes: list[str]) -> Target:
    groups, members = None if target.groups is None else np.asarray(target.groups), np.asarray(target.members).astype(bool)
    if isinstance(target, AttackScores):
        scores = {attack: np.asarray(values, dtype=np.float64) for attack, values in target.scores.items()}
        return AttackScores(scores, members, groups)
    logits, labels = np.asarray(target.logits, dtype=np.float64), np.asarray(target.labels, dtype=np.int64)
    if are_probabilities(logits):
        notes.append(f"{name}: what was given as logits are probabilities; their logarithms were used.")
        logits = np.log(np.maximum(logits, _SMALLEST))
    return TargetScores(logits, labels, members, groups)


def _take_blind(targets: dict[str, Target], rule: Rule) -> tuple[Control, ...]:
    """The user's own blind baseline, taken out of the targets. Raises AuditInputError where nothing else is left."""
    given = targets.get(BLIND)
    if not isinstance(given, AttackScores):
        return ()
    del targets[BLIND]
    if not targets:
        raise AuditInputError("targets must name a model next to the blind baseline. Got none. Give the student.")
    return blind_target(given, rule)


def _declared(endpoint: Endpoint | None, scores: Mapping[str, Mapping[str, np.ndarray]]) -> Endpoint:
    """The primary endpoint; raises AuditInputError where a target lacks its attack."""
    first = next(iter(scores.values()))
    plan = Endpoint("AUC", next(iter(first))) if endpoint is None else endpoint
    lacking = [name for name, found in scores.items() if plan.attack not in found]
    if lacking:
        raise AuditInputError(
            f"every target must have the primary attack {plan.attack!r}. Got {', '.join(lacking)} without. "
            f"Declare one of {', '.join(name for name in first if name != 'risk')}, or score every target with it."
        )
    return plan


def _attack(target: Target, folds: int, seed: int) -> dict[str, np.ndarray]:
    """Scores (n,) by attack, the primary one first, and "risk". Every target meets the same folds and seeds."""
    if isinstance(target, AttackScores):
        return dict(target.scores)
    loss = loss_signal(target.logits, target.labels)
    features = attack_features(target.logits, target.labels)
    pairs, scores = _learning_folds(target, folds, seed), {LOSS.name: loss}
    for name, make in ESTIMATORS.items() if pairs else ():
        estimator = partial(make, derive_seed(seed, "attack", name))
        scores[name] = forward_fit(estimator, features, target.members, pairs, loss)
        if name == POSTERIOR:
            scores["risk"] = cross_fit(estimator, features, target.members, pairs)
    return scores


def _learning_folds(target: Target, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds of the learned attacks: as planned where records are independent; of groups as many as they fill, or none."""
    if target.groups is not None:
        return fitting_folds(target.members, target.groups, folds, derive_seed(seed, "folds"), least=LEAST_TO_LEARN)
    pairs = membership_folds(target.members, None, folds, derive_seed(seed, "folds"))
    if len(pairs[0][1]) < LEAST_TO_LEARN:
        raise AuditInputError(
            f"the first of {folds} folds must hold at least {LEAST_TO_LEARN} records to learn from. Got {len(pairs[0][1])}. "
            "Use fewer folds or more records."
        )
    return pairs


def _few_groups(targets: Mapping[str, Target], folds: int, seed: int) -> Iterator[str]:
    """What few groups leave out, and what the verdict then rests on."""
    answered = next((t for t in targets.values() if isinstance(t, TargetScores) and t.groups is not None), None)
    if answered is None or answered.groups is None:
        return
    inside, outside = (len(np.unique(answered.groups[side])) for side in (answered.members, ~answered.members))
    made = len(_learning_folds(answered, folds, seed))
    if made < folds:
        left = f"learned attacks in {made} folds, not {folds}" if made else "learned attacks and the blind control left out"
        halved = "" if outside >= 2 * LEAST_ON_A_SIDE else "; non-members cannot be halved, so that control is left out"
        yield f"groups: {inside} of members and {outside} of non-members; {left}{halved}. Everything rests on so few."


def _rows(
    name: str, target: Target, scores: Mapping[str, np.ndarray], plan: Endpoint, rule: Rule, seed: int
) -> tuple[Row, ...]:
    part, unit = Part.named(name), ONE if target.groups is None else TOGETHER
    judged = {attack: values for attack, values in scores.items() if attack != "risk" or isinstance(target, AttackScores)}
    made = [
        make_row(
            Scores(values, target.members, target.groups),
            Attacked(part, part.access, plan.population, attack, attack == plan.attack, unit),
            plan,
            rule,
            seed=seed,
        )
        for attack, values in judged.items()
    ]
    return tuple(adjust(made, (), plan, rule)[0])


def _evidence(name: str, target: Target, rows: tuple[Row, ...], plan: Endpoint, seen: Row | None) -> Evidence:
    given = isinstance(target, AttackScores)
    scope = _GIVEN if given or plan.population != "clean" else _CLEAN
    return Evidence(Part.named(name), rows, (), plan, seen, scope, given)
