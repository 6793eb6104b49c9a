"""How the JSON of an audit becomes a schema: strict types, made of the same frozen dataclasses that the JSON is made of."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import ConfigDict, TypeAdapter

from upcycle.audit.verdict import Statistic

STRICT: Final = ConfigDict(extra="forbid")
"""As `__pydantic_config__` of a document: nor in any of its parts may an unknown field stand."""
D = TypeVar("D")


@dataclass(frozen=True)
class EndpointDocument:
    """The primary endpoint, declared beforehand; `chance`: value of an attack that knows nothing; NO LEAK FOUND needs the upper
    limit below `margin`."""

    statistic: Statistic
    attack: str
    population: str
    chance: float
    margin: float


def schema_of(kind: type, identifier: str) -> dict[str, Any]:
    """The JSON schema of a document."""
    return {"$id": identifier, **_adapter(kind).json_schema()}


def read(kind: type[D], document: Mapping[str, Any]) -> D:
    """The document. Raises pydantic.ValidationError where it is not of this kind."""
    found: D = _adapter(kind).validate_python(document)  # type: ignore[arg-type]
    return found


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(kind)  # type: ignore[arg-type]
