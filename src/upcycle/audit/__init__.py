"""How much a model gives away about who was in its training set: attacks, statistics, controls, verdict."""

from upcycle.audit._adversarial import Inversion, discriminator_logit, latent_inversion
from upcycle.audit._attacks import cross_fit, forward_fit, learned_attacks, membership_folds
from upcycle.audit._audit import audit_scores
from upcycle.audit._card import AttackCard
from upcycle.audit._cards import attack_cards
from upcycle.audit._controls import Control, blind_features
from upcycle.audit._copies import CopyReport, find_copies, nearest_two
from upcycle.audit._denoiser import denoiser_norm, t_error
from upcycle.audit._density import density_ratio, nearest_ratio
from upcycle.audit._difficulty import difficulty_calibrated
from upcycle.audit._features import pixel_encoder
from upcycle.audit._inputs import MIN_RECORDS, AuditInputError, TargetScores
from upcycle.audit._label_only import BoundarySearch, augmentation_votes, boundary_distance, ten_views
from upcycle.audit._lira import lira_offline_density, lira_offline_one_sided, lira_online
from upcycle.audit._neighbours import neighbour_logits, neighbour_ratio, neighbour_statistic
from upcycle.audit._quantile import quantile_attack
from upcycle.audit._result import AuditResult, AuditRow
from upcycle.audit._rmia import Population, rmia
from upcycle.audit._sets import SetDetection, patient_scores, set_detection, set_p_value, smallest_detected
from upcycle.audit._shadow_set import OneOut, ShadowSet, record_statistic
from upcycle.audit._signals import attack_features, signals
from upcycle.audit._soft_labels import label_mass, probe_statistic
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
    "BoundarySearch",
    "Control",
    "CopyReport",
    "Interval",
    "Inversion",
    "NotResolvable",
    "OneOut",
    "Population",
    "Rate",
    "RocCurve",
    "SetDetection",
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
    "augmentation_votes",
    "blind_features",
    "boundary_distance",
    "calibrated_ratio",
    "clopper_pearson",
    "cross_fit",
    "delong_interval",
    "denoiser_norm",
    "density_ratio",
    "detectable_auc",
    "difficulty_calibrated",
    "discriminator_logit",
    "find_copies",
    "forward_fit",
    "holm",
    "label_mass",
    "latent_inversion",
    "learned_attacks",
    "lira_offline_density",
    "lira_offline_one_sided",
    "lira_online",
    "membership_folds",
    "nearest_ratio",
    "nearest_two",
    "neighbour_logits",
    "neighbour_ratio",
    "neighbour_statistic",
    "paired_difference_interval",
    "patient_scores",
    "pixel_encoder",
    "probe_statistic",
    "quantile_attack",
    "record_statistic",
    "records_needed",
    "rmia",
    "roc",
    "set_detection",
    "set_p_value",
    "signals",
    "smallest_detected",
    "student_t_ratio",
    "t_error",
    "ten_views",
    "tpr_at_fpr",
]
