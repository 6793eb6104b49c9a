"""Run folders, stages and the whole road from private images to an audited student."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upcycle.runs._forecast import evidence_minutes, forecast_lines, forecasts, measured_minutes
    from upcycle.runs._objectives import objective_lines
    from upcycle.runs._run import UNTIL, Summary, run, run_dataset, summary_of
    from upcycle.runs._study import row_of, study, summarise
    from upcycle.runs._study_table import GapSummary, Row, settings_line, table
    from upcycle.runs.folder import Comparison, Leak, Measured, Pair, RunFacts, compare_runs, read_run
    from upcycle.runs.shadows import audit_run
    from upcycle.runs.stages import release_run

_PUBLIC = {
    "Comparison": "folder",
    "GapSummary": "_study_table",
    "Leak": "folder",
    "Measured": "folder",
    "Pair": "folder",
    "Row": "_study_table",
    "RunFacts": "folder",
    "Summary": "_run",
    "UNTIL": "_run",
    "audit_run": "shadows",
    "compare_runs": "folder",
    "read_run": "folder",
    "release_run": "stages",
    "row_of": "_study",
    "run": "_run",
    "forecast_lines": "_forecast",
    "forecasts": "_forecast",
    "measured_minutes": "_forecast",
    "evidence_minutes": "_forecast",
    "objective_lines": "_objectives",
    "run_dataset": "_run",
    "settings_line": "_study_table",
    "study": "_study",
    "summarise": "_study",
    "summary_of": "_run",
    "table": "_study_table",
}

__all__ = [
    "UNTIL",
    "Comparison",
    "GapSummary",
    "Leak",
    "Measured",
    "Pair",
    "Row",
    "RunFacts",
    "Summary",
    "audit_run",
    "compare_runs",
    "evidence_minutes",
    "forecast_lines",
    "forecasts",
    "measured_minutes",
    "read_run",
    "release_run",
    "row_of",
    "run",
    "run_dataset",
    "settings_line",
    "study",
    "summarise",
    "summary_of",
    "table",
]


def __getattr__(name: str) -> Any:
    """Public names are imported at first use, so that reading a finished run does not load torch."""
    if name in _PUBLIC:
        return getattr(import_module(f"upcycle.runs.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'upcycle.runs' has no attribute {name!r}")
