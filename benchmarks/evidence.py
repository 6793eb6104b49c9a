"""What was forecast before a run with the default evidence, and what came: rows of evidence.json.

    python -m benchmarks.evidence --work DIR digits breastmnist.npz --minutes 12

Every set is trained by the preset quick, within --minutes as `upcycle run` understands them, and ends in its default evidence.
A row has the forecasts, the verdict of every released part, the share of planted wrong labels that the positive control puts
first, and announced and taken minutes of the training and of the shadow pipelines. They are those of the clock, of which a
machine that others use too takes more; the minutes of the processor stand next to them. Runs under --work are resumed, and a
resumed one has no minutes of the processor.
"""

import argparse
import math
import resource
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._results import MEASURED, write
from upcycle._files import read_json
from upcycle._settings import resolve
from upcycle.config import Config
from upcycle.data import read
from upcycle.runs import forecasts, run
from upcycle.runs.folder import StageRecord, read_run, stage_records

ASKED = {"student": "T1", "positive control": "T5"}  # and by which threat model
FORECAST = ("audit", "rests_on", "smallest_auc", "observed", "limit", "no_leak_found", "changes")


def processor_minutes() -> float:
    """Of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used) / 60


def minutes(records: dict[str, StageRecord]) -> dict[str, float]:
    """Announced and taken: before the training, and before the shadow pipelines, which are measured first."""
    evidence, facts = records["evidence"].seconds / 60, records["evidence"].facts
    announced = sum(records["plan"].facts["seconds"].values()) / 60
    taken = sum(record.seconds for name, record in records.items() if name not in ("plan", "evidence")) / 60
    pipelines = facts.get("minutes_taken", 0.0)
    return {
        **{"training_announced": announced, "training_taken": taken, "training_ratio": taken / announced},
        **{"evidence_announced": facts["minutes"], "evidence_taken": pipelines, "evidence_measuring": evidence - pipelines},
        "whole_ratio": (taken + evidence) / (announced + facts["minutes"]),
    }


def answered(folder: Path) -> dict[str, dict[str, float]]:
    """Shares of planted wrong labels that are given a probability above a half, by models that were given them and by others."""
    with np.load(folder / "private" / "audit" / "pipeline_scores.npz", allow_pickle=False) as kept:
        planted, members = kept["kind"] == "mislabelled", kept["members"]
        sure = {name: kept[f"{name}/{threat}/loss threshold"] > math.log(0.5) for name, threat in ASKED.items()}
    return {
        name: {"given": float(found[members & planted].mean()), "not_given": float(found[~members & planted].mean())}
        for name, found in sure.items()
    }


def outcome(folder: Path) -> dict[str, Any]:
    """Of the shadow pipelines, where there were some: verdicts, and planted labels put first by the control and the student."""
    path = folder / "private" / "audit" / "pipeline.json"
    if not path.exists():
        return {}
    found = read_json(path)
    labels = {row["answers"]: round(row["ranked_first"], 4) for row in found["permutation"]}
    return {
        "verdicts": {row["target"]: row["verdict"] for row in found["verdicts"]},
        "sentence": found["sentence"],
        "planted_labels_answered": answered(folder),
        "planted_labels_first": {name: labels[name] for name in ("student", "positive control") if name in labels},
        "accuracy": found["facts"]["accuracy"],
    }


def row(data: str, work: Path, config: Config) -> dict[str, Any]:
    """One set, from its forecast to its verdict."""
    folder, before = work / Path(data).stem, processor_minutes()
    resumed = folder.exists()
    expected, notes = forecasts(read(data, config=config.data, seed=config.seed), config)
    run(data, folder, config)
    records, found = stage_records(folder / "private"), read_run(folder)
    return {
        **{"dataset": Path(data).stem, "minutes": config.minutes, "seed": config.seed, "commit": MEASURED},
        "forecast": [{name: forecast.to_json()[name] for name in FORECAST} for forecast in expected],
        **{"notes": notes, "why": records["evidence"].facts["why"], "pipelines": records["evidence"].facts["pipelines"]},
        **{"verdict": found.verdict, "words": {name: text.replace(str(folder), "RUN") for name, text in found.words.items()}},
        **outcome(folder),
        "control_knows": records["control"].facts["labels_known"],
        **{name: round(value, 3) for name, value in minutes(records).items()},
        "processor_minutes": None if resumed else round(processor_minutes() - before, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    config = resolve("quick", config_file=None, overrides=[f"threads={given.threads}"], minutes=given.minutes)
    for data in given.data:
        write("evidence.json", [row(data, given.work, config)], same=("dataset", "minutes"))


if __name__ == "__main__":
    main()
