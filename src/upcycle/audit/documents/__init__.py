"""Audits as JSON: their shapes, read strictly, and the two audits of a run joined."""

from upcycle.audit.documents._merged import Merged, Side, look_sentence, merge_audits
from upcycle.audit.documents._pipeline_audit import (
    PublicPipelines,
    ReleasedFacts,
    ReleasedPipelines,
    check_pipeline_audit,
    pipeline_schema,
)
from upcycle.audit.documents._score_audit import ReleasedAudit, audit_schema, check_audit, check_released_audit, released_schema
