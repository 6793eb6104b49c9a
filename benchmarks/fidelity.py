"""What small networks change in an audit by shadow pipelines: rows of fidelity.json.

    python -m benchmarks.fidelity --work DIR digits breastmnist.npz --pipelines 8 --minutes 4

The same records, planted ones, coins and seeds, once with the small networks of `upcycle audit` and once with the networks and
budgets of a run of the preset quick that takes --minutes of one core (`--networks own`). A row is one attack, the primary one or
RMIA, on student or positive control and one kind of record, with limits, the accuracy on records left out, what was trained, and
seconds per pipeline: of the clock, and of the processor without the questions.

Finished pipelines are kept under --work and not run again, and the measurement of the machine that --minutes needs is kept, too;
rows are written data set by data set. Another number of pipelines plants other records, and so runs all again.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._results import MEASURED, write
from upcycle._files import read_json, write_json
from upcycle._machine import tune_process
from upcycle._settings import resolve
from upcycle.audit import AuditPlan, Parts, plan_for
from upcycle.audit.attacks import EXCESS, RATIO, RMIA
from upcycle.audit.pipeline_audit import judge_shadows
from upcycle.audit.pipelines import CONTROL, Pipeline, Shadows, make_design, run_in
from upcycle.config import Config, DataConfig
from upcycle.data import Dataset, draw_members, read
from upcycle.generators import ImageShape, make_generator
from upcycle.nets import parameter_count
from upcycle.runs.shadows import AsRun, ShadowPipeline, accuracies, own_config, shadow_config
from upcycle.runs.stages import make_plan, networks_of

SEED = 20_251  # of the published tables, whose pools are public; a run draws a secret one
ATTACKS = (EXCESS.name, RATIO.name, RMIA.name)  # the second one's p-values decide with the first one's rates
SHOWN = (EXCESS.name, RMIA.name)
PROCESSOR = "processor seconds"
RATES = tuple(f"{name}{end}" for name in ("auc", "tpr_at_1pct") for end in ("", "_low", "_high"))


@dataclass(frozen=True, eq=False)
class Timed:
    """A pipeline that reports what it took of the processor."""

    pipeline: ShadowPipeline

    @property
    def key(self) -> str:
        return self.pipeline.key

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        start = time.process_time()
        parts = self.pipeline(images, labels, seed=seed)
        return replace(parts, facts={**parts.facts, PROCESSOR: time.process_time() - start})


def say(line: str) -> None:
    print(line, flush=True)


def planned_scale(dataset: Dataset, config: Config, kept: Path) -> float:
    """The scale of the budgets of a run, measured once: another measurement would make other pipelines."""
    if not kept.exists():
        tune_process(config.threads)
        how, shape = config.audit, ImageShape(dataset.channels, dataset.size, dataset.classes)
        members, _ = draw_members(dataset.train, share=how.non_member_share, at_least=how.min_non_members, seed=config.seed)
        plan = make_plan(config, shape, len(members), torch.device("cpu"), networks_of(config))
        write_json(kept, {"scale": plan.scale})
    return float(read_json(kept)["scale"])


def both(dataset: Dataset, config: Config, scale: float) -> dict[str, ShadowPipeline]:
    """The pipelines of one recipe by their networks."""
    small = ShadowPipeline(dataset.validation, dataset.classes, shadow_config(config, dataset.size), variants=False)
    return {"small": small, "own": replace(small, config=own_config(config), as_run=AsRun(scale))}


def trained(pipeline: ShadowPipeline, dataset: Dataset) -> dict[str, int]:
    """How large the networks are, and how many images they see in a pipeline of half the records."""
    half = dataset.train.take(np.arange(len(dataset.train) // 2))
    bench = pipeline.bench(half, 0, Path())
    shape, config, budget = bench.shape, bench.config, bench.plan.budget
    return {
        "student_parameters": parameter_count(bench.networks.student(shape.channels, shape.classes, shape.size)),
        "generator_parameters": make_generator(shape, config.generator, config.sampler).parameter_count(),
        "teacher_images": budget.teacher,
        "generator_images": budget.generator,
        "student_images": budget.student,
    }


def audited(pipeline: Pipeline, dataset: Dataset, plan: AuditPlan, cache: Path, name: str) -> Shadows:
    """The answers of all pipelines, those that are not kept run first."""
    cache.mkdir(parents=True, exist_ok=True)

    def report(done: int, total: int, seconds: float) -> None:
        say(f"{name}: a pipeline took {seconds:.0f} s ({done} of {total})")

    return run_in(cache, pipeline, make_design(dataset.train, plan), plan, report)


def rows(shadows: Shadows, plan: AuditPlan, same: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A row per target, kind of record and attack."""
    processor = [facts.reported.get(PROCESSOR) for facts in shadows.facts]
    cost = {"seconds_per_pipeline": round(float(shadows.seconds.mean()), 1)}
    known = [seconds for seconds in processor if seconds is not None]
    cost |= {"processor_seconds_per_pipeline": round(float(np.mean(known)), 1)} if known else {}
    found = judge_shadows(shadows, plan).to_json()
    verdicts = {verdict["target"]: verdict["verdict"] for verdict in found["verdicts"]}
    for row in found["rows"]:
        if row["target"] in ("student", CONTROL) and row["attack"] in SHOWN:
            right = accuracies(shadows, row["target"])
            yield {
                **same,
                **{name: row[name] for name in ("target", "population", "attack", "n_members", "n_non_members", *RATES)},
                "verdict": verdicts[row["target"]],
                **{f"accuracy{end}": right[f"student_accuracy{end}"] for end in ("", "_low", "_high")},
                **cost,
            }


def measured(data: str, config: Config, plan: AuditPlan, work: Path, share: float = 1.0) -> list[dict[str, Any]]:
    """The rows of one set; of a `share` of every pipeline for a trial."""
    dataset, name = read(data, config=DataConfig(), seed=0), Path(data).stem
    scale = planned_scale(dataset, config, work / f"{name}-{config.minutes:g}-plan.json")
    found = list[dict[str, Any]]()
    for networks, whole in both(dataset, config, scale).items():
        pipeline = whole.scaled(share)
        same = {"dataset": name, "minutes": config.minutes, "scale": scale, "networks": networks, "pipelines": plan.pipelines}
        same |= {"seed": SEED, "commit": MEASURED, **trained(pipeline, dataset)}
        shadows = audited(Timed(pipeline), dataset, plan, work / f"{name}-shadows", f"{name}, {networks} networks")
        found += rows(shadows, plan, same)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pipelines", type=int, default=8, help="an even number from 4 on")
    parser.add_argument("--minutes", type=float, default=4.0, help="of the run whose networks and budgets are the own ones")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="share of every pipeline's budgets, for a trial")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="settings of the recipe")
    parser.add_argument("--dry", action="store_true", help="print the rows instead of writing them")
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    config = resolve("quick", config_file=None, overrides=["threads=1", *given.overrides], minutes=given.minutes)
    plan = plan_for("standard", pipelines=given.pipelines, seed=SEED, n_jobs=given.jobs, attacks=ATTACKS, without_canaries=0)
    for data in given.data:
        found = measured(data, config, plan, given.work, given.share)
        if given.dry:
            say("\n".join(map(str, found)))
        else:
            write("fidelity.json", found, same=("dataset", "minutes", "pipelines"))


if __name__ == "__main__":
    main()
