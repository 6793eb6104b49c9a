"""What every step of the method adds, on one run: rows of ablation.json.

    python -m benchmarks.ablation RUN [--images N] [--seeds 1 2] [--generators DIR]

RUN must have teacher and generator. Students are judged on the validation split and on the run's non-members, which no model
and no choice ever saw; the test split stays closed. Every step is a student of the same network that sees the same number of
images; only what its name says is added to the step before, and "+ ..." steps at the end are tried on top of "temperature 4",
what the presets do, one by one. The second generators of "+ mix" are trained once on the run's members, with its own recipe and
budget, and kept in --generators; a mix is drawn from at the last stage that the memorisation gate lets pass. "+ tuning"
searches as `tuning.strategy=halving` does, by short proxy students on the validation split. `minutes` of a step are its
student's learning and the drawing of all images that its bank needs, even where an earlier step has drawn them already;
`drawing_minutes` are the second part. What a step needs beforehand, a search, a second generator or other teachers, is in
`preparing_minutes`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks._results import MEASURED, write
from benchmarks._students import TalliedSampler, Tally, WholeStudent
from benchmarks._teachers import TEACHINGS, taught
from upcycle._settings import with_settings
from upcycle.audit.copies import passing
from upcycle.config import GanConfig
from upcycle.data import Store
from upcycle.generators import Generator, MixGenerator, Snapshot, StoredGenerator, make_generator
from upcycle.recycle import CommitteeLabels, Score, candidates, halving, score_on, search
from upcycle.runs.stages import Bench, SamplerJudge, choices_of, judged, prepare

Settings = Mapping[str, object]
SOFT: Settings = {"student.labels": "soft", "student.temperature": 1.0}
WARM: Settings = {"student.labels": "soft", "student.temperature": 4.0}
STEPS: Mapping[str, Settings] = {
    "hard label (plain CAS)": {"student.labels": "hard", "bank.refresh": 0.0, "bank.multiple": 1.0},
    "filtered hard label": {"student.labels": "hard", "bank.refresh": 0.0, "bank.multiple": 1.0, "sampler.threshold": 0.0},
    "soft label": {**SOFT, "bank.refresh": 0.0, "bank.multiple": 1.0},
    "soft + larger bank": {**SOFT, "bank.refresh": 0.0},
    "soft + regeneration": SOFT,
    "temperature 4": WARM,
    "+ temperature 2": {**WARM, "student.temperature": 2.0},
    "+ temperature 8": {**WARM, "student.temperature": 8.0},
    "+ blended views (half)": {**WARM, "student.mix": 0.5},
    "+ blended views (all)": {**WARM, "student.mix": 1.0},
    "+ filter": {**WARM, "sampler.threshold": 0.0},
    "+ spread 1.1": {**WARM, "sampler.spread": 1.1},
    "+ filter and spread 1.25": {**WARM, "sampler.threshold": 0.0, "sampler.spread": 1.25},
    "+ weight average": {**WARM, "student.ema": 0.05},
    "+ label smoothing 0.1": {**WARM, "student.label_smoothing": 0.1},
    "+ a tenth between classes": {**WARM, "bank.between": 0.1},
    "+ a third hard for the teacher": {**WARM, "bank.hard": 0.33},
    "+ prior as in the data": {**WARM, "bank.prior": 1.0},
}


TUNING, MIXES = "+ tuning", {"+ mix of two seeds": "edm", "+ mix with a GAN": "gan"}
NAMES = (*STEPS, TUNING, *MIXES, *TEACHINGS)


@dataclass(frozen=True)
class Prepared:
    """What a step needs before its student: settings, a sampler and teachers if they are not the run's, and the minutes it took."""

    changed: Settings
    generator: StoredGenerator | None = None
    snapshot: Snapshot | None = None
    teachers: Sequence[torch.nn.Module] = ()
    minutes: float = 0.0


