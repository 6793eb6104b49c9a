"""The recipe of a run as a pipeline that can be audited: its small configuration, its cost, its audit."""

from upcycle.runs.shadows._as_run import AsRun, own_config
from upcycle.runs.shadows._audit import PAGE, audit_pool, audit_run, publish
from upcycle.runs.shadows._config import shadow_config
from upcycle.runs.shadows._designs import Design, DesignPipeline
from upcycle.runs.shadows._dp import private_classifiers
from upcycle.runs.shadows._evidence import evidence_stage
from upcycle.runs.shadows._frontier import BUNDLES, FrontierPlan, frontier
from upcycle.runs.shadows._frontier_rows import accuracies, rows_of
from upcycle.runs.shadows._generator import generator_scores, searched_scores
from upcycle.runs.shadows._pipeline import Given, ShadowPipeline, as_predict, with_threads
