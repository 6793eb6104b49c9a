"""What every step of the method adds, on one run: rows of ablation.json.

    python -m benchmarks.ablation RUN [--images N] [--seeds 1 2] [--generators DIR]

RUN must have teacher and generator. Students are judged on the validation split and on the run's non-members, which no model
and no choice ever saw; the test split stays closed. Every step is a student of the same network that sees the same number of images; only what
its name says is added to the step before, and "+ ..." steps at the end are tried on top of "soft + regeneration" one by one. The
second generators of "+ mix" are trained once on the run's members, with its own recipe and budget, and kept in --generators;
"+ tuning" searches as `tuning.strategy=halving` does, by short proxy students on the validation split.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks._results import write
from upcycle._settings import with_settings
from upcycle.config import GanConfig
from upcycle.data import Store
from upcycle.generators import MixGenerator, StoredGenerator, make_generator
from upcycle.recycle import Bank, Sampler, Score, candidates, halving, score_on, search, train_student
from upcycle.runs._open import open_bench
from upcycle.runs._steps import Bench
from upcycle.runs._tune import SamplerJudge, choices_of

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


TUNING, MIXES = "+ tuning", {"+ mix of two seeds": "edm", "+ mix with a GAN": "gan"}
NAMES = (*STEPS, TUNING, *MIXES)


@dataclass(frozen=True)
class Workshop:
    """A finished run, and where steps leave what others can use."""

    bench: Bench
    store: Store
    generators: Path

    def settings(self, step: str) -> dict[str, object]:
        """What `step` changes of the run's configuration; a search for "+ tuning"."""
        return {**SOFT, **self.tuned()} if step == TUNING else dict(STEPS.get(step, SOFT))

    def tuned(self) -> dict[str, object]:
        """What successive halving chooses on the validation split."""
        how, judge = self.bench.config.tuning, SamplerJudge(self.bench, self.store.validation())
        pool = candidates(choices_of(self.bench), how.candidates, self.bench.config.seed)
        return dict(search(halving(pool, judge, images=how.images, rounds=how.rounds, keep=how.keep)).best)

    def sampler(self, bench: Bench, step: str) -> Sampler:
        """The sampler of a step, from one generator or two."""
        sampler = bench.sampler()
        if step not in MIXES:
            return sampler
        own = bench.generator().load(bench.folder.stage("generator"))
        both = MixGenerator(bench.shape, [own, self.second(MIXES[step])], (1, 1), budgets=(1, 1), spreads=(1, 1))
        return replace(sampler, generator=both.gathered(), snapshot=both.snapshots()[-1])

    def second(self, family: str) -> StoredGenerator:
        """Another generator of the same members: the run's recipe with another seed, or a GAN of default size."""
        bench, members = self.bench, self.store.members()
        recipe = GanConfig() if family == "gan" else bench.config.generator
        budget = recipe.images if family == "gan" else bench.plan.budget.generator
        generator = make_generator(bench.shape, recipe, bench.config.sampler, augmentation=bench.augmentation())
        folder = self.generators / f"{self.store.meta.name}-{family}"
        return generator.fit(members.images, members.labels, seed=bench.config.seed + 1, budget=budget, resume=folder)


def train(shop: Workshop, step: str, images: int, seed: int, banks: Path) -> tuple[torch.nn.Module, dict[str, object]]:
    """The student of a step, and what that changed; steps that draw the same images share the bank of an earlier one."""
    changed = shop.settings(step)
    bench = replace(shop.bench, config=with_settings(shop.bench.config, {**changed, "seed": seed}))
    config, shape = bench.config, bench.shape
    members = bench.plan.budget.epoch
    size = max(256, min(round(config.bank.multiple * members), config.bank.max_images))
    how = replace(bench.distillation(), per_refresh=round(config.bank.refresh * size))
    drawn = config.model_dump_json(include={"seed": True, "sampler": True, "bank": {"prior", "between", "hard", "candidates"}})
    folder = banks / hashlib.sha256(f"{size} {drawn} {MIXES.get(step)}".encode()).hexdigest()[:16]
    bank = Bank(folder, shop.sampler(bench, step), size, (shape.size, shape.size, shape.channels)).advance(size)
    net = train_student(bank, bench.labeller(), bench.recipe(images, bench.augmentation()), how, seed=seed).net
    return net, changed


def row(shop: Workshop, step: str, seed: int, images: int, banks: Path) -> dict[str, object]:
    """Train and judge one step."""
    start = time.monotonic()
    net, changed = train(shop, step, images, seed, banks)
    minutes = (time.monotonic() - start) / 60
    validation, fresh = (score_on(net, data, shop.bench.device) for data in (shop.store.validation(), shop.store.non_members()))
    found = {
        "dataset": shop.store.meta.name,
        "step": step,
        "changed": changed,
        "seed": seed,
        "images": images,
        **_named("validation", validation),
        **_named("non_member", fresh),
        "minutes": round(minutes, 2),
    }
    print(found, flush=True)
    return found


def _named(who: str, score: Score) -> dict[str, float]:
    return {f"{who}_accuracy": score.accuracy, f"{who}_log_likelihood": score.log_likelihood}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument(
        "--generators", type=Path, default=Path("ablation-generators"), help="folder of the second ones of + mix"
    )
    arguments = parser.parse_args()
    shop = Workshop(*open_bench(arguments.run), arguments.generators)
    images = arguments.images or shop.bench.plan.budget.student
    for seed in arguments.seeds:
        with TemporaryDirectory() as banks:
            for step in arguments.steps:
                found = row(shop, step, seed, images, Path(banks))
                write("ablation.json", [found], same=("dataset", "step", "seed"))


if __name__ == "__main__":
    main()
