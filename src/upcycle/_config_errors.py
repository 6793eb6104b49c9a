"""What is wrong with settings, in the words of the product instead of the validator's."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from upcycle._bounded import shortened

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
