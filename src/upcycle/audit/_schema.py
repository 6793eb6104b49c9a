"""The shape of audit.json, as a pydantic model and as the JSON schema made from it."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from upcycle.audit._attacks import AttackCard
from upcycle.audit._controls import Control
from upcycle.audit._multiplicity import Statistic
from upcycle.audit._pooled_epsilon import EpsilonUnit
from upcycle.audit._result import SCHEMA, SCHEMA_VERSION, AuditRow
from upcycle.audit._verdict import Verdict, Word


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class EndpointDocument(_Strict):
    """The primary endpoint, declared beforehand."""

    statistic: Statistic
    attack: str
    population: str
    chance: float = Field(ge=0, le=1, description="value of an attack that knows nothing")
    margin: float = Field(ge=0, le=1, description="NO LEAK FOUND needs the upper limit below it")


class PlanDocument(_Strict):
    """What was fixed before any score was seen."""

    folds: int
    confidence: float
    seed: int


def _from_dataclass(kind: type, name: str, **more: Any) -> type[BaseModel]:
    """A strict model with the fields of a frozen dataclass, so that the two cannot drift apart."""
    hints = get_type_hints(kind)
    described: dict[str, Any] = {field.name: (hints[field.name], ...) for field in fields(kind)}
    model: type[BaseModel] = create_model(name, __base__=_Strict, **described, **more)
    return model


@cache
def _document() -> type[BaseModel]:
    whom = Field(None, description="rows of shadow pipelines: whom epsilon_low and epsilon_cap are about")
    row = _from_dataclass(AuditRow, "RowDocument", verdict=(Word, ...), epsilon_of=(EpsilonUnit | None, whom))
    parts: dict[str, Any] = {
        "schema_": (Literal[SCHEMA], Field(alias="schema")),
        "schema_version": (Literal[SCHEMA_VERSION], ...),
        "verdict": (Word, ...),
        "line": (str, ...),
        "sentence": (str, ...),
        "primary_endpoint": (str, ...),
        "endpoint": (EndpointDocument, ...),
        "margin": (float | None, ...),
        "plan": (PlanDocument, ...),
        "verdicts": (list[_from_dataclass(Verdict, "VerdictDocument")], ...),  # type: ignore[misc]
        "rows": (list[row], ...),  # type: ignore[valid-type]
        "controls": (list[_from_dataclass(Control, "ControlDocument")], ...),  # type: ignore[misc]
        "attacks": (list[_from_dataclass(AttackCard, "CardDocument")], ...),  # type: ignore[misc]
    }
    document: type[BaseModel] = create_model("AuditDocument", __base__=_Strict, **parts)
    return document


def audit_schema() -> dict[str, Any]:
    """The JSON schema of audit.json."""
    return {"$id": SCHEMA, **_document().model_json_schema(by_alias=True)}


def check_audit(document: dict[str, Any]) -> None:
    """Nothing, or pydantic.ValidationError where `document` is not an audit.json of this version."""
    _document().model_validate(document)
