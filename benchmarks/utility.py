"""Accuracy of student and baseline on real data sets: rows of utility.json, written as they come.

    python -m benchmarks.utility DATA [DATA ...] --preset quick --seeds 0 1 --work DIR

Run folders under --work are resumed. Needs nothing but the data files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks._results import MEASURED, write
from upcycle._settings import resolve
from upcycle.runs import row_of, run
from upcycle.runs.folder import RunFolder, stage_records
from upcycle.runs.watch import PlainDisplay


def utility_row(folder: Path, dataset: str, overrides: list[str]) -> dict[str, object]:
    """The study's row of a finished run folder, and what it takes to repeat it."""
    done = stage_records(folder / "private")
    facts = done["evaluation"].facts
    return {
        **row_of(folder, dataset),
        "commit": MEASURED,
        "overrides": [text for text in overrides if not text.startswith("threads")],
        "generator": RunFolder(folder).config().generator.family,
        "student_interval": facts["accuracy"]["student"][1:],
        "baseline_interval": facts["accuracy"]["baseline"][1:],
        "validation_accuracy": facts["validation_accuracy"],
        "budget": done["plan"].facts["budget"],
        "flips": {key: done["views"].facts[key] for key in ("horizontal", "vertical")},
        "teacher_agreement": done["student"].facts["agreement"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for data in arguments.data:
            name = Path(data).stem
            folder = arguments.work / f"{name}-{arguments.preset}-{seed}"
            config = resolve(arguments.preset, config_file=None, overrides=arguments.overrides, seed=seed)
            print("\n".join(run(data, folder, config, display=PlainDisplay(sys.stdout)).lines()), flush=True)
            write(
                "utility.json",
                [utility_row(folder, name, arguments.overrides)],
                same=("dataset", "preset", "seed"),
            )


if __name__ == "__main__":
    main()
