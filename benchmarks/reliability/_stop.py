"""SIGINT, SIGTERM and SIGKILL at any time: an end within seconds, one line, nothing private left, and the same bits after."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.reliability._tiny import Case, Outcome, call, fingerprint, names, start

PATIENCE = 5.0  # seconds from a signal to the end
_ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


def stops(case: Case, data: Path, folder: Path, count: int) -> list[dict[str, Any]]:
    """A row per signal, of `count` runs each that are stopped at random moments and gone on with."""
    whole = folder / "whole"
    begun = time.monotonic()
    assert call(case.arguments(data, whole)).code == 0
    seconds, bits, expected = time.monotonic() - begun, fingerprint(whole), names(whole)
    return [_row(case, data, folder, number, count, seconds, (bits, expected)) for number in _ENDS]


def _row(
    case: Case,
    data: Path,
    folder: Path,
    number: signal.Signals,
    count: int,
    seconds: float,
    wanted: tuple[dict[str, str], set[str]],
) -> dict[str, Any]:
    chance = random.Random(int(number))
    row: dict[str, Any] = {"harness": "stop", "case": f"{case.name}, {number.name}", "points": count, "survived": 0}
    row |= {"named": 0, "silent": 0, "tracebacks": 0, "slowest_seconds": 0.0, "left_behind": 0, "lost": []}
    for k in range(count):
        out = folder / f"{number.name}-{k}"
        taken, ended, temporary = _stopped(case.arguments(data, out), number, chance.uniform(0.05, 0.9) * seconds, folder)
        finished = ended.code == 0  # the signal came too late
        row["slowest_seconds"] = max(row["slowest_seconds"], round(taken, 2))
        row["named"] += finished or number is signal.SIGKILL or "The same command resumes" in ended.text
        row["tracebacks"] += ended.broke and ended.code != _ENDS[number]
        row["left_behind"] += bool(temporary)
        again = call(case.arguments(data, out))
        same = again.code == 0 and fingerprint(out) == wanted[0]
        row["survived"] += same
        row["silent"] += again.code == 0 and not same
        row["left_behind"] += bool(names(out) - wanted[1])
        if not same or (not finished and ended.code != _ENDS[number]):
            row["lost"].append(f"{k}: {ended.code} {ended.text.strip()[-160:]}, then {again.code} {again.text.strip()[-160:]}")
    return row


def _stopped(arguments: list[str], number: signal.Signals, after: float, folder: Path) -> tuple[float, Outcome, list[str]]:
    """Seconds from the signal to the end, how it ended, and what it left in the temporary folder."""
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    with tempfile.TemporaryFile() as said:

        def own_folder() -> None:
            tempfile.tempdir = str(temporary)

        child = start(arguments, said.fileno(), own_folder)
        time.sleep(after)
        os.kill(child, number)
        begun = time.monotonic()
        _, status = os.waitpid(child, 0)
        taken = time.monotonic() - begun
        said.seek(0)
        outcome = Outcome(os.waitstatus_to_exitcode(status), said.read().decode(errors="replace"))
    return taken, outcome, [path.name for path in temporary.iterdir()]
