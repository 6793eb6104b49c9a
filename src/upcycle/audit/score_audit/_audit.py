"""The audit of scores: attacks on every target, with controls, intervals and a verdict. Scores in, frozen result out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from upcycle.audit.attacks import (
    NEIGHBOURS,
    POSTERIOR,
    PRIMARY,
    attack_features,
    cross_fit,
    forward_fit,
    learned_attacks,
    learned_cards,
    loss_signal,
    membership_folds,
)
from upcycle.audit.score_audit._controls import blind_target, negative_controls, positive_control
from upcycle.audit.score_audit._judge import Evidence, Finding, judge
from upcycle.audit.score_audit._result import AuditResult
from upcycle.audit.score_audit._targets import AttackScores, Target, TargetScores, check_targets
from upcycle.audit.statistics import (
    NotResolvable,
    Rate,
    adjust,
    auc_p_value,
    delong_interval,
    epsilon_split,
    tpr_at_fpr,
    tpr_p_value,
)
from upcycle.audit.verdict import AuditRow, Control, Endpoint, Verdict
from upcycle.errors import AuditInputError

BLIND: Final = "blind"


_THREAT_MODELS: Final = {"student": "T1", "teacher": "T5", "baseline": "T1 baseline"}


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
    elsewhere (`AttackScores`). "student", "teacher" and "baseline" are known names; the teacher is the positive control
    without which NO LEAK FOUND is never said, and AttackScores named "blind", made without any model, are one more
    negative control. `images` (n, height, width, channels) lets the blind baseline look for a difference between the
    halves that no model made. `ids` (n,) guards against records on both sides, and `seen_ids` (k,), the records on
    which anything was chosen (early stopping, settings), against non-members that the models have seen after all.
    `endpoint` is the primary one, declared beforehand (default: AUC of the first attack on clean records); it has half of the
    error 1 - confidence, and AUC and TPR at 1 % FPR of all attacks on a target share the rest by Holm's method. LEAKS is said
    below four fifths of that error, which leaves room for approximations. Raises AuditInputError.
    """
    _check_plan(folds, confidence)
    check_targets(targets, folds=folds, images=images, ids=ids, seen_ids=seen_ids)
    clean = {name: _as_arrays(target) for name, target in targets.items()}
    blind = _take_blind(clean)
    scores = {name: _attack(target, folds, seed) for name, target in clean.items()}
    plan = _declared(endpoint, scores)
    rows: list[AuditRow] = []
    for name, target in clean.items():
        rows += _rows(name, target, scores[name], _Plan(plan, confidence, seed))
    negatives = (*negative_controls(clean, images=images, folds=folds, seed=seed), *blind)
    teacher = next((row for row in rows if row.target == "teacher" and row.primary), None)
    positive = () if teacher is None else (_seen(teacher),)
    verdicts = tuple(
        _judge(name, target, rows, plan, _Context(teacher, negatives, confidence)) for name, target in clean.items()
    )
    arrays = {f"{name}/{attack}": values for name, found in scores.items() for attack, values in found.items()}
    cards = learned_cards() if any(isinstance(target, TargetScores) for target in clean.values()) else ()
    return AuditResult(tuple(rows), (*negatives, *positive), verdicts, cards, plan, folds, confidence, seed, arrays)


@dataclass(frozen=True)
class _Plan:
    endpoint: Endpoint
    confidence: float
    seed: int


@dataclass(frozen=True)
class _Context:
    """What all targets share when they are judged."""

    teacher: AuditRow | None
    negatives: tuple[Control, ...]
    confidence: float


def _check_plan(folds: int, confidence: float) -> None:
    problems = []
    if folds < 2:
        problems.append(f"folds must be at least 2. Got {folds}. Use 5.")
    if not 0.5 < confidence < 1:
        problems.append(f"confidence must be between 0.5 and 1. Got {confidence}. Use 0.95.")
    if problems:
        raise AuditInputError(*problems)


def _as_arrays(target: Target) -> Target:
    groups, members = None if target.groups is None else np.asarray(target.groups), np.asarray(target.members).astype(bool)
    if isinstance(target, AttackScores):
        scores = {attack: np.asarray(values, dtype=np.float64) for attack, values in target.scores.items()}
        return AttackScores(scores, members, groups)
    logits, labels = np.asarray(target.logits, dtype=np.float64), np.asarray(target.labels, dtype=np.int64)
    return TargetScores(logits, labels, members, groups)


def _take_blind(targets: dict[str, Target]) -> tuple[Control, ...]:
    """The user's own blind baseline, taken out of the targets. Raises AuditInputError where nothing else is left."""
    given = targets.get(BLIND)
    if not isinstance(given, AttackScores):
        return ()
    del targets[BLIND]
    if not targets:
        raise AuditInputError("targets must name a model beside the blind baseline. Got none. Give the student.")
    return blind_target(given)


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
    from upcycle._random import derive_seed

    loss = loss_signal(target.logits, target.labels)
    features = attack_features(target.logits, target.labels)
    pairs = membership_folds(target.members, target.groups, folds, derive_seed(seed, "folds"))
    if len(pairs[0][1]) < NEIGHBOURS:
        raise AuditInputError(
            f"the first of {folds} folds must hold at least {NEIGHBOURS} records to learn from. Got {len(pairs[0][1])}. Use "
            "fewer folds or more records."
        )
    scores = {PRIMARY: loss}
    for name, factory in learned_attacks().items():
        state = derive_seed(seed, "attack", name)

        def estimator(make: Any = factory, state: int = state) -> Any:
            return make(state)

        scores[name] = forward_fit(estimator, features, target.members, pairs, loss)
        if name == POSTERIOR:
            scores["risk"] = cross_fit(estimator, features, target.members, pairs)
    return scores


