"""A thousand refreshes of a bank and a thousand resumes of a run in one process: memory, files and descriptors stay flat."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability._tiny import Case, call, fingerprint

_WARM = 0.2  # the share of rounds before anything is compared: caches fill


def soak(case: Case, data: Path, folder: Path, rounds: int) -> list[dict[str, Any]]:
    """A row for the bank, and one for resumes."""
    whole = folder / "whole"
    assert call(case.arguments(data, whole)).code == 0
    bits = fingerprint(whole)
    rows = [_measured("bank refreshes", folder, rounds, lambda: _refresh(folder / "bank"))]
    rows.append(_measured("resumes", folder, rounds, lambda: _resume(case.arguments(data, whole))))
    rows[-1]["survived"] = rounds if fingerprint(whole) == bits else 0
    return rows


def _measured(what: str, folder: Path, rounds: int, begin: Callable[[], Callable[[int], None]]) -> dict[str, Any]:
    """The row of `rounds` rounds in a child of this process."""
    note = folder / f"{what}.json"
    child = os.fork()
    if not child:
        try:
            note.write_text(json.dumps(_rounds(begin(), rounds, folder)))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found = json.loads(note.read_text()) if note.exists() else {"rounds": 0}
    flat = found["rounds"] == rounds and found["files_more"] == 0 and found["descriptors_more"] == 0
    return {
        "harness": "soak",
        "case": what,
        "points": rounds,
        "survived": rounds if flat else 0,
        "silent": 0,
        "tracebacks": rounds - found["rounds"],
        "named": 0,
        **found,
    }


def _rounds(one: Callable[[int], None], rounds: int, folder: Path) -> dict[str, Any]:
    before: tuple[float, int, int] | None = None
    for k in range(rounds):
        one(k)
        if k == int(_WARM * rounds):
            before = _state(folder)
    after = _state(folder)
    assert before is not None
    return {
        "rounds": rounds,
        "megabytes_more": round(after[0] - before[0], 1),
        "files_more": after[1] - before[1],
        "descriptors_more": after[2] - before[2],
    }


def _state(folder: Path) -> tuple[float, int, int]:
    """Megabytes of this process, files below the folder, open descriptors."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = sum(1 for path in folder.rglob("*") if path.is_file() and ".lock" not in path.name)
    return pages * os.sysconf("SC_PAGESIZE") / 1e6, files, sum(1 for _ in Path("/proc/self/fd").iterdir())


def _refresh(folder: Path) -> Callable[[int], None]:
    from upcycle.recycle import Bank, Sampler

    sampler = Sampler(_Noise(), np.ones(3) / 3, seed=0)  # type: ignore[arg-type]

    def once(k: int) -> None:
        Bank(folder, sampler, 256, (8, 8, 1)).advance(256 + 16 * k)

    return once


class _Noise:
    """Draws images of one grey value each."""

    def sample(self, labels: np.ndarray, **_: Any) -> np.ndarray:
        return np.full((len(labels), 8, 8, 1), 7, np.uint8) + labels[:, None, None, None].astype(np.uint8)


def _resume(arguments: list[str]) -> Callable[[int], None]:
    from upcycle.cli import main

    def once(_: int) -> None:
        try:
            with redirect_stdout(StringIO()):
                main(arguments)
        except SystemExit as ended:
            assert not ended.code, ended.code

    return once
