"""How much a model gives away about who was in its training set: attacks, statistics, controls, verdict."""

from upcycle.audit._attacks import AttackCard, attack_cards, cross_fit, forward_fit, learned_attacks, membership_folds
from upcycle.audit._audit import audit_scores
from upcycle.audit._controls import Control, blind_features
from upcycle.audit._copies import CopyReport, find_copies, nearest_two
from upcycle.audit._difficulty import difficulty_calibrated
from upcycle.audit._inputs import MIN_RECORDS, AuditInputError, TargetScores
from upcycle.audit._lira import lira_offline_density, lira_offline_one_sided, lira_online
from upcycle.audit._result import AuditResult, AuditRow
from upcycle.audit._rmia import Population, rmia
from upcycle.audit._shadow_set import OneOut, ShadowSet, record_statistic
from upcycle.audit._signals import attack_features, signals
from upcycle.audit._statistics import (
    Interval,
    NotResolvable,
    Rate,
    RocCurve,
    accuracy_interval,
    aop,
    auc,
    auc_p_value,
    clopper_pearson,
    delong_interval,
    detectable_auc,
    holm,
    paired_difference_interval,
    records_needed,
    roc,
    tpr_at_fpr,
)
from upcycle.audit._student_t import calibrated_ratio, student_t_ratio
from upcycle.audit._verdict import Verdict

__all__ = [
    "MIN_RECORDS",
    "AttackCard",
    "AuditInputError",
    "AuditResult",
    "AuditRow",
    "Control",
    "CopyReport",
    "Interval",
    "NotResolvable",
    "OneOut",
    "Population",
    "Rate",
    "RocCurve",
    "ShadowSet",
    "TargetScores",
    "Verdict",
    "accuracy_interval",
    "aop",
    "attack_cards",
    "attack_features",
    "auc",
    "auc_p_value",
    "audit_scores",
    "blind_features",
    "calibrated_ratio",
    "clopper_pearson",
    "cross_fit",
    "delong_interval",
    "detectable_auc",
    "difficulty_calibrated",
    "find_copies",
    "forward_fit",
    "holm",
    "learned_attacks",
    "lira_offline_density",
    "lira_offline_one_sided",
    "lira_online",
    "membership_folds",
    "nearest_two",
    "paired_difference_interval",
    "record_statistic",
    "records_needed",
    "rmia",
    "roc",
    "signals",
    "student_t_ratio",
    "tpr_at_fpr",
]
