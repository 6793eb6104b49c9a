"""Two self-contained HTML reports from one frozen value, internal and shareable, a page that compares runs, and one about the
shadow pipelines of an audit."""

from upcycle.report._compare_page import render_comparison
from upcycle.report._evidence import Energy, Evidence, Neighbours, Sheet
from upcycle.report._metrics import Scores, roc_band, scores
from upcycle.report._pipeline_page import render_pipeline_audit
from upcycle.report._run_page import render, write_reports

__all__ = [
    "Energy",
    "Evidence",
    "Neighbours",
    "Scores",
    "Sheet",
    "render",
    "render_comparison",
    "render_pipeline_audit",
    "roc_band",
    "scores",
    "write_reports",
]
