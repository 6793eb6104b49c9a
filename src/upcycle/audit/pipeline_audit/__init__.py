"""The audit of a pipeline: attacks on what its repeated runs answered, rows, controls and verdicts."""

from upcycle.audit.pipeline_audit._attacked import seconds_of_attacks
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._canary_bound import CanaryBound
from upcycle.audit.pipeline_audit._comparators import CanaryCost, DpComparator
from upcycle.audit.pipeline_audit._judge import judge_pipeline
from upcycle.audit.pipeline_audit._label_test import LabelTest
from upcycle.audit.pipeline_audit._owners import SetShare
from upcycle.audit.pipeline_audit._result import PipelineAudit, PipelineRow, SCHEMA
from upcycle.audit.pipeline_audit._single import Alone, GAP_CARD, ONE_RUN_CARD, prepare, scores_alone

__all__ = [
    "Alone",
    "CanaryBound",
    "CanaryCost",
    "DpComparator",
    "GAP_CARD",
    "LabelTest",
    "ONE_RUN_CARD",
    "PipelineAudit",
    "PipelineRow",
    "SCHEMA",
    "SetShare",
    "audit",
    "judge_pipeline",
    "prepare",
    "scores_alone",
    "seconds_of_attacks",
]
