"""Copies of a run folder as a kill would leave it: one before every write of an uninterrupted run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability._tiny import Outcome, call

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


@dataclass(frozen=True)
class Points:
    """An uninterrupted run and copies of it: `at` every write, in order, with the last file torn too; `ends`: number of the
    first write after a manifest -> the stage whose manifest that is."""

    whole: Path
    at: tuple[Path, ...]
    ends: dict[int, str]

    def number(self, point: Path) -> int:
        return int(point.name[:4])

    def next_end(self, point: Path) -> tuple[str | None, Path]:
        """The stage that a run at `point` is in, and the copy of the run behind its manifest; (None, the whole run) at the end
        and at the end of a stage, from where a run is followed to its own end."""
        return (None, self.whole) if self.number(point) in self.ends else self.after(point)

    def after(self, point: Path) -> tuple[str | None, Path]:
        """The stage whose manifest comes after `point`, and the copy of the run behind that; (None, the whole run) at the end."""
        later = [end for end in self.ends if end > self.number(point)]
        return (self.ends[later[0]], self.whole.parent / "points" / f"{later[0]:04d}") if later else (None, self.whole)

    @property
    def distinct(self) -> list[Path]:
        """The first of every group of copies that are alike, name by name and byte by byte: a kill cannot tell them apart."""
        return list({_signature(point): point for point in reversed(self.at)}.values())[::-1]


def recorded(arguments: Callable[[Path], list[str]], folder: Path, before: Callable[[], None] = lambda: None) -> Points:
    """Do a run in `folder`/whole, and copy it before every write."""
    whole, points = folder / "whole", folder / "points"
    points.mkdir(parents=True)
    note = folder / "ends.json"

    def install() -> None:
        before()
        Recorder(whole, _copying(whole, points, note)).install()

    done = call(arguments(whole), install)
    assert done.code == 0, done.text
    ends = {int(number): stage for number, stage in json.loads(note.read_text()).items()}
    return Points(whole, tuple(sorted(path for path in points.iterdir() if path.is_dir())), ends)


def _copying(root: Path, folder: Path, note: Path) -> Callable[[int, str, str], None]:
    """A `keep` that copies `root` to `folder`/<number>; what was last opened, unless it is named as partial, is copied a second
    time cut to half, as <number>-torn. `note` gets the ends of the stages."""
    last: list[str] = []
    stage: list[str] = []
    ends: dict[int, str] = {}

    def keep(number: int, event: str, path: str) -> None:
        if root.exists():
            copy_run(root, folder / f"{number:04d}")
            torn = Path(last[0]) if last else None
            if torn is not None and torn.is_file() and not torn.name.endswith(".partial"):
                copy_run(root, folder / f"{number:04d}-torn")
                copied = folder / f"{number:04d}-torn" / torn.relative_to(root)
                os.truncate(copied, copied.stat().st_size // 2)
        if stage:
            ends[number] = stage.pop()
            note.write_text(json.dumps(ends))
        last[:] = [path] if event == "open" else []
        stage[:] = [Path(path).parent.name] if event == "os.rename" and Path(path).name == "manifest.json" else []

    return keep


def follow(arguments: list[str], run: Path, stage: str | None) -> Outcome:
    """The command on `run`, killed at the first write after the manifest of `stage`; None: to its end."""
    if stage is None:
        return call(arguments)
    ended = [False]

    def keep(_: int, event: str, path: str) -> None:
        if ended[0]:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
        ended[0] = event == "os.rename" and Path(path).name == "manifest.json" and Path(path).parent.name == stage

    return call(arguments, Recorder(run, keep).install)


def _signature(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(f"{path.relative_to(root)} {path.is_dir()}\n".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()
