"""Run folders, stages and the whole road from private images to an audited student."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upcycle.runs._audit_run import audit_run
    from upcycle.runs._comparison import Comparison, Pair, compare_runs
    from upcycle.runs._facts import Leak, Measured, RunFacts, read_run
    from upcycle.runs._pipeline import UNTIL, Summary, run, run_dataset
    from upcycle.runs._publish import release_run
    from upcycle.runs._study import GapSummary, study

_PUBLIC = {
    "UNTIL": "_pipeline",
    "Comparison": "_comparison",
    "GapSummary": "_study",
    "Leak": "_facts",
    "Measured": "_facts",
    "Pair": "_comparison",
    "RunFacts": "_facts",
    "Summary": "_pipeline",
    "audit_run": "_audit_run",
    "compare_runs": "_comparison",
    "read_run": "_facts",
    "release_run": "_publish",
    "run": "_pipeline",
    "run_dataset": "_pipeline",
    "study": "_study",
}

__all__ = [
    "UNTIL",
    "Comparison",
    "GapSummary",
    "Leak",
    "Measured",
    "Pair",
    "RunFacts",
    "Summary",
    "audit_run",
    "compare_runs",
    "read_run",
    "release_run",
    "run",
    "run_dataset",
    "study",
]


def __getattr__(name: str) -> Any:
    """Public names are imported at first use, so that reading a finished run does not load torch."""
    if name in _PUBLIC:
        return getattr(import_module(f"upcycle.runs.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'upcycle.runs' has no attribute {name!r}")
