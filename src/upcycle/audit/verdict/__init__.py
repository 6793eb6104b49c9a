"""The words, rows, controls and endpoints that the audit of scores and the audit of pipelines share."""

from upcycle.audit.verdict._endpoint import Endpoint, Statistic, leak_level
from upcycle.audit.verdict._row import AuditRow, Control
from upcycle.audit.verdict._word import Verdict, Word, headline

__all__ = [
    "AuditRow",
    "Control",
    "Endpoint",
    "Statistic",
    "Verdict",
    "Word",
    "headline",
    "leak_level",
]
