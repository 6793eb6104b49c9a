"""Opening a `torch.export` archive without running code. `torch.export.load` alone would: it unpickles and evaluates text."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from upcycle.errors import UpcycleError

_MODEL: Final = "models/model.json"
_SAMPLE: Final = "data/sample_inputs/model.pt"
_ENTRY = re.compile(
    r"\.format_version|archive_format|archive_version|byteorder|\.data/(version|serialization_id)|models/model\.json"
    r"|data/(weights|constants)/((weight|tensor)_\d+|model_(weights|constants)_config\.json)|data/sample_inputs/model\.pt"
)
# Names become Python source, operators are looked up in all of torch (torch.os.system is there), expressions are evaluated.
_WORD = re.compile(r"[\w.]*")
_OPERATOR = re.compile(r"torch\.ops\.aten\.(?!from_file\b)\w+(\.\w+)?|_operator\.(getitem|add|sub|mul|floordiv|ge|le|eq)")
_EXPRESSION = re.compile(r"-?\d+|-?int_oo|[su]\d+|Symbol\('[su]\d+'(, (positive|nonnegative|integer)=True)*\)")
_VERSION = re.compile(r"[\w.+]*")


def load_program(path: str | Path) -> Callable[[Tensor], Tensor]:
    """The program in a `model.pt2` of a release: images (n, channels, side, side), uint8 0..255, to logits (n, classes).

    Raises UpcycleError for an archive that holds anything but plain tensors and a graph of aten operators, before torch opens
    it. An archive like that of torch 2.9 or later is needed.
    """
    source = Path(path)
    try:
        _check(source)
        program = torch.export.load(source)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, RuntimeError, AssertionError) as error:
        raise UpcycleError(f"program must be a model.pt2 of a release. Got {source}: {error}. Get it again.") from error
    module: Callable[[Tensor], Tensor] = program.module()
    return module


def _check(path: Path) -> None:
    """Raise ValueError with the first thing in the archive that need not be there."""
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        for name in names:
            if not _ENTRY.fullmatch(name):
                raise ValueError(f"unexpected entry {name!r}")
        if len(set(names)) != len(names) or _MODEL not in names:
            raise ValueError("no single graph in it")
        whole = dict(zip(names, archive.namelist(), strict=True))
        for name in names:
            if name.endswith(".json"):
                _check_json(name, json.loads(archive.read(whole[name])))
        if _SAMPLE in names:
            _check_sample(archive.read(whole[_SAMPLE]))


def _check_json(name: str, value: Any) -> None:
    for key, found in _leaves(value):
        if key == "use_pickle" and found is not False:
            raise ValueError(f"a pickled payload in {name}")
        if isinstance(found, str) and not _allowed(key).fullmatch(found):
            raise ValueError(f"text in {name} that torch would run: {found[:60]!r}")


def _allowed(key: str) -> re.Pattern[str]:
    return {"target": _OPERATOR, "expr_str": _EXPRESSION, "torch_version": _VERSION}.get(key, _WORD)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every key and every leaf with the key above it; text that is itself JSON (tree specifications) is taken apart."""
    if isinstance(value, dict):
        for inner, found in value.items():
            yield "", inner
            yield from _leaves(found, inner)
    elif isinstance(value, list):
        for found in value:
            yield from _leaves(found, key)
    elif isinstance(value, str) and value[:1] in ("[", "{"):
        yield from _leaves(json.loads(value), key)
    else:
        yield key, value


def _check_sample(payload: bytes) -> None:
    try:
        torch.load(io.BytesIO(payload), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError("sample inputs that are more than tensors") from error
