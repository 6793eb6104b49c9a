"""Two self-contained HTML reports from one frozen value: internal, and shareable."""

from upcycle.report._evidence import Evidence
from upcycle.report._html import render, write_reports

__all__ = ["Evidence", "render", "write_reports"]
