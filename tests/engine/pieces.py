"""Work that engines are given in tests; importable by their workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.audit.toy_pipelines import Memory
from tests.conftest import end_plainly
from upcycle.audit import Parts
from upcycle.errors import ConfigError
from upcycle.runs.watch import SilentDisplay


def add(shared: int, piece: int) -> int:
    return shared + piece


def refuse(shared: int, piece: int) -> int:
    raise ConfigError("a must be b. Got c. Do d.", f"piece must not be {piece}. Got it. Give another.")


def die_once(folder: Path, piece: int) -> int:
    """The process of piece 3 dies at its first attempt; every attempt that ends leaves a file."""
    if piece == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    (folder / f"{piece}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return piece


def die_late(folder: Path, piece: int) -> int:
    """The process dies at its first attempt, after the seconds in which Dask takes the shared value from idle workers."""
    if not (folder / "died").exists():
        time.sleep(5)
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return piece


def die(_: None, piece: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return piece


class DeadlyMemory(Memory):
    """The process of the third pipeline that begins dies once."""

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        assert self.folder is not None
        if len(list(self.folder.glob("call-*"))) >= 2 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            time.sleep(1)  # half-way: by then the answers of the pipeline before are where they belong
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(images, labels, seed=seed)


class DeadlyDisplay(SilentDisplay):
    """Kills the process of the run of seed 1 when its teacher is done, once. Runs of a process that made one end plainly."""

    def __init__(self, died: Path, name: str) -> None:
        self._died, self._name = died, name

    @classmethod
    def once(cls, died: Path, name: str) -> DeadlyDisplay:
        end_plainly(pytest.MonkeyPatch())
        return cls(died, name)

    def done(self, name: str, seconds: float) -> None:
        if self._name.endswith("-1") and name == "teacher" and not self._died.exists():
            self._died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
