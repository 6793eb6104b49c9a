"""A kill before every write, the last file cut to half too, then the same command: the same bits, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.reliability._points import Recorder, copy_to
from benchmarks.reliability._sample import sampled
from benchmarks.reliability._tiny import Case, call, fingerprint, names


def kill(case: Case, data: Path, folder: Path, most: int | None) -> dict[str, Any]:
    """One row. `most` points at most, spread over all of them; None: every one."""
    whole, points = folder / "whole", folder / "points"
    points.mkdir(parents=True)
    first = call(case.arguments(data, whole), Recorder(whole, copy_to(points, whole)).install)
    assert first.code == 0, first.text
    bits, expected = fingerprint(whole), names(whole)
    row: dict[str, Any] = {"harness": "kill", "case": case.name, "of": len(list(points.iterdir())), "points": 0}
    row |= {"survived": 0, "silent": 0, "tracebacks": 0, "named": 0, "orphans": 0, "lost": []}
    for point in sampled(sorted(points.iterdir()), most):
        result = call(case.arguments(data, point))
        same = result.code == 0 and fingerprint(point) == bits
        orphans = sorted(names(point) - expected) if result.code == 0 else []
        row["points"] += 1
        row["survived"] += same
        row["silent"] += result.code == 0 and not same
        row["tracebacks"] += result.broke
        row["named"] += result.code == 2
        row["orphans"] += bool(orphans)
        if not same or orphans:
            row["lost"].append(f"{point.name}: code {result.code}, {orphans} {_last(result.text)}")
        shutil.rmtree(point)
    return row


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:160] if lines else ""
