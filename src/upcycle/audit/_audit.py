"""The first audit: five population attacks on every target, with controls, intervals and a verdict. Scores in, frozen
result out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from upcycle.audit._attacks import (
    POSTERIOR,
    PRIMARY,
    attack_cards,
    cross_fit,
    forward_fit,
    learned_attacks,
    membership_folds,
)
from upcycle.audit._controls import Control, negative_controls, positive_control
from upcycle.audit._inputs import AuditInputError, TargetScores, check_targets
from upcycle.audit._result import AuditResult, AuditRow
from upcycle.audit._signals import attack_features, loss_signal
from upcycle.audit._statistics import NotResolvable, Rate, auc_p_value, delong_interval, holm, tpr_at_fpr
from upcycle.audit._verdict import Evidence, Verdict, judge

_THREAT_MODELS = {"student": "T1", "teacher": "T5", "baseline": "T1 baseline"}


def audit_scores(
    targets: Mapping[str, TargetScores],
    *,
    folds: int = 5,
    confidence: float = 0.95,
    seed: int = 0,
    images: np.ndarray | None = None,
    ids: np.ndarray | None = None,
) -> AuditResult:
    """Five membership attacks on each target, the controls, and a verdict per target.

    `targets` maps names to scores of the same records; "student", "teacher" and "baseline" are known names, and the
    teacher is the positive control without which NO LEAK FOUND is never said. `images` (n, height, width, channels)
    lets the blind baseline look for a difference between the halves that no model made. `ids` (n,) guards against
    records on both sides. The primary endpoint is the AUC of the loss threshold; all five attacks share the error 1 -
    confidence by Holm's method. Raises AuditInputError.
    """
    _check_plan(folds, confidence)
    check_targets(targets, folds=folds, images=images, ids=ids)
    clean = {name: _as_arrays(target) for name, target in targets.items()}
    rows: list[AuditRow] = []
    arrays: dict[str, np.ndarray] = {}
    for name, target in clean.items():
        scores = _attack(target, folds, seed)
        arrays |= {f"{name}/{attack}": values for attack, values in scores.items()}
        rows += _rows(name, target, {k: v for k, v in scores.items() if k != "risk"}, confidence)
    negatives = negative_controls(clean, images=images, folds=folds, seed=seed)
    teacher = _primary(rows, "teacher")
    controls = negatives if teacher is None else (*negatives, positive_control("teacher", teacher))
    verdicts = tuple(_judge(name, target, rows, teacher, negatives, confidence) for name, target in clean.items())
    return AuditResult(tuple(rows), controls, verdicts, attack_cards(), folds, confidence, seed, arrays)


def _check_plan(folds: int, confidence: float) -> None:
    problems = []
    if folds < 2:
        problems.append(f"folds must be at least 2. Got {folds}. Use 5.")
    if not 0.5 < confidence < 1:
        problems.append(f"confidence must be between 0.5 and 1. Got {confidence}. Use 0.95.")
    if problems:
        raise AuditInputError(*problems)


def _as_arrays(target: TargetScores) -> TargetScores:
    groups = None if target.groups is None else np.asarray(target.groups)
    logits, labels = np.asarray(target.logits, dtype=np.float64), np.asarray(target.labels, dtype=np.int64)
    return TargetScores(logits, labels, np.asarray(target.members).astype(bool), groups)


def _attack(target: TargetScores, folds: int, seed: int) -> dict[str, np.ndarray]:
    """Scores (n,) by attack, and "risk". Every target meets the same folds and seeds."""
    from upcycle._random import derive_seed

    loss = loss_signal(target.logits, target.labels)
    features = attack_features(target.logits, target.labels)
    pairs = membership_folds(target.members, target.groups, folds, derive_seed(seed, "folds"))
    scores = {PRIMARY: loss}
    for name, factory in learned_attacks().items():
        state = derive_seed(seed, "attack", name)

        def estimator(make: Any = factory, state: int = state) -> Any:
            return make(state)

        scores[name] = forward_fit(estimator, features, target.members, pairs, loss)
        if name == POSTERIOR:
            scores["risk"] = cross_fit(estimator, features, target.members, pairs)
    return scores


def _rows(name: str, target: TargetScores, scores: Mapping[str, np.ndarray], confidence: float) -> list[AuditRow]:
    members, groups = target.members, target.groups
    p_values = [auc_p_value(values, members, groups) for values in scores.values()]
    adjusted = holm(np.array(p_values))
    rows = []
    for (attack, values), p, p_holm in zip(scores.items(), p_values, adjusted, strict=True):
        area = delong_interval(values, members, confidence, groups)
        rows.append(
            AuditRow(
                target=name,
                threat_model=_THREAT_MODELS.get(name, f"T1 {name}"),
                population="clean",
                attack=attack,
                primary=attack == PRIMARY,
                n_members=int(members.sum()),
                n_non_members=int((~members).sum()),
                auc=area.value,
                auc_low=area.low,
                auc_high=area.high,
                **_tpr_fields("tpr_at_1pct", tpr_at_fpr(values, members, 0.01, confidence), groups),
                **_tpr_fields("tpr_at_01pct", tpr_at_fpr(values, members, 0.001, confidence), groups),
                p_value=p,
                p_holm=float(p_holm),
            )
        )
    return rows


def _tpr_fields(name: str, rate: Rate | NotResolvable, groups: np.ndarray | None) -> dict[str, Any]:
    if isinstance(rate, NotResolvable):
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_note": str(rate)}
    note = None if groups is None else "limits take records as independent, not groups"
    return {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high, f"{name}_note": note}


def _primary(rows: list[AuditRow], target: str) -> Rate | None:
    return next((Rate(r.auc, r.auc_low, r.auc_high) for r in rows if r.target == target and r.primary), None)


def _units(target: TargetScores) -> tuple[int, int]:
    """Independent records, or groups where there are some, among members and non-members."""
    units = np.arange(len(target.members)) if target.groups is None else target.groups
    return len(np.unique(units[target.members])), len(np.unique(units[~target.members]))


def _judge(
    name: str,
    target: TargetScores,
    rows: list[AuditRow],
    teacher: Rate | None,
    negatives: tuple[Control, ...],
    confidence: float,
) -> Verdict:
    own = [row for row in rows if row.target == name]
    best = min(own, key=lambda row: (row.p_holm, -row.auc))
    primary = next(row for row in own if row.primary)
    evidence = Evidence(
        target=name,
        primary=Rate(primary.auc, primary.auc_low, primary.auc_high),
        teacher=teacher,
        best_attack=best.attack,
        best_auc=best.auc,
        best_p=best.p_holm,
        attacks=len(own),
        n_members=primary.n_members,
        n_non_members=primary.n_non_members,
        units=_units(target),
    )
    return judge(evidence, negatives, confidence)
