"""Everything the statistics offer, gathered for the other files of this room. NumPy and SciPy only.

Every score is oriented so that higher means "more likely a member". Rates and differences are fractions.
"""

from upcycle.audit._auc import RocCurve, auc, auc_p_value, delong_interval, midranks, null_deviation, roc
from upcycle.audit._binomial import accuracy_interval, clopper_pearson, paired_difference_interval
from upcycle.audit._multiplicity import holm
from upcycle.audit._normal import Interval, NotResolvable, Rate
from upcycle.audit._power import detectable_auc, records_needed
from upcycle.audit._risk import aop
from upcycle.audit._tpr import tpr_at_fpr

__all__ = [
    "Interval",
    "NotResolvable",
    "Rate",
    "RocCurve",
    "accuracy_interval",
    "aop",
    "auc",
    "auc_p_value",
    "clopper_pearson",
    "delong_interval",
    "detectable_auc",
    "holm",
    "midranks",
    "null_deviation",
    "paired_difference_interval",
    "records_needed",
    "roc",
    "tpr_at_fpr",
]
