"""A kill before every write, the last file cut to half too, then the same command: the same bits, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.reliability._points import Points, follow, recorded
from benchmarks.reliability._sample import sampled
from benchmarks.reliability._tiny import Case, fingerprint, names


def kill(case: Case, data: Path, folder: Path, most: int | None) -> dict[str, Any]:
    """One row. `most` points at most, spread over all of them; None: every one.

    A kill in a stage is followed until that stage has its manifest, where the folder must be the uninterrupted one of that moment;
    one at the end of a stage is followed to the end of the run. Of copies that are alike one is tried.
    """
    points = recorded(lambda out: case.arguments(data, out), folder)
    row: dict[str, Any] = {"harness": "kill", "case": case.name, "of": len(points.at), "points": 0}
    row |= {"stands_for": 0, "to_the_end": 0, "survived": 0, "silent": 0, "tracebacks": 0, "named": 0, "orphans": 0, "lost": []}
    distinct = points.distinct
    row["stands_for"] = len(points.at) if most is None or most >= len(distinct) else most
    for point in sampled(distinct, most):
        _tried(case, data, points, point, row)
    return row


def _tried(case: Case, data: Path, points: Points, point: Path, row: dict[str, Any]) -> None:
    stage, wanted = points.next_end(point)
    trial = point.parent.parent / "trial"
    shutil.copytree(point, trial)
    result = follow(case.arguments(data, trial), trial, stage)
    same = result.code == 0 and fingerprint(trial) == fingerprint(wanted)
    orphans = sorted(names(trial) - names(wanted)) if result.code == 0 else []
    row["points"] += 1
    row["to_the_end"] += stage is None
    row["survived"] += same
    row["silent"] += result.code == 0 and not same
    row["tracebacks"] += result.broke
    row["named"] += result.code == 2
    row["orphans"] += bool(orphans)
    if not same or orphans:
        row["lost"].append(f"{point.name} in {stage}: code {result.code}, {orphans} {_last(result.text)}")
    shutil.rmtree(trial)


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:160] if lines else ""
