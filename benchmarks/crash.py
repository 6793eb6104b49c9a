"""Kill -9 at random moments, resume, and compare the student bit for bit with an uninterrupted run.

    python -m benchmarks.crash --kills 10        (about ten minutes)

Works on scikit-learn's digits with the `smoke` preset, enlarged so that every stage can be hit.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._results import write

SETTINGS = [
    "--preset",
    "smoke",
    "--set",
    "threads=1",
    "--set",
    "generator.images=20000",
    "--set",
    "teacher.min_images=12000",
    "--set",
    "teacher.max_images=12000",
]


def start(out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "upcycle", "run", "digits", "--out", str(out), *SETTINGS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(out: Path) -> float:
    """Run to the end; returns seconds. Raises if it fails."""
    begin = time.monotonic()
    process = start(out)
    _, error = process.communicate()
    if process.returncode:
        raise RuntimeError(error.decode())
    return time.monotonic() - begin


def fingerprints(out: Path) -> dict[str, str]:
    """Hash of everything a user takes away."""
    files = [
        "private/student/model.safetensors",
        "private/baseline/model.safetensors",
        "private/teacher/model.safetensors",
    ]
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in files}


def last_stage(out: Path) -> str:
    """The stage a killed run was in."""
    log = out / "log.txt"
    return log.read_text().splitlines()[-1].split()[2].rstrip(":") if log.exists() else "start"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        seconds = finish(whole)
        print(f"uninterrupted: {seconds:.0f} s", flush=True)
        rows = [attempt(Path(folder) / f"killed-{k}", whole, chance.uniform(2, seconds)) for k in range(arguments.kills)]
    print(write("crash.json", rows))
    print(f"{sum(bool(row['identical']) for row in rows)} of {len(rows)} identical")


def attempt(out: Path, whole: Path, after: float) -> dict[str, object]:
    """One run killed after `after` seconds and resumed."""
    process = start(out)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stage = last_stage(out)
    finish(out)
    same = fingerprints(out) == fingerprints(whole)
    print(f"killed after {after:5.1f} s, last finished stage {stage:10} identical {same}", flush=True)
    return {"injected": "kill -9", "seconds": round(after, 1), "last_finished_stage": stage, "identical": same}


if __name__ == "__main__":
    main()