def _rows(name: str, target: Target, scores: Mapping[str, np.ndarray], plan: _Plan) -> list[AuditRow]:
    members, groups = target.members, target.groups
    judged = {attack: values for attack, values in scores.items() if attack != "risk" or isinstance(target, AttackScores)}
    tests = _tests(judged, members, groups, plan)
    rows = []
    for attack, values in judged.items():
        area = delong_interval(values, members, plan.confidence, groups)
        epsilon = epsilon_split(values, members, seed=plan.seed, confidence=plan.confidence, groups=groups)
        low, lower = (tpr_at_fpr(values, members, fpr, plan.confidence, groups) for fpr in (0.01, 0.001))
        (p, p_holm), (tpr_p, tpr_p_holm) = tests[attack, "AUC"], tests.get((attack, "TPR@1%FPR"), (None, None))
        rows.append(
            AuditRow(
                target=name,
                threat_model=_THREAT_MODELS.get(name, f"T1 {name}"),
                population=plan.endpoint.population,
                attack=attack,
                primary=attack == plan.endpoint.attack,
                n_members=int(members.sum()),
                n_non_members=int((~members).sum()),
                auc=area.value,
                auc_low=area.low,
                auc_high=area.high,
                **_tpr_fields("tpr_at_1pct", low, groups),
                **_tpr_fields("tpr_at_01pct", lower, groups),
                p_value=p,
                p_holm=p_holm,
                tpr_p_value=tpr_p,
                tpr_p_holm=tpr_p_holm,
                epsilon_low=epsilon.low,
                epsilon_cap=epsilon.cap,
            )
        )
    return rows


def _tests(
    scores: Mapping[str, np.ndarray], members: np.ndarray, groups: np.ndarray | None, plan: _Plan
) -> dict[tuple[str, str], tuple[float, float]]:
    """(p, adjusted p) of every resolvable endpoint of one target, by attack and statistic."""
    p = {(attack, "AUC"): auc_p_value(values, members, groups) for attack, values in scores.items()}
    for attack, values in scores.items():
        if isinstance(tpr_at_fpr(values, members, 0.01, plan.confidence, groups), Rate):
            p[attack, "TPR@1%FPR"] = tpr_p_value(values, members, 0.01, groups)
    declared = (plan.endpoint.attack, plan.endpoint.statistic)
    others = [key for key in p if key != declared]
    first, rest = adjust(p.get(declared, 1.0), [p[key] for key in others])
    adjusted = {declared: first, **dict(zip(others, map(float, rest), strict=True))}
    return {key: (value, adjusted[key]) for key, value in p.items()}


def _tpr_fields(name: str, rate: Rate | NotResolvable, groups: np.ndarray | None) -> dict[str, Any]:
    if isinstance(rate, NotResolvable):
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_note": str(rate)}
    note = None if groups is None else "limits count groups, not records"
    return {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high, f"{name}_note": note}


def _seen(teacher: AuditRow) -> Control:
    return positive_control("teacher", teacher.attack, Rate(teacher.auc, teacher.auc_low, teacher.auc_high))


def _units(target: Target) -> tuple[int, int]:
    """Independent records, or groups where there are some, among members and non-members."""
    units = np.arange(len(target.members)) if target.groups is None else target.groups
    return len(np.unique(units[target.members])), len(np.unique(units[~target.members]))


def _judge(name: str, target: Target, rows: list[AuditRow], plan: Endpoint, context: _Context) -> Verdict:
    own = [row for row in rows if row.target == name]
    primary, findings = next(row for row in own if row.primary), _findings(own, plan)
    teacher = context.teacher
    evidence = Evidence(
        target=name,
        endpoint=plan,
        primary=primary.statistic(plan.statistic),
        teacher=None if teacher is None else teacher.statistic(plan.statistic),
        best=min(findings, key=lambda found: (found.p, -found.value)),
        tests=len(findings),
        n_members=primary.n_members,
        n_non_members=primary.n_non_members,
        units=_units(target),
        own=isinstance(target, TargetScores),
    )
    return judge(evidence, context.negatives, context.confidence)


def _findings(rows: list[AuditRow], plan: Endpoint) -> list[Finding]:
    """Every test on one target, with its adjusted p."""
    found = [Finding(Endpoint("AUC", row.attack, plan.population), row.auc, row.p_holm) for row in rows]
    return found + [
        Finding(Endpoint("TPR@1%FPR", row.attack, plan.population), row.tpr_at_1pct, row.tpr_p_holm)
        for row in rows
        if row.tpr_at_1pct is not None and row.tpr_p_holm is not None
    ]
