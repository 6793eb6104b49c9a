"""The training stages of a run: each reads what earlier stages left, works in its own folder and returns facts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from upcycle._machine import learning_dtype
from upcycle._random import derive_seed
from upcycle._settings import with_settings
from upcycle._training import Report
from upcycle.config import Config
from upcycle.data import ImageSet, sealed
from upcycle.generators import ImageShape, Snapshot, StoredGenerator, make_generator, nearest_snapshot
from upcycle.nets import Augmentation, ClassifierFactory
from upcycle.recycle import (
    AskedLabels,
    Bank,
    CommitteeLabels,
    Distillation,
    FlipTrial,
    Labeller,
    Recipe,
    Sampler,
    TeacherDoubt,
    TeacherFilter,
    choose_augmentation,
    label_prior,
    train_classifier,
    train_student,
    try_flips,
)
from upcycle.runs._display import Display
from upcycle.runs._folder import RunFolder
from upcycle.runs._networks import Networks
from upcycle.runs._plan import Plan

Facts = dict[str, Any]
_SAMPLES = 16  # images shown while a run works


class Splits(Protocol):
    """The records that a stage may ask for: the store of a run, or what one shadow pipeline was given. Neither non-members
    nor test images: nothing is learned from them, and nothing is chosen by them."""

    def members(self) -> ImageSet: ...

    def validation(self) -> ImageSet: ...


@dataclass(frozen=True)
class Bench:
    """What every stage needs: where it works, by which settings, on what machine, and who is told."""

    folder: RunFolder
    config: Config
    shape: ImageShape
    device: torch.device
    display: Display
    networks: Networks
    plan: Plan

    def recipe(self, budget: int, augmentation: Augmentation, *, stage: str = "student") -> Recipe:
        """How the classifier of `stage` learns."""
        classes, config = self.shape.classes, self.config.teacher
        return Recipe(self.networks.of(stage), classes, config, augmentation, self.device, budget, self.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """What convolutions compute in while networks learn."""
        return learning_dtype(self.config.precision, self.device)

    def report(self, stage: str) -> Report:
        """A report that writes metrics.jsonl and moves the display."""

        def write(images_seen: int, metrics: Any) -> None:
            self.folder.log_metrics(stage, images_seen, metrics)
            self.display.advance(images_seen, dict(metrics))

        return write

    def show_samples(self) -> None:
        """Hand the display images of the generator's last snapshot. Changes no result: images depend on (snapshot, seed, index)
        alone, and torch's global generator is left as it was."""
        asked, seed = np.arange(_SAMPLES) % self.shape.classes, derive_seed(self.config.seed, "shown")
        with torch.random.fork_rng(devices=[]):
            generator = self.generator().load(self.folder.stage("generator"))
            images = generator.sample(asked, seed=seed, spread=self.config.sampler.spread)
        self.display.samples(images.transpose(0, 2, 3, 1))

    def augmentation(self) -> Augmentation:
        """The views that the flip stage found safe."""
        return Augmentation(**json.loads((self.folder.stage("views") / "views.json").read_text()))

    def generator(self) -> StoredGenerator:
        views = self.augmentation() if (self.folder.private / "views" / "views.json").exists() else None
        recipe, sampler = self.config.generator, self.config.sampler
        return make_generator(self.shape, recipe, sampler, device=self.device, augmentation=views, dtype=self.dtype)

    def sampler(self) -> Sampler:
        """The sampler of the finished generator; its label prior comes from the generator stage's counts."""
        folder = self.folder.stage("generator")
        counts = np.asarray(json.loads((folder / "class_counts.json").read_text()))
        labels = np.repeat(np.arange(len(counts)), counts)
        how = self.config.sampler
        accept = None if how.threshold is None else TeacherFilter(self.classifier("teacher"), how.threshold, self.device)
        passed = self.passed_snapshots()
        return Sampler(
            self.generator().load(folder),
            label_prior(labels, self.shape.classes, self.config.bank.prior),
            self.config.seed,
            how.spread,
            snapshot=nearest_snapshot(passed, how.snapshot) if how.snapshot else passed[-1],
            accept=accept,
            redraws=how.redraws,
            between=self.config.bank.between,
            hard=self.config.bank.hard,
            candidates=self.config.bank.candidates,
            hardness=TeacherDoubt(self.classifier("teacher"), self.device) if self.config.bank.hard else None,
        )

    def bank(self, stage: str, size: int) -> Bank:
        """The bank of `stage` as far as it was drawn."""
        shape = (self.shape.size, self.shape.size, self.shape.channels)
        return Bank(self.folder.stage(stage) / "bank", self.sampler(), size, shape)

    def teachers(self) -> list[nn.Module]:
        """The finished teachers, the one that is audited first."""
        return [self.classifier(name) for name in teacher_names(self.config.teachers)]

    def passed_snapshots(self) -> list[Snapshot]:
        """The snapshots that the memorisation gate let pass; all where none did, or the gate has not run."""
        path = self.folder.private / "gate" / "gate.json"
        every = list(self.generator().load(self.folder.stage("generator")).snapshots())
        vetoed = {row["images_seen"] for row in json.loads(path.read_text()) if row["vetoed"]} if path.exists() else set()
        return [snapshot for snapshot in every if snapshot.images_seen not in vetoed] or every

    def tuned(self) -> Bench:
        """This bench with the settings that the tuning stage chose; itself where there was none."""
        path = self.folder.private / "tuning" / "tuned.json"
        if not path.exists():
            return self
        return replace(self, config=with_settings(self.config, json.loads(path.read_text())))

    def labeller(self) -> Labeller:
        """Soft labels of the teachers, or the classes asked for."""
        if self.config.student.labels == "hard":
            return AskedLabels(self.shape.classes)
        return CommitteeLabels(self.teachers(), temperature=self.config.student.temperature)

    def distillation(self) -> Distillation:
        budget, student = self.plan.budget, self.config.student
        return Distillation(
            budget.epoch,
            budget.redrawn,
            student.temperature if student.labels == "soft" else 1.0,
            student.ema,
            self.config.bank.period,
            student.label_smoothing,
            student.mix,
        )

    def classifier(self, stage: str) -> nn.Module:
        """The finished classifier of `stage` (teacher, baseline, student or plain)."""
        return load_classifier(self.folder.stage(stage) / "model.safetensors", self.networks.of(stage), self.shape).to(
            self.device
        )


