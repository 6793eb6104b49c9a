"""How the JSON of an audit becomes a schema: strict models, made of the same frozen dataclasses that the JSON is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from upcycle.audit.attacks import AttackCard
from upcycle.audit.verdict import Control, Verdict, Word


class Strict(BaseModel):
    """A part of a document, in which no unknown field may stand."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


def from_dataclass(kind: type, name: str, *, without: Sequence[str] = (), **more: Any) -> type[BaseModel]:
    """A strict model with the fields of a frozen dataclass, so that both stay alike; `more` adds or replaces some."""
    hints = get_type_hints(kind)
    described: dict[str, Any] = {field.name: (hints[field.name], ...) for field in fields(kind) if field.name not in without}
    return model(name, {**described, **more})


def model(name: str, parts: dict[str, Any]) -> type[BaseModel]:
    """A strict model with these fields."""
    made: type[BaseModel] = create_model(name, __base__=Strict, **parts)
    return made


def common_fields(schema: str) -> dict[str, Any]:
    """What every audit's document has: its schema, the verdict that leads, and verdicts, controls and attacks."""
    return {
        "schema_": (Literal[schema], Field(alias="schema")),
        "verdict": (Word, ...),
        "line": (str, ...),
        "sentence": (str, ...),
        "primary_endpoint": (str, ...),
        "verdicts": (list[from_dataclass(Verdict, "VerdictDocument")], ...),  # type: ignore[misc]
        "controls": (list[from_dataclass(Control, "ControlDocument")], ...),  # type: ignore[misc]
        "attacks": (list[from_dataclass(AttackCard, "CardDocument")], ...),  # type: ignore[misc]
    }
