"""The recipe of a run as a pipeline that can be audited: its small configuration, its cost, its audit."""

from upcycle.runs.shadows._audit import PAGE, audit_pool, audit_run, publish
from upcycle.runs.shadows._config import shadow_config
from upcycle.runs.shadows._dp import private_classifiers
from upcycle.runs.shadows._generator import generator_scores, searched_scores
from upcycle.runs.shadows._pipeline import Given, ShadowPipeline, with_threads

__all__ = [
    "PAGE",
    "Given",
    "ShadowPipeline",
    "audit_pool",
    "audit_run",
    "generator_scores",
    "private_classifiers",
    "publish",
    "searched_scores",
    "shadow_config",
    "with_threads",
]
