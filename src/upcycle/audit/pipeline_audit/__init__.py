"""The audit of a pipeline: attacks on what its repeated runs answered, rows, controls and verdicts."""

from upcycle.audit.pipeline_audit._attacked import seconds_of_attacks
from upcycle.audit.pipeline_audit._audit import audit, judge_shadows
from upcycle.audit.pipeline_audit._canary_bound import CanaryBound
from upcycle.audit.pipeline_audit._comparators import DP_MODEL, CanaryCost, DpComparator, dp_comparator
from upcycle.audit.pipeline_audit._judge import judge_pipeline
from upcycle.audit.pipeline_audit._label_test import LabelTest, label_test
from upcycle.audit.pipeline_audit._owners import SetShare
from upcycle.audit.pipeline_audit._result import SCHEMA, PipelineAudit, PipelineRow
from upcycle.audit.pipeline_audit._single import GAP_CARD, ONE_RUN_CARD, Alone, prepare, scores_alone

__all__ = [
    "DP_MODEL",
    "GAP_CARD",
    "ONE_RUN_CARD",
    "SCHEMA",
    "Alone",
    "CanaryBound",
    "CanaryCost",
    "DpComparator",
    "LabelTest",
    "PipelineAudit",
    "PipelineRow",
    "SetShare",
    "audit",
    "dp_comparator",
    "judge_pipeline",
    "judge_shadows",
    "label_test",
    "prepare",
    "scores_alone",
    "seconds_of_attacks",
]
