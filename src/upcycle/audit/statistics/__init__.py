"""From scores of members and non-members to figures with limits. NumPy and SciPy only.

Every score is oriented so that higher means "more likely a member". Rates and differences are fractions.
"""

from upcycle.audit.statistics._auc import RocCurve, auc, auc_interval, auc_p_value, midranks, null_deviation, roc
from upcycle.audit.statistics._binomial import (
    accuracy_interval,
    clopper_pearson,
    lower_limit,
    paired_difference_interval,
    upper_limit,
)
from upcycle.audit.statistics._clusters import effective_trials
from upcycle.audit.statistics._epsilon import (
    EpsilonBound,
    GaussianBound,
    epsilon_bound,
    epsilon_cap,
    epsilon_from_counts,
    epsilon_simultaneous,
    epsilon_split,
    gaussian_bound,
    gaussian_epsilon,
    pooled_epsilon,
)
from upcycle.audit.statistics._one_run import (
    one_run_at_threshold,
    one_run_bound,
    one_run_epsilon,
    one_run_gaussian,
    one_run_mu,
    one_run_p_value,
)
from upcycle.audit.statistics._permutation import LabelPermutation, holm, label_permutation, weighted_holm
from upcycle.audit.statistics._power import (
    Need,
    canaries_for_epsilon,
    detectable_auc,
    detectable_tpr,
    non_members_for_limit,
    non_members_needed,
    pipelines_needed,
    power_table,
    records_for_epsilon,
    records_for_margin,
    records_needed,
)
from upcycle.audit.statistics._risk import RecordRisk, aop, record_risk
from upcycle.audit.statistics._scores import Scores, flag_problems, value_problems
from upcycle.audit.statistics._tpr import tpr_at_common_fpr, tpr_at_fpr, tpr_p_value
from upcycle.audit.statistics._values import Interval, NotResolvable, Rate
from upcycle.audit.statistics._worst import worst_by_luck, worst_of
