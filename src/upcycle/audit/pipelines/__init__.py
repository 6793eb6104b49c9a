"""Whole pipelines, run again on secret halves with canaries planted, and what each of them answers."""

from upcycle.audit.pipelines._canaries import KINDS, PATIENT_PATCH, RANDOM_LABEL, Records, natural_outliers, plant
from upcycle.audit.pipelines._canary_counts import CanaryCounts, fitted_counts
from upcycle.audit.pipelines._contract import Parts, Pipeline, check_steady, from_sklearn, from_torch
from upcycle.audit.pipelines._design import Design, complementary_halves, make_design
from upcycle.audit.pipelines._plan import BUDGETS, LOOK_SHARE, AuditPlan, plan_for
from upcycle.audit.pipelines._questions import (
    ACCURACY,
    CONTROLS,
    COPYING,
    DENSITY,
    LABEL_MASS,
    NEAREST,
    NEIGHBOURS,
    PLANTED,
    PLANTED_FLAG,
    PROBE,
    Answers,
    ask,
)
from upcycle.audit.pipelines._runs import Report, Shadows, kept_runs, read_answers, run_first, run_in, run_paths, run_shadows
from upcycle.audit.pipelines._searches import BOUNDARY, searched

__all__ = [
    "ACCURACY",
    "BOUNDARY",
    "BUDGETS",
    "CONTROLS",
    "COPYING",
    "DENSITY",
    "KINDS",
    "LABEL_MASS",
    "LOOK_SHARE",
    "NEAREST",
    "NEIGHBOURS",
    "PATIENT_PATCH",
    "PLANTED",
    "PLANTED_FLAG",
    "PROBE",
    "RANDOM_LABEL",
    "Answers",
    "AuditPlan",
    "CanaryCounts",
    "Design",
    "Parts",
    "Pipeline",
    "Records",
    "Report",
    "Shadows",
    "ask",
    "check_steady",
    "complementary_halves",
    "fitted_counts",
    "from_sklearn",
    "from_torch",
    "kept_runs",
    "make_design",
    "natural_outliers",
    "plan_for",
    "plant",
    "read_answers",
    "run_first",
    "run_in",
    "run_paths",
    "run_shadows",
    "searched",
]
