"""The training stages of a run: each reads what earlier stages left, works in its own folder and returns facts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from upcycle._files import read_json
from upcycle._machine import learning_dtype
from upcycle._random import derive_seed
from upcycle._settings import with_settings
from upcycle._training import Report
from upcycle._weights import load_weights, save_weights
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.generators import (
    ImageShape,
    OwnGenerator,
    Snapshot,
    StoredGenerator,
    folds_generator,
    gap_limit,
    make_generator,
    nearest_snapshot,
)
from upcycle.nets import Augmentation, ClassifierFactory
from upcycle.recycle import (
    AskedLabels,
    Bank,
    CommitteeLabels,
    CrossedLabels,
    Distillation,
    Labeller,
    Origin,
    Recipe,
    RoundedLabels,
    Sampler,
    Support,
    SupportFilter,
    TeacherDoubt,
    TeacherFilter,
    label_prior,
)
from upcycle.runs.folder import MANIFEST, RunFolder
from upcycle.runs.stages._networks import Networks
from upcycle.runs.stages._plan import Plan
from upcycle.runs.watch import Display

Facts = dict[str, Any]
SUPPORT = "support.npz"  # in private/generator
GAPS = "gaps"  # a document there
ORIGIN = "origin.npz"  # in private/screen


_SAMPLES = 16  # images shown while a run works


class Splits(Protocol):
    """The records that a stage may ask for: the store of a run, or what one shadow pipeline was given. Neither non-members
    nor test images: nothing is learned from them, and nothing is chosen by them."""

    def members(self) -> ImageSet: ...

    def validation(self) -> ImageSet: ...

    def member_rows(self) -> np.ndarray:
        """Row of the training split of every member, int64 (members,)."""
        ...

    def class_names(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Bench:
    """What every stage needs: where it works, by which settings, on what machine, and who is told."""

    folder: RunFolder  # where it works
    config: Config  # by which settings
    shape: ImageShape  # of the images
    device: torch.device  # where networks learn
    display: Display  # who is told
    networks: Networks  # how they are built
    plan: Plan  # how much work

    def recipe(self, budget: int, augmentation: Augmentation, *, stage: str = "student") -> Recipe:
        """How the classifier of `stage` learns."""
        classes, config = self.shape.classes, self.config.teacher
        objective = self.config.objective
        return Recipe(self.networks.of(stage), classes, config, augmentation, self.device, budget, self.dtype, objective)

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
        if self.networks.generator is not None and self.networks.generator.fitted is None:
            return  # one of the user's own cannot be asked before it is fitted
        asked, seed = np.arange(_SAMPLES) % self.shape.classes, derive_seed(self.config.seed, "shown")
        with torch.random.fork_rng(devices=[]):
            generator = self.generator().load(self.folder.stage("generator"))
            images = generator.sample(asked, seed=seed, spread=self.config.sampler.spread)
        self.display.samples(images)

    def augmentation(self) -> Augmentation:
        """The views that the flip stage found safe."""
        return Augmentation(**read_json(self.folder.document("views", "views")))

    def generator(self, apart: np.ndarray | None = None) -> StoredGenerator | OwnGenerator:
        """The unfitted generator; the user's own, if there is one, as far as it was fitted. Where images need support it is one
        for every fold of the screen; to fit it, `apart` int64 (images,) is the fold of every image."""
        if self.networks.generator is not None:
            return self.networks.generator
        folds = self.config.screen.folds if self.config.support.share else 0
        return folds_generator([self._generator() for _ in range(folds)], apart) if folds else self._generator()

    def _generator(self) -> StoredGenerator:
        views = self.augmentation() if self.folder.document("views", "views").exists() else None
        recipe, sampler = self.config.generator, self.config.sampler
        return make_generator(self.shape, recipe, sampler, device=self.device, augmentation=views, dtype=self.dtype)

    def sampler(self) -> Sampler:
        """The sampler of the finished generator; its label prior comes from the generator stage's counts."""
        labels = self.asked_labels()
        how = self.config.sampler
        accept = None if how.threshold is None else TeacherFilter(self.classifier("teacher"), how.threshold, self.device)
        passed = self.passed_snapshots()
        return Sampler(
            self.generator().load(self.folder.stage("generator")),
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
            supported=self._supported() if self.config.support.share else None,
        )

    def _supported(self) -> SupportFilter:
        found, agree = Support.load(self.folder.stage("generator") / SUPPORT), self.config.support.agree
        return SupportFilter(found, self.teachers(), agree=agree, seed=self.config.seed, device=self.device)

    def asked_labels(self) -> np.ndarray:
        """The labels of the generator's training images, in the order of the classes."""
        counts = np.asarray(read_json(self.folder.document("generator", "class_counts")))
        return np.repeat(np.arange(len(counts)), counts)

    def bank(self, stage: str, size: int) -> Bank:
        """The bank of `stage` as far as it was drawn."""
        shape = (self.shape.size, self.shape.size, self.shape.channels)
        return Bank(self.folder.bank(stage), self.sampler(), size, shape)

    def teachers(self) -> list[nn.Module]:
        """The finished teachers, the one that is audited first."""
        return [self.classifier(name) for name in teacher_names(self.config.teachers)]

    def passed_snapshots(self) -> list[Snapshot]:
        """The snapshots that the memorisation gate let pass; all where none did, or the gate has not run. Only those below the
        limit of generator.gap_stop, or the first, are looked at. Raises DamagedFileError where the gate did run and its finding
        is lost."""
        every = list(self.generator().load(self.folder.stage("generator")).snapshots())
        gaps, limit = self.folder.facts("generator", GAPS) or [], gap_limit(self.config.generator)
        beyond = {row["images_seen"] for row in gaps if row["gap"] > limit}
        every = [snapshot for snapshot in every if snapshot.images_seen not in beyond] or every[:1]
        ran = self.folder.document("gate", MANIFEST.removesuffix(".json")).exists()
        found = read_json(self.folder.document("gate", "gate")) if ran else self.folder.facts("gate", "gate") or []
        vetoed = {row["images_seen"] for row in found if row["vetoed"]}
        return [snapshot for snapshot in every if snapshot.images_seen not in vetoed] or every

    def tuned(self) -> Bench:
        """This bench with the settings that the tuning stage chose; itself where there was none."""
        chosen = self.folder.facts("tuning", "tuned")
        return self if chosen is None else replace(self, config=with_settings(self.config, chosen))

    def labeller(self) -> Labeller:
        """Soft labels of the teachers, or the classes asked for."""
        if self.config.student.labels == "hard":
            return AskedLabels(self.shape.classes)
        return self.soft_labeller()

    def soft_labeller(self, temperature: float | None = None, *, rounded: bool = True) -> Labeller:
        """Soft labels of the teachers, those of a released set too; None: at the student's temperature. `rounded`: as
        student.levels asks; else as sure as the teachers are."""
        how, student = CrossedLabels if self.config.screen.crossed else CommitteeLabels, self.config.student
        found = how(self.teachers(), temperature=student.temperature if temperature is None else temperature)
        return RoundedLabels(found, student.levels) if rounded and student.levels else found

    def origin(self) -> Origin | None:
        """Which fold an image is most like, where labels depend on it."""
        return Origin.load(self.folder.private / "screen" / ORIGIN) if self.config.screen.crossed else None

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
            self.origin(),
        )

    def classifier(self, stage: str) -> nn.Module:
        """The finished classifier of `stage` (teacher, baseline, student or plain)."""
        return load_classifier(self.folder.weights(stage), self.networks.of(stage), self.shape).to(self.device)


def teacher_names(count: int) -> list[str]:
    """Stages of the teachers: "teacher", which is also the one that is audited, then "teacher-2", "teacher-3" ..."""
    return ["teacher", *(f"teacher-{k}" for k in range(2, count + 1))]


def save_classifier(net: nn.Module, path: Path) -> None:
    """Write weights as safetensors, durably."""
    save_weights(path, net.state_dict())


def load_classifier(path: Path, network: ClassifierFactory, shape: ImageShape) -> nn.Module:
    """The network with the weights of `path`, in evaluation mode. Raises DamagedFileError."""
    net = network(shape.channels, shape.classes, shape.size)
    net.load_state_dict(load_weights(path))
    return net.eval()
