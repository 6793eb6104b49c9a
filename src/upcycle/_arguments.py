"""One line where a public function is given an argument of another type than it is annotated with."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from upcycle.errors import ArgumentError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_WORDS: dict[Any, str] = {
    **{str: "a text", Path: "a path", int: "a whole number", float: "a number", bool: "True or False", Mapping: "a mapping"},
    **{Sequence: "a list", Callable: "a function", np.ndarray: "an array"},
}


def typed(*but: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """The function below it, which first raises ArgumentError with a line for each argument whose type is not that of its
    annotation; those named in `but` it checks by itself.

    Classes, unions of them and the outermost part of generic types are looked at; any other annotation is not.
    """

    def wrap(work: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(work)
        looked_at = {name: parameter for name, parameter in signature.parameters.items() if name not in but}

        @wraps(work)
        def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = signature.bind_partial(*args, **kwargs).arguments  # of a missing one Python itself complains
            problems = [_problem(work, looked_at[name], value) for name, value in given.items() if name in looked_at]
            if any(problems):
                raise ArgumentError(*filter(None, problems))
            return work(*args, **kwargs)

        return checked

    return wrap


def _problem(work: Callable[..., Any], parameter: inspect.Parameter, value: object) -> str:
    kinds = _kinds(parameter.annotation, getattr(work, "__globals__", {}))
    star = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    if star or not kinds or value is parameter.default or any(_fits(value, kind) for kind in kinds):
        return ""
    words = [_WORDS.get(kind, f"of class {kind.__name__}") for kind in kinds if kind is not NoneType]
    if Path in kinds and str in kinds:
        words.remove(_WORDS[str])
    got = type(value).__name__ if not isinstance(value, type) else f"the class {value.__name__}"
    return f"{parameter.name} must be {' or '.join(words)}. Got {got}. See help({work.__qualname__})."


def _kinds(annotation: Any, names: Mapping[str, Any]) -> list[Any]:
    """The classes of an annotation; none where one of its parts is no class that can be looked at."""
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, dict(names))
        except (NameError, TypeError):  # known to the type checker alone
            return []
    if get_origin(annotation) in (Union, UnionType):
        parts = [_kinds(part, names) for part in get_args(annotation)]
        return [kind for part in parts for kind in part] if all(parts) else []
    kind = NoneType if annotation is None else get_origin(annotation) or annotation
    if getattr(kind, "_is_protocol", False) and kind not in _WORDS:
        return [Callable] if "__call__" in vars(kind) else []
    return [kind] if isinstance(kind, type) and kind not in (Any, inspect.Parameter.empty) else []


def _fits(value: object, kind: Any) -> bool:
    if kind is Callable:
        return callable(value)
    if kind is np.ndarray:
        return hasattr(value, "__array__")
    if kind in (int, float):
        return isinstance(value, numbers.Integral if kind is int else numbers.Real)
    return isinstance(value, kind) and not (kind is Sequence and isinstance(value, str | bytes))
