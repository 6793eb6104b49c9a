"""Seconds and peak memory of the audit's heavy computations, each in a fresh process.

    python -m benchmarks.audit_speed [ROW ...]        (a minute; rows that are not named are kept as they were)

Memory is the whole process's peak: interpreter, libraries, inputs and the computation.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from upcycle.audit import AttackScores, Endpoint, audit_scores
from upcycle.audit.attacks import RMIA, ShadowSet
from upcycle.audit.statistics import (
    Scores,
    auc_interval,
    epsilon_simultaneous,
    gaussian_bound,
    label_permutation,
    one_run_bound,
    one_run_gaussian,
    record_risk,
    tpr_at_fpr,
)

REPEATS = 3


def rmia_60k() -> Callable[[], object]:
    """60,000 records, which are their own population, 8 references (ten pipelines: the target and its partner are none)."""
    rng = np.random.default_rng(0)
    half = rng.random((5, 60_000)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(10, -1)
    logits = 3 * rng.normal(size=(10, 60_000, 1, 10)).astype(np.float32)
    labels = rng.integers(0, 10, 60_000)
    shadows = ShadowSet(logits, member, labels)
    return lambda: RMIA.score(shadows, 0)


def statistics_10k() -> Callable[[], object]:
    """Everything the statistics say of 10,000 records: three targets under five attacks (AUC, both TPRs, tests, bounds,
    controls, verdict), bounds from one run, 500 canaries, risk and limits over 16 pipelines."""
    rng = np.random.default_rng(0)
    members, flips = rng.permutation(np.arange(10_000) < 5_000), rng.random((16, 10_000)) < 0.5
    leaks = {"student": 0.0, "baseline": 1.0, "teacher": 2.0}
    targets = {
        name: AttackScores({f"attack {k}": rng.normal(size=10_000) + leak * members for k in range(5)}, members)
        for name, leak in leaks.items()
    }
    one, coins = targets["baseline"].scores["attack 0"], rng.random(10_000) < 0.5
    pool, canaries, drawn = rng.normal(size=(16, 10_000)) + flips, rng.normal(size=(500, 10)), rng.integers(10, size=500)

    def work() -> None:
        audit_scores(targets, endpoint=Endpoint("TPR@1%FPR", "attack 0", "canary")).to_json()
        epsilon_simultaneous(Scores(one, members))
        gaussian_bound(Scores(one, members))
        one_run_bound(Scores(one, coins), guesses=(10_000, 1_000, 100))
        one_run_gaussian(Scores(one, coins), guesses=1_000)
        label_permutation(canaries, drawn)
        record_risk(1 / (1 + np.exp(-pool)), flips)
        pooled = Scores.pooled(pool, flips, np.arange(10_000), np.ones(10_000, bool))
        auc_interval(pooled)
        tpr_at_fpr(pooled, 0.01)

    return work


ROWS: dict[str, Callable[[], Callable[[], object]]] = {
    "rmia 60k x 8": rmia_60k,
    "statistics 10k": statistics_10k,
}


def measure(name: str) -> dict[str, object]:
    """One row: median seconds of `REPEATS` calls, by the clock and of the processor; peak memory of this process;
    the load while it ran: on a busy machine the clock says little."""
    work = ROWS[name]()
    wall, cpu = [], []
    for _ in range(REPEATS):
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "row": name,
        "seconds": round(statistics.median(wall), 2),
        "cpu_seconds": round(statistics.median(cpu), 2),
        "peak_memory_mib": round(peak / 2**20),
        "load_average": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; default: all")
    chosen = parser.parse_args().rows or list(ROWS)
    if unknown := set(chosen) - set(ROWS):
        parser.error(f"rows must be among {', '.join(ROWS)}. Got {', '.join(sorted(unknown))}.")
    rows = []
    for name in chosen:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            rows.append(fresh.submit(measure, name).result())
        print(rows[-1], flush=True)
    from benchmarks._results import MEASURED, write  # torch: not in the processes that are measured

    print(write("audit_speed.json", [{**row, "commit": MEASURED} for row in rows], same=("row",)))


if __name__ == "__main__":
    main()
