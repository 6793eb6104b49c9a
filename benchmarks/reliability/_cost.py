"""What durable writing costs: seconds spent in forcing files to the disk, as a share of a run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.reliability._tiny import call


def cost(folder: Path, *, whole: bool) -> Iterator[dict[str, Any]]:
    """The row of one `smoke` run with its own budgets, on scikit-learn's digits; of the demo of the README too if `whole`."""
    yield _row(folder, "smoke on digits", "run", "digits", "--preset", "smoke", "--set", "threads=1")
    if whole:
        yield _row(folder, "demo", "demo")


def _row(folder: Path, case: str, *command: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{command[0]}.json"

    def install() -> None:
        fsync, spent, calls, begun = os.fsync, [0.0], [0], time.monotonic()

        def timed(number: int) -> None:
            start = time.monotonic()
            fsync(number)
            spent[0] += time.monotonic() - start
            calls[0] += 1
            found = {"seconds": time.monotonic() - begun, "seconds_forcing": spent[0], "forced": calls[0]}
            note.write_text(json.dumps(found))

        os.fsync = timed

    result = call([*command, "--out", str(folder / command[0])], install)
    found = json.loads(note.read_text())
    share = found["seconds_forcing"] / found["seconds"]
    about = {"points": 1, "survived": int(result.code == 0), "silent": 0, "tracebacks": int(result.broke), "named": 0}
    return {"harness": "cost", "case": case, **about, **found, "share": round(share, 4)}
