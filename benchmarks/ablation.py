"""What every step of the method adds, on one run: rows of ablation.json.

    python -m benchmarks.ablation RUN [--images N] [--seeds 1 2]

RUN must have teacher and generator. Students are judged on the validation split and on the run's non-members, which no model
and no choice ever saw; the test split stays closed. Every step is a student of the same network that sees the same number of images; only what
its name says is added to the step before, and "+ ..." steps at the end are tried on top of "soft + regeneration" one by one.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._results import write
from upcycle._settings import with_settings
from upcycle.data import Store
from upcycle.recycle import Bank, score_on, train_student
from upcycle.runs._open import open_bench
from upcycle.runs._steps import Bench

Settings = Mapping[str, object]
SOFT: Settings = {"student.labels": "soft"}
STEPS: Mapping[str, Settings] = {
    "hard label (plain CAS)": {"student.labels": "hard", "bank.refresh": 0.0, "bank.multiple": 1.0},
    "filtered hard label": {"student.labels": "hard", "bank.refresh": 0.0, "bank.multiple": 1.0, "sampler.threshold": 0.0},
    "soft label": {**SOFT, "bank.refresh": 0.0, "bank.multiple": 1.0},
    "soft + larger bank": {**SOFT, "bank.refresh": 0.0},
    "soft + regeneration": SOFT,
    "+ blended views (half)": {**SOFT, "student.mix": 0.5},
    "+ blended views (all)": {**SOFT, "student.mix": 1.0},
    "+ filter": {**SOFT, "sampler.threshold": 0.0},
    "+ temperature 2": {**SOFT, "student.temperature": 2.0},
    "+ spread 1.1": {**SOFT, "sampler.spread": 1.1},
    "+ weight average": {**SOFT, "student.ema": 0.05},
    "+ label smoothing 0.1": {**SOFT, "student.label_smoothing": 0.1},
    "+ a tenth between classes": {**SOFT, "bank.between": 0.1},
    "+ a third hard for the teacher": {**SOFT, "bank.hard": 0.33},
    "+ prior as in the data": {**SOFT, "bank.prior": 1.0},
}


def train(bench: Bench, images: int, seed: int, banks: Path) -> object:
    """The student of a bench; steps that draw the same images share the bank of an earlier one in `banks`."""
    config, shape = bench.config, bench.shape
    members = bench.plan.budget.epoch
    size = max(256, min(round(config.bank.multiple * members), config.bank.max_images))
    how = replace(bench.distillation(), per_refresh=round(config.bank.refresh * size))
    drawn = config.model_dump_json(include={"seed": True, "sampler": True, "bank": {"prior", "between", "hard", "candidates"}})
    folder = banks / hashlib.sha256(f"{size} {drawn}".encode()).hexdigest()[:16]
    bank = Bank(folder, bench.sampler(), size, (shape.size, shape.size, shape.channels)).advance(size)
    return train_student(bank, bench.labeller(), bench.recipe(images, bench.augmentation()), how, seed=seed).net


def row(bench: Bench, store: Store, step: str, seed: int, images: int, banks: Path) -> dict[str, object]:
    """Train and judge one step."""
    changed = replace(bench, config=with_settings(bench.config, {**STEPS[step], "seed": seed}))
    start = time.monotonic()
    net = train(changed, images, seed, banks)
    minutes = (time.monotonic() - start) / 60
    found = {
        "dataset": store.meta.name,
        "step": step,
        "seed": seed,
        "images": images,
        "validation_accuracy": score_on(net, store.validation(), bench.device).accuracy,  # type: ignore[arg-type]
        "validation_log_likelihood": score_on(net, store.validation(), bench.device).log_likelihood,  # type: ignore[arg-type]
        "non_member_accuracy": score_on(net, store.non_members(), bench.device).accuracy,  # type: ignore[arg-type]
        "minutes": round(minutes, 2),
    }
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    arguments = parser.parse_args()
    bench, store = open_bench(arguments.run)
    images = arguments.images or bench.plan.budget.student
    for seed in arguments.seeds:
        with TemporaryDirectory() as banks:
            for step in arguments.steps:
                found = row(bench, store, step, seed, images, Path(banks))
                write("ablation.json", [found], same=("dataset", "step", "seed"))


if __name__ == "__main__":
    main()
