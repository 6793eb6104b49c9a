"""Pages made of docstrings and field descriptions: docs/api.md and docs/json.md."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Mapping
from importlib import import_module
from types import UnionType
from typing import Any

from pydantic import BaseModel

ROOMS = {
    "upcycle": "The names most programs need.",
    "upcycle.data": "Reading, checking, splitting and storing private images.",
    "upcycle.generators": "The contract of a generator, our generators, and the suite that checks yours.",
    "upcycle.nets": "Classifiers, and augmentation that keeps the label.",
    "upcycle.recycle": "Teacher, bank and student: the method itself.",
    "upcycle.audit": "Attacks, controls, statistics and the verdict. Takes arrays, whatever made the model.",
    "upcycle.report": "Two self-contained HTML pages from one frozen value.",
    "upcycle.release": "What leaves the building: gate, exports, synthetic sets, cards; and loading it again.",
    "upcycle.runs": "Run folders, stages and whole runs.",
    "upcycle.errors": "Errors that a user can correct.",
}


def api() -> str:
    """Every public name of every room with its signature and docstring."""
    parts = []
    for room, text in ROOMS.items():
        module = import_module(room)
        parts.append(f"## {room}\n\n{text}\n")
        parts += [_entry(room, name, getattr(module, name)) for name in public_names(room)]
    return "\n".join(parts)


def public_names(room: str) -> list[str]:
    """What a room shows: its __all__, or the classes it defines."""
    module = import_module(room)
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == room]


def _entry(room: str, name: str, value: Any) -> str:
    if not callable(value):
        return f"### {room}.{name}\n\n{_value(value)}\n"
    settings = inspect.isclass(value) and issubclass(value, BaseModel)
    call = (
        "Its fields are those of [settings.md](settings.md).\n" if settings else f"```python\n{_signature(name, value)}\n```\n"
    )
    parts = [f"### {room}.{name}\n", call, _doc(value)]
    if inspect.isclass(value):
        parts += [
            f"**`{_signature(f'.{method}', function, wrap=False)}`**  \n{_doc(function)}"
            for method, function in _methods(value)
        ]
    return "\n".join(part for part in parts if part)


def _value(value: Any) -> str:
    return f"`{value!r}`" if isinstance(value, str | int | float | tuple) else "A type alias: see the code."


def _methods(owner: type) -> list[tuple[str, Any]]:
    """Documented public methods and properties that the class itself defines, in its own order."""
    found = []
    for name, member in vars(owner).items():
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        function = function.fget if isinstance(function, property) else function
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            found.append((name, function))
    return found


def _signature(name: str, value: Any, *, wrap: bool = True) -> str:
    """The call as it is written in the code: on one line, or one argument a line where that is too long."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    arguments, keyword_only, written = [], False, _written(value)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            arguments.append("*")
        if parameter.name not in ("self", "cls"):
            arguments.append(_argument(parameter, written))
    empty = signature.return_annotation in (signature.empty, None, "None")
    after = "" if empty or inspect.isclass(value) else f" -> {written['return']}"
    short = f"{name}({', '.join(arguments)}){after}"
    if len(short) <= 110 or not wrap:
        return short
    return f"{name}(\n" + "".join(f"    {part},\n" for part in arguments) + f"){after}"


def _argument(parameter: inspect.Parameter, written: Mapping[str, str]) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = stars + parameter.name
    if parameter.name in written:
        text += f": {written[parameter.name]}"
    if parameter.default is parameter.empty:
        return text
    shown = repr(parameter.default)
    return f"{text} = {shown if len(shown) <= 40 and '<' not in shown else '...'}"


def _written(value: Any) -> dict[str, str]:
    """Annotations of parameters and fields as the source has them, where names of types are shorter; "return" too."""
    found: dict[str, str] = {}
    parts = [*reversed(value.__mro__[:-1])] if inspect.isclass(value) else [value]
    for part in parts:
        try:
            node = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        except (OSError, TypeError):  # not written in Python
            continue
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for each in inner:
            if isinstance(each, ast.AnnAssign):
                found[ast.unparse(each.target)] = ast.unparse(each.annotation)
            elif isinstance(each, ast.FunctionDef) and (each is node or each.name == "__init__"):
                args = [*each.args.posonlyargs, *each.args.args, *each.args.kwonlyargs, each.args.vararg, each.args.kwarg]
                found |= {arg.arg: ast.unparse(arg.annotation) for arg in args if arg and arg.annotation}
                found |= {"return": ast.unparse(each.returns)} if each.returns else {}
    return found


def _doc(value: Any) -> str:
    """The docstring; the generated docstring of a dataclass is left out."""
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    text = inspect.cleandoc(own or "")
    if inspect.isclass(value) and text.startswith(f"{value.__name__}("):
        return ""
    text = "`".join(part if k % 2 else re.sub(r"<(?=\w)", r"\<", part) for k, part in enumerate(text.split("`")))
    text = re.sub(r"(?m)^(>>> .*\n?)+", lambda found: f"\n```python\n{found[0].rstrip()}\n```\n", text)
    return re.sub(r"\n{3,}", "\n\n", text) + "\n"


def json_fields(model: type, words: Mapping[str, str] | None = None) -> str:
    """A table of the fields of one frozen dataclass that is printed as JSON; `words` describes them if it does not."""
    hints = typing.get_type_hints(model, include_extras=True)
    rows = ["| field | type | meaning |", "| --- | --- | --- |"]
    for field in dataclasses.fields(model):
        hint = hints[field.name]
        own = hasattr(hint, "__metadata__")
        inner, text = (hint.__origin__, hint.__metadata__[0]) if own else (hint, (words or {})[field.name])
        rows.append(f"| `{field.name}` | {json_type(inner)} | {text} |")
    return "\n".join(rows)


def json_type(hint: Any) -> str:
    """What a Python type is called in JSON."""
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "any"}
    if hint in plain:
        return plain[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return " or ".join(json_type(part) for part in arguments)
    if origin is dict:
        return f"object of {json_type(arguments[1])}"
    if origin in (list, tuple):
        return f"array of {json_type(arguments[0])}"
    name = "run" if hint.__name__ == "RunFacts" else hint.__name__
    return f"[{name}](#{name.lower()})"
