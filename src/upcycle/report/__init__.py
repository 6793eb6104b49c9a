"""Two self-contained HTML reports from one frozen value, internal and shareable, a page that compares runs, and one about the
shadow pipelines of an audit."""

from upcycle.report._compare_page import render_comparison
from upcycle.report._dossier import Decision, render_dossier
from upcycle.report._evidence import Energy, Evidence, Neighbours, Sheet
from upcycle.report._metrics import Scores, roc_band, scores
from upcycle.report._pipeline_page import render_pipeline_audit
from upcycle.report._run_page import render, write_reports
from upcycle.report._words import SCREENED, Words, words

__all__ = [
    "SCREENED",
    "Decision",
    "Energy",
    "Evidence",
    "Neighbours",
    "Scores",
    "Sheet",
    "Words",
    "render",
    "render_comparison",
    "render_dossier",
    "render_pipeline_audit",
    "roc_band",
    "scores",
    "words",
    "write_reports",
]
