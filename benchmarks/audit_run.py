"""What shadow pipelines with canaries find of teacher, baseline, students, synthetic set and generator: rows of audit.json.

python -m benchmarks.audit_run --work DIR digits breastmnist.npz pneumoniamnist_reassembled.npz --budget standard python -m
benchmarks.audit_run --work DIR pbc_blood_28.npz --budget quick python -m benchmarks.audit_run --work DIR digits --throughput 8

Finished pipelines are kept under --work and not run again; rows are written data set by data set. The pool is the training
split; the validation split serves the choices inside every pipeline. --throughput measures shadow students per CPU-hour
against a plain loop: one student after another, each with its own teacher and generator, on torch's default threads.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._results import MEASURED, write
from upcycle._settings import resolve
from upcycle.audit import PipelineAudit, plan_for
from upcycle.audit.pipelines import kept_runs, make_design, run_in
from upcycle.config import DataConfig
from upcycle.data import Dataset, read
from upcycle.runs.shadows import ShadowPipeline, audit_pool, shadow_config

SEED = 20_251  # of the published tables, whose pools are public; a run draws a secret one
_LOOP = """
import json, os, resource, sys, time
os.environ.pop("OMP_NUM_THREADS", None)
import torch
from benchmarks.audit_run import plain_students
start = time.perf_counter()
count = plain_students(sys.argv[1], int(sys.argv[2]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([count, used.ru_utime + used.ru_stime, time.perf_counter() - start, torch.get_num_threads()]))
"""


@dataclass(frozen=True)
class Echo:
    """Prints what it is told, and keeps it."""

    kept: list[str]

    def __call__(self, text: str) -> None:
        self.kept.append(text)
        print(text, flush=True)


def prepared(data: str, overrides: Sequence[str] = ()) -> tuple[Dataset, ShadowPipeline]:
    """The data set and the product's pipeline for it, on a small scale: preset quick with `overrides`."""
    dataset = read(data, config=DataConfig(), seed=0)
    recipe = resolve("quick", config_file=None, overrides=list(overrides))
    return dataset, ShadowPipeline(dataset.validation, dataset.classes, shadow_config(recipe, dataset.size))


def rows_of(found: PipelineAudit, name: str, said: Sequence[str], overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row per target, threat model, population and attack, one per control, one per accuracy without canaries, and one of
    what the audit `said` it would take and took."""
    same = {"dataset": name, "budget": found.plan.budget, "commit": MEASURED, "pipelines": found.plan.pipelines}
    same |= {"overrides": " ".join(overrides)} if overrides else {}
    tests = {test.target: test for test in reversed(found.permutation)}  # one a target: from its own answers, if it gives any
    document = found.to_json()
    rows = [{**same, "kind": "attack", **row} for row in document["rows"]]
    rows += [{**same, "kind": "control", **control} for control in document["controls"]]
    rows += [{**same, "kind": "label permutation", **asdict(test)} for test in tests.values()]
    rows += [{**same, "kind": "canary cost", **asdict(cost)} for cost in found.canary_costs]
    return [
        *rows,
        {
            **same,
            "kind": "pipelines",
            "announced": next(line for line in said if line.startswith("audit ")),
            "took": said[-1],
            **document["facts"],
        },
    ]


def plain_students(data: str, count: int) -> int:
    """The loop that a first script would be: `count` students one by one, each with its own teacher and generator."""
    dataset, pipeline = prepared(data)
    pipeline = replace(pipeline, variants=False, threads=0)
    design = make_design(dataset.train, plan_for("smoke", pipelines=max(2, count + count % 2), seed=SEED))
    for number in range(count):
        parts = pipeline(*design.records.given(design.members[number]), seed=design.seeds[number])
        assert parts.student is not None
        parts.student(design.records.images)
    return count


def throughput(data: str, pipelines: int) -> dict[str, Any]:
    """Students per CPU-hour of the fan-out and of the plain loop, one after the other on the same machine."""
    dataset, pipeline = prepared(data)
    plan = plan_for("standard", pipelines=pipelines, seed=SEED, without_canaries=0)
    design = make_design(dataset.train, plan)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with kept_runs(pipeline, None) as folder:
        shadows = run_in(folder, pipeline, design, plan)
    wall = time.perf_counter() - start
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)  # only then are the workers' seconds counted
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    students = pipelines * sum(name.startswith("student") and "neighbours" not in name for name in shadows.logits)
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", _LOOP, data, str(max(2, pipelines // 4))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    loop_students, loop_cpu, loop_wall, threads = json.loads(done.stdout.splitlines()[-1])
    ours, theirs = 3600 * students / cpu, 3600 * loop_students / loop_cpu
    return {
        "kind": "throughput",
        "dataset": Path(data).stem,
        "budget": "throughput",
        "commit": MEASURED,
        "load_average": round(os.getloadavg()[0], 1),
        "students": students,
        "students_per_cpu_hour": round(ours, 1),
        "students_per_hour": round(3600 * students / wall, 1),
        "loop_students": loop_students,
        "loop_threads": threads,
        "loop_students_per_cpu_hour": round(theirs, 1),
        "loop_students_per_hour": round(3600 * loop_students / loop_wall, 1),
        "ratio_per_cpu_hour": round(ours / theirs, 2),
        "ratio_per_hour": round(students / wall / (loop_students / loop_wall), 2),
        "note": "ours: three students share a teacher, a generator and a bank, one thread per worker; loop: one student each",
    }


def replace_rows(rows: list[dict[str, Any]]) -> None:
    """Rows of the same data set, budget and settings give way, also those of targets and attacks that are no more."""
    keys = ("dataset", "budget", "overrides")
    write("audit.json", [{**dict.fromkeys(keys), **row} for row in rows], same=keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--pipelines", type=int, help="another number than the budget's, for a trial")
    parser.add_argument("--scale", type=float, default=1.0, help="share of every pipeline's budgets, for a trial")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="settings of the audited recipe")
    parser.add_argument("--throughput", type=int, help="measure students per CPU-hour with this many pipelines instead")
    parser.add_argument("--dry", action="store_true", help="print the rows instead of writing them")
    arguments = parser.parse_args()
    for data in arguments.data:
        if arguments.throughput:
            rows = [throughput(data, arguments.throughput)]
        else:
            dataset, pipeline = prepared(data, arguments.overrides)
            changes = {"pipelines": arguments.pipelines} if arguments.pipelines else {}
            plan = plan_for(arguments.budget, seed=SEED, n_jobs=arguments.jobs, **changes)
            said: list[str] = []
            folder = arguments.work / f"{Path(data).stem}-shadows"
            found = audit_pool(pipeline.scaled(arguments.scale), dataset.train, plan, folder, Echo(said))
            np.savez_compressed(arguments.work / f"{Path(data).stem}-{plan.budget}-scores.npz", **found.arrays)
            rows = rows_of(found, Path(data).stem, said, arguments.overrides)
            print(found, flush=True)
        if arguments.dry:
            print("\n".join(map(json.dumps, rows)))
        else:
            replace_rows(rows)


if __name__ == "__main__":
    main()
