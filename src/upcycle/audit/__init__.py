"""How much a model gives away about who was in its training set: attacks, statistics, controls, verdict."""

from upcycle.audit._adversarial import Inversion, discriminator_logit, latent_inversion
from upcycle.audit._attacks import (
    cross_fit,
    forward_fit,
    learned_attacks,
    membership_folds,
)
from upcycle.audit._auc import (
    RocCurve,
    auc,
    auc_p_value,
    delong_interval,
    roc,
)
from upcycle.audit._audit import audit_scores
from upcycle.audit._binomial import accuracy_interval, clopper_pearson, paired_difference_interval
from upcycle.audit._bootstrap import calibrate_by_record, two_way_interval
from upcycle.audit._canaries import KINDS, CanaryCounts, Records, natural_outliers, plant
from upcycle.audit._card import AttackCard
from upcycle.audit._cards import attack_cards
from upcycle.audit._controls import Control, blind_features
from upcycle.audit._copies import CopyReport, find_copies, nearest_two
from upcycle.audit._denoiser import denoiser_norm, t_error
from upcycle.audit._density import density_ratio, nearest_ratio
from upcycle.audit._design import Design, complementary_halves, make_design
from upcycle.audit._difficulty import difficulty_calibrated
from upcycle.audit._dp_comparator import DP_MODEL, DpComparator, dp_comparator
from upcycle.audit._epsilon import (
    EpsilonBound,
    GaussianBound,
    epsilon_cap,
    epsilon_credible,
    epsilon_from_counts,
    epsilon_simultaneous,
    epsilon_split,
    gaussian_bound,
    gaussian_epsilon,
)
from upcycle.audit._features import pixel_encoder
from upcycle.audit._gate import Gate, GateReport, judge_snapshots, passing
from upcycle.audit._inputs import (
    MIN_RECORDS,
    AttackScores,
    AuditInputError,
    TargetScores,
)
from upcycle.audit._label_only import (
    BoundarySearch,
    augmentation_votes,
    boundary_distance,
    ten_views,
)
from upcycle.audit._label_test import LabelTest, label_test
from upcycle.audit._lira import lira_offline_density, lira_offline_one_sided, lira_online
from upcycle.audit._memorisation import Memorisation, memorisation
from upcycle.audit._multiplicity import (
    Endpoint,
    adjust,
    holm,
    weighted_holm,
)
from upcycle.audit._neighbours import neighbour_logits, neighbour_ratio, neighbour_statistic
from upcycle.audit._normal import Interval, NotResolvable, Rate
from upcycle.audit._one_run import (
    one_run_at_threshold,
    one_run_bound,
    one_run_epsilon,
    one_run_gaussian,
    one_run_mu,
    one_run_p_value,
)
from upcycle.audit._permutation import LabelPermutation, label_permutation
from upcycle.audit._pipeline_audit import audit, judge_shadows
from upcycle.audit._pipeline_result import PipelineAudit, PipelineRow
from upcycle.audit._pipeline_schema import check_pipeline_audit, pipeline_schema
from upcycle.audit._pipelines import Parts, Pipeline, Predict, RecordScore, from_sklearn, from_torch
from upcycle.audit._plan import BUDGETS, AuditPlan, plan_for
from upcycle.audit._power import (
    Need,
    canaries_for_epsilon,
    detectable_auc,
    detectable_tpr,
    non_members_needed,
    pipelines_needed,
    power_table,
    records_for_epsilon,
    records_for_margin,
    records_needed,
)
from upcycle.audit._quantile import quantile_attack
from upcycle.audit._read_scores import ScoresFile, read_scores
from upcycle.audit._released_schema import check_released_audit, released_schema
from upcycle.audit._result import AuditResult, AuditRow
from upcycle.audit._risk import RecordRisk, aop, record_risk
from upcycle.audit._rmia import Population, rmia
from upcycle.audit._schema import audit_schema, check_audit
from upcycle.audit._selftest import Check, selftest
from upcycle.audit._sets import (
    SetDetection,
    patient_scores,
    set_detection,
    set_p_value,
    smallest_detected,
)
from upcycle.audit._shadow_set import OneOut, ShadowSet, record_statistic
from upcycle.audit._shadows import Shadows, run_paths, run_shadows
from upcycle.audit._signals import attack_features, signals
from upcycle.audit._soft_labels import label_mass, probe_statistic
from upcycle.audit._student_t import calibrated_ratio, student_t_ratio
from upcycle.audit._tpr import (
    SplitRates,
    split_rates,
    tpr_at_fpr,
    tpr_p_value,
)
from upcycle.audit._two_audits import Merged, Side, merge_audits
from upcycle.audit._verdict import Verdict

