"""Statistics of one array of scores and one of flags: each gives a figure with its limits. NumPy and SciPy only.

Every score is oriented so that higher means "more likely a member". Rates and differences are fractions.
"""

from upcycle.audit.statistics._auc import RocCurve, auc, auc_p_value, delong_interval, midranks, null_deviation, roc
from upcycle.audit.statistics._binomial import (
    accuracy_interval,
    clopper_pearson,
    lower_limit,
    paired_difference_interval,
    upper_limit,
)
from upcycle.audit.statistics._bootstrap import calibrate_by_record, two_way_interval
from upcycle.audit.statistics._checks import check_scores, flag_problems
from upcycle.audit.statistics._epsilon import (
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
from upcycle.audit.statistics._holm import PRIMARY_SHARE, adjust, holm, weighted_holm
from upcycle.audit.statistics._one_run import (
    one_run_at_threshold,
    one_run_bound,
    one_run_epsilon,
    one_run_gaussian,
    one_run_mu,
    one_run_p_value,
)
from upcycle.audit.statistics._permutation import LabelPermutation, label_permutation
from upcycle.audit.statistics._pooled import (
    FPR,
    Pool,
    effective_trials,
    pool,
    pooled_auc,
    pooled_epsilon,
    pooled_tpr,
    unjudgeable,
)
from upcycle.audit.statistics._power import (
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
from upcycle.audit.statistics._risk import RecordRisk, aop, record_risk
from upcycle.audit.statistics._tpr import SplitRates, split_rates, tpr_at_fpr, tpr_p_value
from upcycle.audit.statistics._values import Interval, NotResolvable, Rate

__all__ = [
    "FPR",
    "PRIMARY_SHARE",
    "EpsilonBound",
    "GaussianBound",
    "Interval",
    "LabelPermutation",
    "Need",
    "NotResolvable",
    "Pool",
    "Rate",
    "RecordRisk",
    "RocCurve",
    "SplitRates",
    "accuracy_interval",
    "adjust",
    "aop",
    "auc",
    "auc_p_value",
    "calibrate_by_record",
    "canaries_for_epsilon",
    "check_scores",
    "clopper_pearson",
    "delong_interval",
    "detectable_auc",
    "detectable_tpr",
    "effective_trials",
    "epsilon_cap",
    "epsilon_credible",
    "epsilon_from_counts",
    "epsilon_simultaneous",
    "epsilon_split",
    "flag_problems",
    "gaussian_bound",
    "gaussian_epsilon",
    "holm",
    "label_permutation",
    "lower_limit",
    "midranks",
    "non_members_needed",
    "null_deviation",
    "one_run_at_threshold",
    "one_run_bound",
    "one_run_epsilon",
    "one_run_gaussian",
    "one_run_mu",
    "one_run_p_value",
    "paired_difference_interval",
    "pipelines_needed",
    "pool",
    "pooled_auc",
    "pooled_epsilon",
    "pooled_tpr",
    "power_table",
    "record_risk",
    "records_for_epsilon",
    "records_for_margin",
    "records_needed",
    "roc",
    "split_rates",
    "tpr_at_fpr",
    "tpr_p_value",
    "two_way_interval",
    "unjudgeable",
    "upper_limit",
    "weighted_holm",
]
