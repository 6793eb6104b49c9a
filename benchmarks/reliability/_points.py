"""Copies of a run folder as a kill would leave it: one before every write of an uninterrupted run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Recorder:
    """Hands `keep` the number, the kind and the path of every write below `root` before it happens, in the process that calls
    `install`: open for writing, rename, mkdir, unlink, chmod, truncate, link."""

    def __init__(self, root: Path, keep: Callable[[int, str, str], None]) -> None:
        self._root, self._keep, self._count, self._busy = str(root), keep, 0, False
        self._main = threading.get_ident()

    def install(self) -> None:
        self._main = threading.get_ident()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy or threading.get_ident() != self._main or not self._writes(event, arguments):
            return
        path = os.fsdecode(arguments[0])
        if not path.startswith(self._root) or ".lock" in path:
            return
        self._busy = True
        try:
            self._keep(self._count, event, os.fsdecode(arguments[1]) if event == "os.rename" else path)
            self._count += 1
        finally:
            self._busy = False

    @staticmethod
    def _writes(event: str, arguments: tuple[Any, ...]) -> bool:
        if event in _CHANGES:
            return isinstance(arguments[0], str | bytes | os.PathLike)
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return False
        mode, flags = arguments[1], arguments[2]
        return any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & _WRITING)


def copy_run(root: Path, target: Path) -> None:
    """Copy a run at work. By another program: this one may not open its sealed store."""
    subprocess.run(
        ["cp", "-r", str(root), str(target)], check=False, stderr=subprocess.DEVNULL
    )  # the lock's note comes and goes
    for note in target.glob(".lock-holder*"):
        note.unlink()


def copy_to(folder: Path, root: Path) -> Callable[[int, str, str], None]:
    """A `keep` that copies `root` to `folder`/<number>; what was last opened, unless it is named as partial, is copied a second
    time cut to half, as <number>-torn."""
    last: list[str] = []

    def keep(number: int, event: str, path: str) -> None:
        if root.exists():
            copy_run(root, folder / f"{number:04d}")
            torn = Path(last[0]) if last else None
            if torn is not None and torn.is_file() and not torn.name.endswith(".partial"):
                copy_run(root, folder / f"{number:04d}-torn")
                copied = folder / f"{number:04d}-torn" / torn.relative_to(root)
                os.truncate(copied, copied.stat().st_size // 2)
        last[:] = [path] if event == "open" else []

    return keep
