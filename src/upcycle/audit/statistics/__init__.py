"""Statistics of one array of scores and one of flags: each gives a figure with its limits. NumPy and SciPy only.

Every score is oriented so that higher means "more likely a member". Rates and differences are fractions.
"""

from upcycle.audit.statistics._auc import auc, auc_p_value, delong_interval, midranks, null_deviation
from upcycle.audit.statistics._binomial import clopper_pearson, lower_limit, upper_limit
from upcycle.audit.statistics._checks import check_scores, flag_problems
from upcycle.audit.statistics._epsilon import EpsilonBound, epsilon_cap, epsilon_simultaneous, epsilon_split, gaussian_bound
from upcycle.audit.statistics._holm import PRIMARY_SHARE, adjust, holm
from upcycle.audit.statistics._one_run import one_run_at_threshold, one_run_bound, one_run_epsilon, one_run_gaussian
from upcycle.audit.statistics._permutation import label_permutation
from upcycle.audit.statistics._pooled import FPR, Pool, effective_trials, pool, pooled_auc, pooled_epsilon, pooled_tpr, unjudgeable
from upcycle.audit.statistics._power import detectable_auc, detectable_tpr, records_for_margin, records_needed
from upcycle.audit.statistics._risk import RecordRisk, record_risk
from upcycle.audit.statistics._tpr import tpr_at_fpr, tpr_p_value
from upcycle.audit.statistics._values import NotResolvable, Rate

__all__ = [
    "EpsilonBound",
    "FPR",
    "NotResolvable",
    "PRIMARY_SHARE",
    "Pool",
    "Rate",
    "RecordRisk",
    "adjust",
    "auc",
    "auc_p_value",
    "check_scores",
    "clopper_pearson",
    "delong_interval",
    "detectable_auc",
    "detectable_tpr",
    "effective_trials",
    "epsilon_cap",
    "epsilon_simultaneous",
    "epsilon_split",
    "flag_problems",
    "gaussian_bound",
    "holm",
    "label_permutation",
    "lower_limit",
    "midranks",
    "null_deviation",
    "one_run_at_threshold",
    "one_run_bound",
    "one_run_epsilon",
    "one_run_gaussian",
    "pool",
    "pooled_auc",
    "pooled_epsilon",
    "pooled_tpr",
    "record_risk",
    "records_for_margin",
    "records_needed",
    "tpr_at_fpr",
    "tpr_p_value",
    "unjudgeable",
    "upper_limit",
]
