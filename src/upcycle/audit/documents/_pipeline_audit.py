"""The shape of pipeline.json, what an audit by shadow pipelines found, as a pydantic model and as a JSON schema."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel, Field

from upcycle.audit.documents._document import Strict, common_fields, from_dataclass, model
from upcycle.audit.pipeline_audit import SCHEMA, CanaryBound, CanaryCost, DpComparator, LabelTest, PipelineRow, SetShare
from upcycle.audit.pipelines import AuditPlan, CanaryCounts
from upcycle.audit.verdict import Word

_YOUNGER: dict[str, Any] = {"look": (int, 0), "without_canaries": (int, 0)}  # than the first documents, which lack them


KEPT_INSIDE = ("seed", "backend", "n_jobs")  # of a plan: with the seed canaries and members could be drawn again


class MarginsDocument(Strict):
    """NO LEAK FOUND needs the primary endpoint's upper limit below its margin, the teacher's lower limit above it."""

    auc: float = Field(ge=0, le=1)
    tpr_at_1pct: float = Field(ge=0, le=1)


def pipeline_fields(plan: type[BaseModel]) -> dict[str, Any]:
    """The fields that the public half has too, with this shape of the plan."""
    return {
        **common_fields(SCHEMA),
        "scope": (str, ...),
        "margins": (MarginsDocument, ...),
        "plan": (plan, ...),
        "rows": (list[from_dataclass(PipelineRow, "PipelineRowDocument", verdict=(Word, ...))], ...),  # type: ignore[misc]
        "permutation": (list[from_dataclass(LabelTest, "LabelTestDocument")], ...),  # type: ignore[misc]
        "facts": (dict[str, float], ...),
    }


def plan_document(*, public: bool) -> type[BaseModel]:
    """What was declared before the first pipeline ran."""
    canaries = from_dataclass(CanaryCounts, "CanaryCountsDocument")
    name, without = ("PublicPipelinePlanDocument", KEPT_INSIDE) if public else ("PipelinePlanDocument", ())
    return from_dataclass(AuditPlan, name, without=without, canaries=(canaries | None, ...), **_YOUNGER)


@cache
def _document(public: bool) -> type[BaseModel]:
    comparator = from_dataclass(DpComparator, "DpComparatorDocument", sentence=(str, ...))
    parts = {
        **pipeline_fields(plan_document(public=public)),
        "one_run": (list[from_dataclass(CanaryBound, "CanaryBoundDocument")], ...),  # type: ignore[misc]
        "sets": (list[from_dataclass(SetShare, "SetShareDocument")], ...),  # type: ignore[misc]
        "canary_costs": (list[from_dataclass(CanaryCost, "CanaryCostDocument")], Field([], description="both accuracies")),  # type: ignore[misc]
        "notes": (list[str], Field([], description="what could not be judged or is out of the ordinary, and why")),
        "dp_comparator": (comparator | None, None),
    }
    return model("PipelineAuditDocument", parts)


def pipeline_schema() -> dict[str, Any]:
    """The JSON schema of private/audit/pipeline.json, `PipelineAudit.to_json()`."""
    return {"$id": SCHEMA, **_document(public=False).model_json_schema(by_alias=True)}


def check_pipeline_audit(document: dict[str, Any], *, public: bool = False) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not `PipelineAudit.to_json(public=public)` of this version."""
    _document(public).model_validate(document)