@dataclass(frozen=True)
class Workshop:
    """A finished run, and where steps leave what others can use."""

    bench: Bench
    store: Store
    generators: Path
    teachings: dict[str, Prepared] = field(default_factory=dict)

    def prepared(self, step: str) -> Prepared:
        """What `step` changes of the run: its settings, those that a search finds, a second generator, or teachers."""
        if step == TUNING:
            return self.tuned
        if step in TEACHINGS:
            return self.taught_by(step)
        return self.mixed(MIXES[step]) if step in MIXES else Prepared(STEPS[step])

    @cached_property
    def tuned(self) -> Prepared:
        """What successive halving chooses on the validation split."""
        how, judge = self.bench.config.tuning, SamplerJudge(self.bench, self.store.validation())
        pool = candidates(choices_of(self.bench), how.candidates, self.bench.config.seed)
        start = time.monotonic()
        found = search(halving(pool, judge, images=how.images, rounds=how.rounds, keep=how.keep))
        return Prepared({**WARM, **found.best}, minutes=(time.monotonic() - start) / 60)

    def mixed(self, family: str) -> Prepared:
        """The run's generator and another one, each drawing half; at the last stage of both that the gate lets pass."""
        own, second = self.bench.generator().load(self.bench.folder.stage("generator")), self.second(family)
        both = MixGenerator(self.bench.shape, [own, second], (1, 1), budgets=(1, 1), spreads=(1, 1)).gathered()
        passed = [{s.images_seen for s in self.bench.passed_snapshots()}, set(passing(judged(second, self.bench, self.store)))]
        minutes = json.loads((self.folder_of(family) / "minutes.json").read_text())
        return Prepared(WARM, both, both.snapshots()[-last_allowed([own, second], passed)], minutes=minutes)

    def taught_by(self, step: str) -> Prepared:
        """Other teachers, trained once."""
        if step not in self.teachings:
            teachers, minutes = taught(TEACHINGS[step], self.bench, self.store)
            self.teachings[step] = Prepared(WARM, teachers=teachers, minutes=minutes)
        return self.teachings[step]

    def folder_of(self, family: str) -> Path:
        return self.generators / f"{self.store.meta.name}-{family}"

    def second(self, family: str) -> StoredGenerator:
        """Another generator of the same members: the run's recipe with another seed, or a GAN of default size."""
        bench, members, folder = self.bench, self.store.members(), self.folder_of(family)
        recipe = GanConfig() if family == "gan" else bench.config.generator
        budget = recipe.images if family == "gan" else bench.plan.budget.generator
        generator = make_generator(bench.shape, recipe, bench.config.sampler, augmentation=bench.augmentation())
        start = time.monotonic()
        generator.fit(members.images, members.labels, seed=bench.config.seed + 1, budget=budget, resume=folder)
        if not (folder / "minutes.json").exists():  # a later call finds it finished
            (folder / "minutes.json").write_text(json.dumps((time.monotonic() - start) / 60))
        return generator


def last_allowed(members: Sequence[Generator], passed: Sequence[set[int]]) -> int:
    """How many stages before the end all `members` of a mix are at snapshots that their gates let pass, 1 = the end itself; 1
    too where there is no such stage, as a run uses its last snapshot where none passes. `passed` in images seen."""
    both = [(member.snapshots(), allowed) for member, allowed in zip(members, passed, strict=True)]
    stages = range(1, 1 + min(len(snapshots) for snapshots, _ in both))
    return next((k for k in stages if all(snapshots[-k].images_seen in allowed for snapshots, allowed in both)), 1)


@dataclass(frozen=True)
class Banks:
    """Where banks lie, and what drawing each cost; steps that draw the same images share one."""

    root: Path
    tallies: dict[str, Tally] = field(default_factory=dict)

    def of(self, student: WholeStudent, step: str) -> tuple[Path, Tally]:
        config = student.bench.config
        bank = {"prior", "between", "hard", "candidates"}
        drawn = config.model_dump_json(include={"seed": True, "sampler": True, "bank": bank})
        key = hashlib.sha256(f"{student.size} {drawn} {MIXES.get(step)}".encode()).hexdigest()[:16]
        return self.root / key, self.tallies.setdefault(key, Tally())


@dataclass(frozen=True)
class Billed:
    """A student and the minutes it took: those of learning, and those of drawing all that its bank needs, shared or not."""

    net: torch.nn.Module
    learning: float
    drawing: float


def train(bench: Bench, prepared: Prepared, step: str, images: int, banks: Banks) -> Billed:
    """The student of a step. A bank that an earlier step has drawn costs what it would have cost alone."""
    student = WholeStudent(bench, images)
    folder, tally = banks.of(student, step)
    sampler = bench.sampler()
    if prepared.generator is not None:
        sampler = replace(sampler, generator=prepared.generator, snapshot=prepared.snapshot)
    start, before = time.monotonic(), tally.seconds
    temperature = bench.config.student.temperature
    labels = CommitteeLabels(list(prepared.teachers), temperature=temperature) if prepared.teachers else None
    net = student.train(TalliedSampler.of(sampler, tally), folder, labels)
    learning = time.monotonic() - start - (tally.seconds - before)
    return Billed(net, learning / 60, student.draws * tally.pace / 60)


def row(shop: Workshop, step: str, seed: int, images: int, banks: Banks) -> dict[str, object]:
    """Train and judge one step."""
    prepared = shop.prepared(step)
    bench = replace(shop.bench, config=with_settings(shop.bench.config, {**prepared.changed, "seed": seed}))
    billed = train(bench, prepared, step, images, banks)
    looks = {"validation": shop.store.validation(), "non_member": shop.store.non_members()}
    scores = [_named(who, score_on(billed.net, data, bench.device)) for who, data in looks.items()]
    found = {
        "dataset": shop.store.meta.name,
        "step": step,
        "changed": dict(prepared.changed),
        "seed": seed,
        "images": images,
        "commit": MEASURED,
        **scores[0],
        **scores[1],
        "minutes": round(billed.learning + billed.drawing, 2),
        "drawing_minutes": round(billed.drawing, 2),
        "preparing_minutes": round(prepared.minutes, 2),
    }
    if prepared.snapshot is not None:
        found["snapshot"] = prepared.snapshot.images_seen
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
    with prepare(None, arguments.run, needs="generator") as bench:
        shop = Workshop(bench, bench.folder.open_store(), arguments.generators)
        images = arguments.images or bench.plan.budget.student
        for seed in arguments.seeds:
            with TemporaryDirectory() as banks:
                shelf = Banks(Path(banks))
                for step in arguments.steps:
                    found = row(shop, step, seed, images, shelf)
                    write("ablation.json", [found], same=("dataset", "commit", "step", "seed"))


if __name__ == "__main__":
    main()
