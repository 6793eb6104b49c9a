"""Whole pipelines, run again on secret halves with canaries planted, and what each of them answers."""

from upcycle.audit.pipelines._canaries import CanaryCounts, KINDS, RANDOM_LABEL, Records, plant
from upcycle.audit.pipelines._contract import Parts, Pipeline, check_steady, from_sklearn, from_torch
from upcycle.audit.pipelines._design import Design, make_design
from upcycle.audit.pipelines._plan import AuditPlan, LOOK_SHARE, plan_for
from upcycle.audit.pipelines._questions import ACCURACY, Answers, CONTROLS, COPYING, DENSITY, LABEL_MASS, NEAREST, NEIGHBOURS, PLANTED, PLANTED_FLAG, PROBE, ask
from upcycle.audit.pipelines._runs import Report, Shadows, kept_runs, read_answers, run_first, run_in, run_shadows
from upcycle.audit.pipelines._searches import BOUNDARY, searched

__all__ = [
    "ACCURACY",
    "Answers",
    "AuditPlan",
    "BOUNDARY",
    "CONTROLS",
    "COPYING",
    "CanaryCounts",
    "DENSITY",
    "Design",
    "KINDS",
    "LABEL_MASS",
    "LOOK_SHARE",
    "NEAREST",
    "NEIGHBOURS",
    "PLANTED",
    "PLANTED_FLAG",
    "PROBE",
    "Parts",
    "Pipeline",
    "RANDOM_LABEL",
    "Records",
    "Report",
    "Shadows",
    "ask",
    "check_steady",
    "from_sklearn",
    "from_torch",
    "kept_runs",
    "make_design",
    "plan_for",
    "plant",
    "read_answers",
    "run_first",
    "run_in",
    "run_shadows",
    "searched",
]
