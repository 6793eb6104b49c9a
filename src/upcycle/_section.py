"""What every group of settings has in common: frozen, unknown keys refused, numbers within reason, errors in our words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from upcycle._bounded import shortened
from upcycle.errors import ConfigError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _ModelMeta
else:
    _ModelMeta = type(BaseModel)  # its name is private, and its place may move


FAMILY_NAMES: Final = ("edm", "gan", "biggan", "mix")


def explained(error: ValidationError, known: Sequence[str]) -> list[str]:
    """One line for every problem; `known` are the names that may be meant by an unknown one."""
    found = error.errors()
    parents = {problem["loc"][:-1] for problem in found}  # a list whose only item is wrong is not also too short
    told = [problem for problem in found if problem["type"] != "too_short" or problem["loc"] not in parents]
    return [line for problem in told for line in _explained(problem, known)]


def _explained(problem: Any, known: Sequence[str]) -> Iterator[str]:
    where = [str(part) for part in problem["loc"]]
    pairs = zip(["", *where], where, strict=False)
    name = ".".join(part for before, part in pairs if before != "generator" or part not in FAMILY_NAMES)
    if problem["type"] == "extra_forbidden":
        yield from unknown(name, problem["input"], known)
    else:
        yield f"setting {name} must be {_allowed(problem)}. Got {shortened(problem['input'])}. See docs/settings.md."


def unknown(name: str, value: object, known: Sequence[str]) -> list[str]:
    """One line for every leaf below an unknown name, so that the suggestion can be a whole setting."""
    if isinstance(value, Mapping) and value:
        return [line for key, inner in value.items() for line in unknown(f"{name}.{key}", inner, known)]
    return [f"setting {name} must be a known one. Got {name.split('.')[-1]!r}.{near(name, known)}"]


def near(name: str, known: Sequence[str]) -> str:
    """The question after a misspelt name, or where to look."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else " See docs/settings.md."


def _allowed(problem: Any) -> str:
    """What a setting may be, without the validator's jargon."""
    kind, context = problem["type"], problem.get("ctx", {})
    for prefix, allowed in _ALLOWED.items():
        if kind.startswith(prefix):
            return allowed
    if kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected") or context["expected_tags"]
        return f"one of {expected.replace(' or ', ', ').replace(chr(39), '')}"
    if kind == "missing":
        return "given"
    if kind == "too_short":
        return f"a list of at least {context['min_length']}"
    return str(problem["msg"].removeprefix("Input should be "))


_ALLOWED: Final = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a word",
    "tuple": "a list such as [64, 128]",
    "model_": "a group of settings",
}


WIDEST: Final = 0.28  # relative width of a power-function average; beyond it there is no such profile
_LARGEST = 2**53  # whole numbers up to it are exact as float64, and beyond it no library agrees


class _Plain(_ModelMeta):
    """Makes the errors of `Section(...)` ours: ConfigError, a line for every problem."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise ConfigError(*explained(error, cls.known_names())) from None  # type: ignore[attr-defined]


class Section(BaseModel, metaclass=_Plain):
    """A group of settings. Raises ConfigError for an unknown key and for a number that no library could use."""

    # defaults are validated too: 16 and 16.0 are one setting, but not one text, and stages are keyed by the text
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    @classmethod
    def known_names(cls) -> list[str]:
        """Names of the settings."""
        return list(cls.model_fields)

    @field_validator("*")
    @classmethod
    def _within_reason(cls, value: Any) -> Any:
        """Larger numbers overflow somewhere inside torch or NumPy, hours later."""
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and abs(number) > _LARGEST:
                raise PydanticCustomError("too_large", "a number below 2^53")
        return value


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)):
        raise PydanticCustomError("order", "in rising order, each once")
    return values


RisingShares = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], AfterValidator(_rising)]
"""Shares of a run, each above the one before."""
