"""Accuracy against audited leakage of several recipes: rows of frontier.json.

python -m benchmarks.frontier --work DIR digits breastmnist.npz --bundle core dp --pipelines 24 --planted-for 32

Finished pipelines are kept under --work and not run again, so that a later call with more pipelines goes on; rows are written
data set by data set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks._results import MEASURED, write
from upcycle._settings import resolve
from upcycle.config import DataConfig
from upcycle.data import read
from upcycle.runs.shadows import BUNDLES, FrontierPlan, frontier

SEED = 20_251  # of the published tables, whose pools are public; `upcycle frontier` draws a secret one


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bundle", nargs="+", default=["core"], choices=list(BUNDLES))
    parser.add_argument("--pipelines", type=int, default=24)
    parser.add_argument(
        "--planted-for", type=int, default=0, help="pipelines that are to follow, by which canaries are planted"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="share of every pipeline's budgets, for a trial")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="settings of all recipes")
    arguments = parser.parse_args()
    base = resolve("quick", config_file=None, overrides=arguments.overrides)
    plan = FrontierPlan(
        tuple(arguments.bundle),
        arguments.pipelines,
        SEED,
        arguments.jobs,
        arguments.scale,
        planted_for=arguments.planted_for,
    )
    for data in arguments.data:
        dataset = read(data, config=DataConfig(), seed=0)
        rows = frontier(dataset, arguments.work / Path(data).stem, base, plan, say)
        same = {"seed": SEED, "scale": arguments.scale, "commit": MEASURED, "overrides": " ".join(arguments.overrides)}
        write(
            "frontier.json",
            [{**row, "dataset": Path(data).stem, **same} for row in rows],
            same=("dataset", "model", "pipelines", "overrides"),
        )


if __name__ == "__main__":
    main()
