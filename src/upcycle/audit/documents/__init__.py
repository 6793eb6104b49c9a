"""Audits as JSON: their shapes, read strictly, and the two audits of a run joined."""

from upcycle.audit.documents._merged import Merged, Side, look_sentence, merge_audits
from upcycle.audit.documents._pipeline_audit import (
    PublicPipelines,
    ReleasedFacts,
    ReleasedPipelines,
    check_pipeline_audit,
    pipeline_schema,
    read_pipelines,
)
from upcycle.audit.documents._released import ReleasedAudit, check_released_audit, read_led, released_schema
from upcycle.audit.documents._score_audit import audit_schema, check_audit, read_audit

__all__ = [
    "Merged",
    "PublicPipelines",
    "ReleasedAudit",
    "ReleasedFacts",
    "ReleasedPipelines",
    "Side",
    "audit_schema",
    "check_audit",
    "check_pipeline_audit",
    "check_released_audit",
    "look_sentence",
    "merge_audits",
    "pipeline_schema",
    "read_audit",
    "read_led",
    "read_pipelines",
    "released_schema",
]
