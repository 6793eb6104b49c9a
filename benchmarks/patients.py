"""Sets of few patients with many images each, from `upcycle check` to the report with default settings: rows of patients.json.

    python -m benchmarks.patients --work DIR                       (8, 12, 20, 39 and 60 patients, one after another)
    python -m benchmarks.patients --work DIR --small               (networks and budgets of a test, minutes for all on a busy core)

Images are scikit-learn's real digits 0, 1, 7 and 8, moved by up to a pixel, with the brightness of their patient and noise: 8 x 8, 200 of
each patient. Every fourth patient has one class only. Each row says which patients are on which side, what the verdict is and what
it says that it rests on. Run folders under --work are resumed.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._results import MEASURED, write
from upcycle.data import Store
from upcycle.runs.folder import RunFolder, read_run, stage_records

DIGITS = (0, 1, 7, 8)
EACH = 200
SHORT = (
    *("teacher.min_images=4000", "teacher.max_images=4000", "teacher.width=8", "teacher.blocks=1", "teacher.batch=64"),
    *("generator.images=4000", "generator.channels=[16,16]", "generator.patch=1", "generator.snapshots=2"),
    *("generator.warmup_images=1000", "sampler.steps=4", "bank.multiple=1", "bank.min_images=500", "bank.max_images=1000"),
    *("release.synthetic_images=100", "threads=1"),
)  # everything else, such as the shares kept away, the audit and its evidence, is as it is by default


def patients(count: int) -> dict[str, np.ndarray]:
    """images uint8 (200 count, 8, 8), labels and patient_ids; drawn from `count` alone."""
    from sklearn.datasets import load_digits

    digits, rng = load_digits(), np.random.default_rng(count)
    pools = [np.flatnonzero(digits.target == digit) for digit in DIGITS]
    owners = np.repeat(np.arange(count), EACH)
    labels = np.where(owners % 4 == 3, owners // 4 % len(DIGITS), rng.integers(0, len(DIGITS), len(owners)))
    sources = np.array([rng.choice(pools[label]) for label in labels])
    images = digits.images[sources] * (255 / 16) * rng.uniform(0.7, 1.0, count)[owners, None, None]
    images = np.stack([np.roll(image, rng.integers(-1, 2, 2), (0, 1)) for image in images])
    pixels = np.clip(images + rng.normal(0, 8, images.shape), 0, 255).astype(np.uint8)
    return {"images": pixels, "labels": labels.astype(np.int64), "patient_ids": owners}


def timed(*command: str) -> tuple[str, float]:
    """What `upcycle ...` printed, and its processor seconds. Raises SystemExit with its words where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "upcycle", *command], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"upcycle {command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sides(run: Path) -> dict[str, set[int]]:
    """The patients of members, non-members, validation and test."""
    store = Store(RunFolder(run).private / "store")
    parts = {
        "members": store.members(),
        "non_members": store.non_members(),
        "validation": store.validation(),
        "test": store.test("evaluation"),
    }
    return {name: set(np.unique(part.groups).tolist()) for name, part in parts.items() if part.groups is not None}


def row(count: int, work: Path, options: list[str]) -> dict[str, Any]:
    """One set from its files to its report."""
    data, run = work / f"patients{count}.npz", work / f"run{count}"
    np.savez_compressed(data, **patients(count))
    start = time.monotonic()
    checked, check_seconds = timed("check", str(data))
    _, run_seconds = timed("run", str(data), "--out", str(run), *options)
    found, on = read_run(run), sides(run)
    audit = json.loads((run / "private" / "audit" / "audit.json").read_text())
    return {
        **{"patients": count, "images": count * EACH, "settings": "small" if options else "default", "commit": MEASURED},
        **{name: len(members) for name, members in on.items()},
        "on_two_sides": sum(len(a & b) for a, b in combinations(on.values(), 2)),
        "finished": found.finished,
        "stages": list(stage_records(run / "private")),
        "reports": sorted(path.name for path in run.rglob("report*.html")),
        "verdict": found.verdict,
        "words": {name: text.replace(str(run), "RUN") for name, text in found.words.items()},
        "notes": audit.get("notes", []),
        "check": checked.splitlines(),
        **{"check_seconds": round(check_seconds, 1), "run_seconds": round(run_seconds, 1)},
        "wall_seconds": round(time.monotonic() - start, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[8, 12, 20, 39, 60])
    parser.add_argument(
        "--small", action="store_true", help="small networks and budgets; left out, all settings are the default ones"
    )
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for count in given.patients:
        options = [part for text in SHORT for part in ("--set", text)] if given.small else []
        write("patients.json", [row(count, given.work, options)], same=("patients", "settings"))


if __name__ == "__main__":
    main()
