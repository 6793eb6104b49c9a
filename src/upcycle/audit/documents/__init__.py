"""Audits as JSON: their schemas, the check against them, and the two audits of a run joined."""

from upcycle.audit.documents._merged import Merged, Side, look_sentence, merge_audits
from upcycle.audit.documents._pipeline_audit import check_pipeline_audit, pipeline_schema
from upcycle.audit.documents._released import check_released_audit, released_schema
from upcycle.audit.documents._score_audit import audit_schema, check_audit

__all__ = [
    "Merged",
    "Side",
    "audit_schema",
    "check_audit",
    "check_pipeline_audit",
    "check_released_audit",
    "look_sentence",
    "merge_audits",
    "pipeline_schema",
    "released_schema",
]
