"""Sealing a folder: while a student learns, opening a private image is an error and not a matter of trust."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from upcycle.errors import SealedError

_sealed: list[str] = []  # one per process: an audit hook, once added, stays for good
_installed: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _sealed and isinstance(arguments[0], str | bytes | os.PathLike):
        refuse_sealed(os.fsdecode(arguments[0]))


def refuse_sealed(path: str | Path) -> None:
    """Raise SealedError if `path` lies in a sealed folder."""
    real = os.path.realpath(path)
    for folder in _sealed:
        if real == folder or real.startswith(folder + os.sep):
            raise SealedError(f"private images must stay closed while a student learns. Got an attempt to open {real}.")


@contextlib.contextmanager
def sealed(folder: Path) -> Iterator[None]:
    """While active, opening anything in `folder` raises SealedError: open, os.open, numpy, memory maps, in every thread.

    Python reports what it opens itself. Not seen: files opened before, other processes, and native code with its own `fopen`.
    """
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    real = os.path.realpath(folder)
    _sealed.append(real)
    try:
        yield
    finally:
        _sealed.remove(real)
