"""Attacks: what a model answers about a record becomes one number, higher = more likely a member."""

from upcycle.audit.attacks._blind import blind_features
from upcycle.audit.attacks._card import AttackCard, GAP, HEADS, LABELS, LEARNED, LOSS, ONE_RUN, PERMUTATION, QUANTILE, RATIO, WITHOUT_SHADOWS, WITH_SHADOWS
from upcycle.audit.attacks._catalogue import shadow_attacks
from upcycle.audit.attacks._generator_weights import ADVERSARIAL_CARDS, DENOISER_CARDS
from upcycle.audit.attacks._heads import HEAD_CARDS, LEAST_UNITS, random_features, ridge_heads, rmia_by_heads
from upcycle.audit.attacks._label_only import BoundarySearch, LABEL_ONLY_CARDS, augmentation_votes, boundary_distance
from upcycle.audit.attacks._learned import NEIGHBOURS, POSTERIOR, PRIMARY, attack_cards, cross_fit, forward_fit, learned_attacks, membership_folds
from upcycle.audit.attacks._lira import DIFFICULTY_CARDS, LIRA_CARDS
from upcycle.audit.attacks._quantile import QUANTILE_CARDS, quantile_attack
from upcycle.audit.attacks._released import answers_at_neighbours, log_density_ratio, mass_of_neighbours, probe_logits
from upcycle.audit.attacks._rmia import RMIA_CARDS
from upcycle.audit.attacks._sets import SET_CARDS, SetDetection, patient_scores, set_detection
from upcycle.audit.attacks._shadow_set import ShadowAttack, ShadowSet, listed, record_statistic, twins
from upcycle.audit.attacks._signals import Predict, RecordScore, as_logits, attack_features, log_odds_signal, logit_problems, loss_signal, one_hot
from upcycle.audit.attacks._student_t import STUDENT_T_CARDS, calibrated_ratio

__all__ = [
    "ADVERSARIAL_CARDS",
    "AttackCard",
    "BoundarySearch",
    "DENOISER_CARDS",
    "DIFFICULTY_CARDS",
    "GAP",
    "HEADS",
    "HEAD_CARDS",
    "LABELS",
    "LABEL_ONLY_CARDS",
    "LEARNED",
    "LEAST_UNITS",
    "LIRA_CARDS",
    "LOSS",
    "NEIGHBOURS",
    "ONE_RUN",
    "PERMUTATION",
    "POSTERIOR",
    "PRIMARY",
    "Predict",
    "QUANTILE",
    "QUANTILE_CARDS",
    "RATIO",
    "RMIA_CARDS",
    "RecordScore",
    "SET_CARDS",
    "STUDENT_T_CARDS",
    "SetDetection",
    "ShadowAttack",
    "ShadowSet",
    "WITHOUT_SHADOWS",
    "WITH_SHADOWS",
    "answers_at_neighbours",
    "as_logits",
    "attack_cards",
    "attack_features",
    "augmentation_votes",
    "blind_features",
    "boundary_distance",
    "calibrated_ratio",
    "cross_fit",
    "forward_fit",
    "learned_attacks",
    "listed",
    "log_density_ratio",
    "log_odds_signal",
    "logit_problems",
    "loss_signal",
    "mass_of_neighbours",
    "membership_folds",
    "one_hot",
    "patient_scores",
    "probe_logits",
    "quantile_attack",
    "random_features",
    "record_statistic",
    "ridge_heads",
    "rmia_by_heads",
    "set_detection",
    "shadow_attacks",
    "twins",
]
