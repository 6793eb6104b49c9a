"""The audit of a pipeline: attacks on what its repeated runs answered, rows, controls and verdicts."""

from upcycle.audit.pipeline_audit._at_risk import Exposure
from upcycle.audit.pipeline_audit._attacked import seconds_of_attacks
from upcycle.audit.pipeline_audit._audit import audit, judge_shadows, row_about
from upcycle.audit.pipeline_audit._canary_bound import CanaryBound
from upcycle.audit.pipeline_audit._comparators import CanaryCost, DpComparator, dp_comparator
from upcycle.audit.pipeline_audit._copy_test import CopyTest
from upcycle.audit.pipeline_audit._facts import AuditFacts, PrivateFacts
from upcycle.audit.pipeline_audit._forecast import Forecast, forecast_pipelines, forecast_run
from upcycle.audit.pipeline_audit._label_test import LabelTest, label_test
from upcycle.audit.pipeline_audit._owners import SetShare
from upcycle.audit.pipeline_audit._result import KEPT_INSIDE, SCHEMA, PipelineAudit
from upcycle.audit.pipeline_audit._rows import populations
from upcycle.audit.pipeline_audit._worst import WorstRecord
