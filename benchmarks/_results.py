"""Results as data: every file under results/ names machine, commit, date and command."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores and torch build."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return {"cpu": model, "cores": os.cpu_count(), "torch": torch.__version__, "threads": torch.get_num_threads()}


def commit() -> str:
    """Commit of the code that is measured, with a mark where the tree differs from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "--", "../src"], capture_output=True, text=True, check=True).stdout
    return f"{head}+changes" if changed else head


MEASURED = commit()  # of the code as it was loaded, which may be hours before a result is written


def write(name: str, rows: list[dict[str, Any]], *, same: tuple[str, ...] = ()) -> Path:
    """Write results/`name`; with `same`, rows of an earlier file that differ in these fields are kept."""
    path = RESULTS / name
    old = json.loads(path.read_text())["rows"] if same and path.exists() else []
    fresh = {tuple(row.get(key) for key in same) for row in rows}
    kept = [row for row in old if tuple(row.get(key) for key in same) not in fresh]
    shown = [
        Path(word).name if word.startswith(("/", "..")) else word for word in sys.argv[1:]
    ]  # no path of somebody's machine
    script = Path(sys.argv[0])
    module = script.parent.name if script.stem == "__main__" else script.stem
    command = " ".join(["python", "-m", f"benchmarks.{module}", *map(shlex.quote, shown)])
    result = {"machine": machine(), "commit": MEASURED, "date": time.strftime("%Y-%m-%d"), "command": command}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({**result, "rows": [*kept, *rows]}, indent=1) + "\n")
    return path