__all__ = [
    "BUDGETS",
    "DP_MODEL",
    "KINDS",
    "MIN_RECORDS",
    "AttackCard",
    "AttackScores",
    "AuditInputError",
    "AuditPlan",
    "AuditResult",
    "AuditRow",
    "BoundarySearch",
    "CanaryCounts",
    "Check",
    "Control",
    "CopyReport",
    "Design",
    "DpComparator",
    "Endpoint",
    "EpsilonBound",
    "Gate",
    "GateReport",
    "GaussianBound",
    "Interval",
    "Inversion",
    "LabelPermutation",
    "LabelTest",
    "Memorisation",
    "Merged",
    "Need",
    "NotResolvable",
    "OneOut",
    "Parts",
    "Pipeline",
    "PipelineAudit",
    "PipelineRow",
    "Population",
    "Predict",
    "Rate",
    "RecordRisk",
    "RecordScore",
    "Records",
    "RocCurve",
    "ScoresFile",
    "SetDetection",
    "ShadowSet",
    "Shadows",
    "Side",
    "SplitRates",
    "TargetScores",
    "Verdict",
    "accuracy_interval",
    "adjust",
    "aop",
    "attack_cards",
    "attack_features",
    "auc",
    "auc_p_value",
    "audit",
    "audit_schema",
    "audit_scores",
    "augmentation_votes",
    "blind_features",
    "boundary_distance",
    "calibrate_by_record",
    "calibrated_ratio",
    "canaries_for_epsilon",
    "check_audit",
    "check_pipeline_audit",
    "check_released_audit",
    "clopper_pearson",
    "complementary_halves",
    "cross_fit",
    "delong_interval",
    "denoiser_norm",
    "density_ratio",
    "detectable_auc",
    "detectable_tpr",
    "difficulty_calibrated",
    "discriminator_logit",
    "dp_comparator",
    "epsilon_cap",
    "epsilon_credible",
    "epsilon_from_counts",
    "epsilon_simultaneous",
    "epsilon_split",
    "find_copies",
    "forward_fit",
    "from_sklearn",
    "from_torch",
    "gaussian_bound",
    "gaussian_epsilon",
    "holm",
    "judge_shadows",
    "judge_snapshots",
    "label_mass",
    "label_permutation",
    "label_test",
    "latent_inversion",
    "learned_attacks",
    "lira_offline_density",
    "lira_offline_one_sided",
    "lira_online",
    "make_design",
    "membership_folds",
    "memorisation",
    "merge_audits",
    "natural_outliers",
    "nearest_ratio",
    "nearest_two",
    "neighbour_logits",
    "neighbour_ratio",
    "neighbour_statistic",
    "non_members_needed",
    "one_run_at_threshold",
    "one_run_bound",
    "one_run_epsilon",
    "one_run_gaussian",
    "one_run_mu",
    "one_run_p_value",
    "paired_difference_interval",
    "passing",
    "patient_scores",
    "pipeline_schema",
    "pipelines_needed",
    "pixel_encoder",
    "plan_for",
    "plant",
    "power_table",
    "probe_statistic",
    "quantile_attack",
    "read_scores",
    "record_risk",
    "record_statistic",
    "records_for_epsilon",
    "records_for_margin",
    "records_needed",
    "released_schema",
    "rmia",
    "roc",
    "run_paths",
    "run_shadows",
    "selftest",
    "set_detection",
    "set_p_value",
    "signals",
    "smallest_detected",
    "split_rates",
    "student_t_ratio",
    "t_error",
    "ten_views",
    "tpr_at_fpr",
    "tpr_p_value",
    "two_way_interval",
    "weighted_holm",
]
