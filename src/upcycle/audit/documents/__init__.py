"""Audits as JSON: their schemas, the check against them, and the two audits of a run joined."""

from upcycle.audit.documents._merged import look_sentence
from upcycle.audit.documents._pipeline_audit import check_pipeline_audit
from upcycle.audit.documents._score_audit import audit_schema, check_audit

__all__ = [
    "audit_schema",
    "check_audit",
    "check_pipeline_audit",
    "look_sentence",
]