def teacher_names(count: int) -> list[str]:
    """Stages of the teachers: "teacher", which is also the one that is audited, then "teacher-2", "teacher-3" ..."""
    return ["teacher", *(f"teacher-{k}" for k in range(2, count + 1))]


def save_classifier(net: nn.Module, path: Path) -> None:
    """Write weights as safetensors, whole or not at all."""
    partial = path.with_suffix(".partial")
    save_file({name: t.detach().cpu().contiguous() for name, t in net.state_dict().items()}, partial)
    partial.replace(path)


def load_classifier(path: Path, network: ClassifierFactory, shape: ImageShape) -> nn.Module:
    """The network with the weights of `path`, in evaluation mode."""
    net = network(shape.channels, shape.classes, shape.size)
    net.load_state_dict(load_file(path))
    return net.eval()


def views_stage(bench: Bench, splits: Splits) -> Facts:
    """Which mirror images keep the label; asked of the data only where the setting is "auto"."""
    members, config = splits.members(), bench.config
    trials: list[FlipTrial] = []
    if config.augment.flip == "auto":
        images = min(20_000, max(bench.plan.budget.teacher // 4, config.teacher.batch))
        recipe = bench.recipe(images, choose_augmentation(config.augment, bench.shape.size, []))
        trials = try_flips(members, recipe, seed=config.seed, images=images)
    views = choose_augmentation(config.augment, bench.shape.size, trials)
    (bench.folder.stage("views") / "views.json").write_text(json.dumps(asdict(views)))
    return {**asdict(views), "trials": [trial.to_json() for trial in trials]}


def classifier_stage(bench: Bench, splits: Splits, members: ImageSet, stage: str, budget: int) -> Facts:
    """Teacher or baseline: trained on `members`, best look at validation kept."""
    folder = bench.folder.stage(stage)
    recipe = bench.recipe(budget, bench.augmentation(), stage=stage)
    fitted = train_classifier(
        members,
        splits.validation(),
        recipe,
        seed=bench.config.seed,
        stage=stage,
        resume=folder / "resume.pt",
        report=bench.report(stage),
    )
    save_classifier(fitted.net, folder / "model.safetensors")
    return {"images_seen": fitted.images_seen, "validation_accuracy": fitted.validation_accuracy}


def generator_stage(bench: Bench, members: ImageSet) -> Facts:
    """The generator, trained on members."""
    folder = bench.folder.stage("generator")
    counts = np.bincount(members.labels, minlength=bench.shape.classes)
    (folder / "class_counts.json").write_text(json.dumps(counts.tolist()))
    generator = bench.generator().fit(
        members.images,
        members.labels,
        seed=bench.config.seed,
        budget=bench.plan.budget.generator,
        resume=folder,
        report=_watched(bench, folder),
    )
    if bench.display.wants_samples:
        bench.show_samples()
    return {"images_seen": generator.snapshots()[-1].images_seen}


def _watched(bench: Bench, folder: Path) -> Report:
    """The generator's report; where the display wants samples, it is handed some after every new snapshot."""
    report, shown = bench.report("generator"), 0

    def write(images_seen: int, metrics: Any) -> None:
        nonlocal shown
        report(images_seen, metrics)
        snapshots = bench.generator().load(folder).snapshots() if bench.display.wants_samples else ()
        if snapshots and snapshots[-1].images_seen > shown:
            shown = snapshots[-1].images_seen
            bench.show_samples()

    return write


def student_stage(bench: Bench, stage: str = "student") -> Facts:
    """The student, by GKD; `stage` "plain" is the plain-CAS student (one fixed set of the untuned sampler, hard labels).

    The store of private images is sealed meanwhile: opening it raises SealedError.
    """
    with sealed(bench.folder.store):
        plain = stage == "plain"
        bench = plain_bench(bench) if plain else bench.tuned()
        folder, budget = bench.folder.stage(stage), bench.plan.budget
        bank = bench.bank(stage, min(budget.epoch, budget.bank) if plain else budget.bank)
        if not (folder / "resume.pt").exists():  # a student that goes on has moved the bank forward
            bank.advance(bank.size, lambda drawn: bench.display.advance(0, {"drawn": drawn}))
        fitted = train_student(
            bank,
            bench.labeller(),
            bench.recipe(budget.student, bench.augmentation()),
            Distillation(budget.epoch, 0) if plain else bench.distillation(),
            seed=bench.config.seed,
            stage=stage,
            resume=folder / "resume.pt",
            report=bench.report(stage),
        )
        save_classifier(fitted.net, folder / "model.safetensors")
        return {"images_seen": fitted.images_seen, "bank": bank.size, "agreement": _agreement(bench, bank)}


def plain_bench(bench: Bench) -> Bench:
    """The classes asked for as labels; no image between two of them, and none chosen by the teacher."""
    student = bench.config.student.model_copy(update={"labels": "hard"})
    bank = bench.config.bank.model_copy(update={"between": 0.0, "hard": 0.0})
    sampler = bench.config.sampler.model_copy(update={"threshold": None})
    return replace(bench, config=bench.config.model_copy(update={"student": student, "bank": bank, "sampler": sampler}))


def _agreement(bench: Bench, bank: Bank) -> float:
    """Share of bank images on which the teacher finds the class that was asked for, 0..1."""
    from upcycle.nets import predict_logits

    logits = predict_logits(bench.classifier("teacher"), torch.from_numpy(bank.images[:4000]), bench.device)
    return float((logits.argmax(1).numpy() == bank.labels[:4000]).mean())
