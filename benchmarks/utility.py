"""Accuracy of student and baseline on real data sets: rows of utility.json, written as they come.

    python -m benchmarks.utility DATA [DATA ...] --preset quick --seeds 0 1 --work DIR

Run folders under --work are resumed. Needs nothing but the data files.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks._results import MEASURED, write
from upcycle._settings import resolve
from upcycle.runs import run
from upcycle.runs._display import PlainDisplay
from upcycle.runs._stages import read_record


def row_of(folder: Path, dataset: str, preset: str, seed: int, overrides: list[str]) -> dict[str, object]:
    """One row from a finished run folder."""
    stages = [path for path in sorted((folder / "private").iterdir()) if path.is_dir() and path.name != "store"]
    records = {path.name: read_record(path) for path in stages}
    done = {name: record for name, record in records.items() if record is not None}
    facts = done["evaluation"].facts
    audit = json.loads((folder / "private" / "audit" / "audit.json").read_text())
    accuracy = {name: values[0] for name, values in facts["accuracy"].items()}
    primary = {row["target"]: row for row in audit["rows"] if row.get("primary")}
    return {
        "dataset": dataset,
        "preset": preset,
        "seed": seed,
        "commit": MEASURED,
        "overrides": [text for text in overrides if not text.startswith("threads")],
        "generator": "edm",
        "baseline_accuracy": accuracy["baseline"],
        "teacher_accuracy": accuracy["teacher"],
        "plain_cas": accuracy.get("plain"),
        "student_accuracy": accuracy["student"],
        "student_interval": facts["accuracy"]["student"][1:],
        "baseline_interval": facts["accuracy"]["baseline"][1:],
        "gap_points": facts["gap_points"][0],
        "gap_interval": facts["gap_points"][1:],
        "validation_accuracy": facts["validation_accuracy"],
        "test_images": facts["test_images"],
        "minutes": round(sum(record.seconds for record in done.values()) / 60, 2),
        "minutes_by_stage": {name: round(record.seconds / 60, 2) for name, record in done.items()},
        "budget": done["plan"].facts["budget"],
        "flips": {key: done["views"].facts[key] for key in ("horizontal", "vertical")},
        "teacher_agreement": done["student"].facts["agreement"],
        "audit_verdict": audit["verdict"],
        "attack_auc": {name: [row["auc"], row["auc_low"], row["auc_high"]] for name, row in primary.items()},
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
                [row_of(folder, name, arguments.preset, seed, arguments.overrides)],
                same=("dataset", "preset", "seed"),
            )


if __name__ == "__main__":
    main()
