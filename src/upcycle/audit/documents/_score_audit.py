"""The shape of a run's audit.json, as a pydantic model and as the JSON schema made from it."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, Field

from upcycle.audit.documents._document import Strict, common_fields, from_dataclass, model
from upcycle.audit.score_audit import SCHEMA, SCHEMA_VERSION
from upcycle.audit.verdict import AuditRow, Statistic, Word


class EndpointDocument(Strict):
    """The primary endpoint, declared beforehand."""

    statistic: Statistic
    attack: str
    population: str
    chance: float = Field(ge=0, le=1, description="value of an attack that knows nothing")
    margin: float = Field(ge=0, le=1, description="NO LEAK FOUND needs the upper limit below it")


class PublicPlanDocument(Strict):
    """What was fixed before any score was seen, without the seed."""

    folds: int
    confidence: float


class PlanDocument(PublicPlanDocument):
    """What was fixed before any score was seen."""

    seed: int


def audit_fields(plan: type[Strict]) -> dict[str, Any]:
    """The fields of an audit of given scores, with this shape of its plan."""
    return {
        **common_fields(SCHEMA),
        "schema_version": (Literal[SCHEMA_VERSION], ...),
        "endpoint": (EndpointDocument, ...),
        "margin": (float | None, ...),
        "plan": (plan, ...),
        "rows": (list[from_dataclass(AuditRow, "RowDocument", verdict=(Word, ...))], ...),  # type: ignore[misc]
    }


@cache
def _document() -> type[BaseModel]:
    return model("AuditDocument", audit_fields(PlanDocument))


def audit_schema() -> dict[str, Any]:
    """The JSON schema of a run's audit.json on the private side; `released_schema` is that of the released one."""
    return {"$id": SCHEMA, **_document().model_json_schema(by_alias=True)}


def check_audit(document: dict[str, Any]) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not an audit.json of this version."""
    _document().model_validate(document)
