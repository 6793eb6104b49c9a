"""The shape of the released audit.json: the run's own audit, and that of its shadow pipelines apart from it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from upcycle.audit.documents._document import from_dataclass, model
from upcycle.audit.documents._merged import Merged, Side
from upcycle.audit.documents._pipeline_audit import pipeline_fields, plan_document
from upcycle.audit.documents._score_audit import PublicPlanDocument, audit_fields

RELEASED_SCHEMA: Final = "upcycle-released-audit/1"


@cache
def _document() -> type[BaseModel]:
    side = from_dataclass(Side, "SideDocument")
    merged = from_dataclass(Merged, "MergedDocument", shares=(dict[str, float], ...), run=(side, ...), pipelines=(side, ...))
    pipelines = model("ReleasedPipelinesDocument", pipeline_fields(plan_document(public=True)))
    parts = {
        **audit_fields(PublicPlanDocument),
        "merged": (merged | None, None),
        "pipelines": (pipelines | None, None),
        "accepted_risk": (str | None, None),
    }
    return model("ReleasedAuditDocument", parts)


def released_schema() -> dict[str, Any]:
    """The JSON schema of release/audit.json: no seed, no single record. `verdict` is the merged one where there are two audits;
    everything else at its top is the run's own."""
    return {"$id": RELEASED_SCHEMA, **_document().model_json_schema(by_alias=True)}


def check_released_audit(document: dict[str, Any]) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not the audit.json of a release by this version."""
    _document().model_validate(document)
