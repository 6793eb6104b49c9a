"""Two self-contained HTML reports from one frozen value, internal and shareable, and a page that compares runs."""

from upcycle.report._compare import render_comparison
from upcycle.report._evidence import Energy, Evidence, Neighbours, Sheet
from upcycle.report._html import render, write_reports
from upcycle.report._metrics import Scores, roc_band, scores

__all__ = [
    "Energy",
    "Evidence",
    "Neighbours",
    "Scores",
    "Sheet",
    "render",
    "render_comparison",
    "roc_band",
    "scores",
    "write_reports",
]
