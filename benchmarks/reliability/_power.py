"""A power cut after every manifest: what was not forced to the disk by then is empty, or full of zeros."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability._points import Recorder, copy_run, follow, recorded
from benchmarks.reliability._sample import sampled
from benchmarks.reliability._tiny import Case, fingerprint

Key = tuple[int, int]


class Durable:
    """Which files were forced to the disk after their last change, in the process that calls `install`."""

    def __init__(self) -> None:
        self._forced: dict[Key, int] = {}

    def install(self) -> None:
        fsync = os.fsync

        def told(number: int) -> None:
            fsync(number)
            found = os.fstat(number)
            self._forced[found.st_dev, found.st_ino] = found.st_mtime_ns

        flush = np.memmap.flush

        def told_mapped(array: np.memmap) -> None:
            flush(array)
            found = Path(str(array.filename)).stat()
            self._forced[found.st_dev, found.st_ino] = found.st_mtime_ns

        os.fsync, np.memmap.flush = told, told_mapped  # type: ignore[method-assign]

    def __contains__(self, path: Path) -> bool:
        found = path.stat()
        return self._forced.get((found.st_dev, found.st_ino)) == found.st_mtime_ns


def power(case: Case, data: Path, folder: Path, most: int | None) -> dict[str, Any]:
    """One row; two points per manifest, each followed to the end of the next stage."""
    whole, cuts = folder / "whole", folder / "cuts"
    cuts.mkdir(parents=True)
    durable, armed = Durable(), [False]

    def keep(number: int, event: str, path: str) -> None:
        if armed[0]:
            for kind in ("empty", "zeros"):
                _after_the_cut(whole, cuts / f"{number:04d}-{kind}", durable, kind)
        armed[0] = event == "os.rename" and Path(path).name in ("manifest.json", "config.yaml")

    def install() -> None:
        durable.install()
        Recorder(whole, keep).install()

    points = recorded(lambda out: case.arguments(data, out), folder, install)
    row: dict[str, Any] = {"harness": "power", "case": case.name, "of": len(list(cuts.iterdir())), "points": 0}
    row |= {"survived": 0, "silent": 0, "tracebacks": 0, "named": 0, "lost": []}
    for point in sampled(sorted(cuts.iterdir()), most):
        stage, wanted = points.after(point)
        result = follow(case.arguments(data, point), point, stage)
        same = result.code == 0 and fingerprint(point) == fingerprint(wanted)
        row["points"] += 1
        row["survived"] += same
        row["silent"] += result.code == 0 and not same
        row["tracebacks"] += result.broke
        row["named"] += result.code == 2
        if not same:
            row["lost"].append(f"{point.name}: code {result.code} {result.text.strip()[-160:]}")
        shutil.rmtree(point)
    return row


def _after_the_cut(root: Path, target: Path, durable: Durable, kind: str) -> None:
    lost = [
        path.relative_to(root)
        for path in root.rglob("*")
        if path.is_file() and ".lock" not in path.name and path not in durable
    ]
    copy_run(root, target)
    for path in (target / name for name in lost):
        size = path.stat().st_size if kind == "zeros" else 0
        path.write_bytes(bytes(size))
