"""Whole pipelines, run again on secret halves with canaries planted, and what each of them answers."""

from upcycle.audit.pipelines._canaries import KINDS, PATIENT_PATCH, RANDOM_LABEL, Records, natural_outliers, plant
from upcycle.audit.pipelines._canary_counts import CanaryCounts, fitted_counts
from upcycle.audit.pipelines._contract import (
    CONTROL,
    DISTILLED,
    Parts,
    Pipeline,
    PrivateModel,
    check_steady,
    from_sklearn,
    from_torch,
)
from upcycle.audit.pipelines._design import LEAST_UNITS, Design, complementary_halves, make_design
from upcycle.audit.pipelines._plan import BUDGETS, LOOK_SHARE, AuditPlan, plan_for
from upcycle.audit.pipelines._questions import (
    CONTROLS,
    COPYING,
    PLANTED,
    PLANTED_FLAG,
    PLANTED_KNOWN,
    Answers,
    Questions,
    RunFacts,
    ask,
)
from upcycle.audit.pipelines._runs import Report, Shadows, kept_runs, read_answers, run_first, run_in, run_paths
