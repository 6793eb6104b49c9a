"""The product's own road as a pipeline that can be audited: every choice inside, on small networks or those of the run."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import nn

from upcycle._machine import choose_device, tune_process
from upcycle.audit import Parts, PrivateModel
from upcycle.audit.attacks import Predict, RecordScore
from upcycle.config import Config, EdmConfig
from upcycle.data import ImageSet, image_hashes
from upcycle.dp import DpSettings
from upcycle.generators import ImageShape
from upcycle.nets import predict_logits
from upcycle.recycle import Bank, Labeller, RoundedLabels, bank_size, image_budget, images_to_remember, train_student
from upcycle.report import SCREENED
from upcycle.runs.folder import RunFolder, content_key
from upcycle.runs.shadows._as_run import OWN_NETWORKS, SMALL_NETWORKS, AsRun
from upcycle.runs.shadows._config import _telling, choices_inside
from upcycle.runs.shadows._dp import PrivateNet, private_classifiers
from upcycle.runs.shadows._generator import distilled_scores, generator_scores, searched_scores
from upcycle.runs.stages import (
    CONTROL,
    Bench,
    Budget,
    Facts,
    Networks,
    Own,
    Plan,
    Stage,
    control_stage,
    distilled,
    generator_images,
    own_parts,
    probe_images,
    soft_labels_of,
    training_road,
)
from upcycle.runs.watch import SilentDisplay

_TEMPERATURES = (1.0, 4.0)  # of the other students on soft labels
_RELEASED = 2_000
_CONTROL = "a control that is sure of its members"  # what is kept from before it came must not be pooled with it
_CPU = torch.device("cpu")


@final
@dataclass(frozen=True, eq=False)
class ShadowPipeline:
    """The training road of a run from members to Parts. Every call makes all choices again, on members and `validation`."""

    validation: ImageSet  # for every choice, as in a run
    classes: int  # number of classes
    config: Config  # the run's settings, small ones unless `as_run` says otherwise
    scale: float = 1.0  # shrinks all budgets, for measuring what a full call costs
    variants: bool = True  # also students on hard labels and at other temperatures
    threads: int = 1  # of torch
    dp: DpSettings | None = None  # also classifiers by DP-SGD on the same members
    stay: np.ndarray | None = None  # images that no screen leaves out
    work: Path | None = None  # where its files are while it works, such as a run's own folder; None: a temporary one
    as_run: AsRun | None = None  # with the run's own networks and budgets; None: small ones, on a CPU

    @property
    def key(self) -> str:
        """Changes with every setting and with the validation split."""
        split = hashlib.blake2b(self.validation.images.tobytes() + self.validation.labels.tobytes(), digest_size=12)
        facts = (split.hexdigest(), self.classes, self.scale, self.variants)
        private = [] if self.dp is None else [self.dp.telling()]
        others = [] if self.config.student.temperature == 1 else [_TEMPERATURES]  # such runs had one of 4 degrees only
        asked = [] if isinstance(self.config.generator, EdmConfig) else ["generator's weights"]  # once, of this family alone
        patients = self.validation.groups is not None
        # 1: none of them made, 2: gated by fewer members, 3: by parts of patients
        version = (4 if patients else 3) if choices_inside(self.config) else 1
        stay = [] if self.stay is None else [hashlib.blake2b(self.stay.tobytes(), digest_size=12).hexdigest()]
        parts = [*private, *others, *asked, *stay, *self._own_key()]
        return content_key(f"shadow pipeline {version}", _CONTROL, facts, _telling(self.config), *parts)

    def _own_key(self) -> list[object]:
        """What the run's own networks and budgets follow from beyond the settings; nothing of small ones."""
        if self.as_run is None:
            return []
        shape = self._shape()
        return ["own networks", self.as_run.scale, own_parts(self._networks(shape), shape)]

    @property
    def scope(self) -> str:
        """What every pipeline repeats beyond the default recipe, and what differs from the run; "" for the default."""
        inside, small = choices_inside(self.config), self.as_run is None
        smaller = "on a smaller scale and " if small else ""
        said = {
            f"every pipeline has, {smaller}chosen on its own members: {', '.join(inside)}": bool(inside),
            "its bank is not refreshed": bool(inside) and small,
            f"its budgets are {self.scale:.0%} of the usual ones": small and self.scale < 1,
            "cleaning, screen and gate do not know the patients": (inside or not small) and self.validation.groups is not None,
        }
        return "; ".join(text for text, on in said.items() if on)

    @property
    def networks(self) -> str:
        """Which networks every pipeline has, in a sentence."""
        return SMALL_NETWORKS if self.as_run is None else OWN_NETWORKS

    def scaled(self, share: float) -> ShadowPipeline:
        """The same with every budget times `share`."""
        return replace(self, scale=self.scale * share)

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        members = ImageSet(images, labels.astype(np.int64))
        with with_threads(self.threads), tempfile.TemporaryDirectory(prefix="shadow-", dir=self._work()) as folder:
            bench = self.bench(members, seed, Path(folder))
            road = training_road(bench, Given(members, self.validation, self.config.screen.keep, self.stay))
            skipped = () if choices_inside(self.config) or self.as_run else ("gate",)  # of one snapshot no veto could bind
            facts = {stage.name: worked(bench, stage) for stage in road if stage.name not in skipped}
            control_stage(bench, Given(members, self.validation), bench.plan.budget.control)
            parts = _parts(bench.tuned(), facts, self.variants)
            return parts if self.dp is None else _with_private(bench, parts, private_classifiers(bench, members, self.dp))

    def _work(self) -> Path | None:
        """`work`, unless this is another machine, which does not see it."""
        return self.work if self.work and self.work.is_dir() else None

    def bench(self, members: ImageSet, seed: int, folder: Path) -> Bench:
        """A separate bench for one call, with all budgets."""
        shape, plan = self._shape(), Plan.unmeasured(self.budget(len(members)))
        device = choose_device(self.config.device) if self.as_run else _CPU
        return Bench(RunFolder(folder), self._config(seed), shape, device, SilentDisplay(), self._networks(shape), plan)

    def _shape(self) -> ImageShape:
        return ImageShape(self.validation.images.shape[3], self.validation.images.shape[1], self.classes)

    def _networks(self, shape: ImageShape) -> Networks:
        own = self.as_run.own if self.as_run else Own()
        return own.networks(self.config, shape)

    def budget(self, members: int) -> Budget:
        """Of one call on this many members."""
        if self.as_run is not None:
            return self.as_run.budget(self.config, members, self.scale)
        teacher = self._scaled(image_budget(self.config.teacher, members))
        student = self._scaled(round(teacher / self.scale * self.config.student.epochs))
        bank = max(64, round(bank_size(self.config.bank, members) * self.scale))
        generator = max(64, generator_images(self.config, members, self.scale))
        control = self._scaled(images_to_remember(members))
        views = probe_images(self.config, teacher)
        return Budget(teacher, teacher, generator, student, bank, redrawn=0, epoch=student, control=control, views=views)

    def _config(self, seed: int) -> Config:
        cleaning, screen = self.config.cleaning, self.config.screen
        tuning, sampler = self.config.tuning, self.config.sampler
        changes = {
            "seed": seed,
            "plain": False,  # a table's student, which is not released
            "cleaning": cleaning.model_copy(update={"images": self._scaled(cleaning.images)}),
            "screen": screen.model_copy(update={"images": self._scaled(screen.images)}),
            "tuning": tuning.model_copy(update={"images": self._scaled(tuning.images)}),
            "sampler": sampler.model_copy(update={"snapshot": round(sampler.snapshot * self.scale)}),
            "release": self.config.release.model_copy(update={"distilled": round(self.config.release.distilled * self.scale)}),
        }
        return self.config.model_copy(update=changes)

    def _scaled(self, images: int) -> int:
        return max(64, round(images * self.scale))


@final
@dataclass(frozen=True, eq=False)
class Given:
    """What one pipeline may read; `stay` are the images of the rows `keep`, which are known by nothing else here."""

    inside: ImageSet
    outside: ImageSet
    keep: tuple[int, ...] = ()
    stay: np.ndarray | None = None

    def members(self) -> ImageSet:
        return self.inside

    def validation(self) -> ImageSet:
        return self.outside

    def member_rows(self) -> np.ndarray:
        """Of the members that must stay one of the rows `keep`, -1 of any other."""
        if self.stay is None or not self.keep:
            return np.full(len(self.inside), -1)
        kept = np.isin(image_hashes(self.inside.images), image_hashes(self.stay))
        return np.where(kept, self.keep[0], -1)

    def class_names(self) -> tuple[str, ...]:
        return tuple(map(str, range(int(max(self.inside.labels.max(), self.outside.labels.max())) + 1)))


def worked(bench: Bench, stage: Stage) -> Facts:
    """The facts of a stage that was done in its folder, which a run's own stages find made."""
    bench.folder.stage(stage.name)
    return stage.work()


def _parts(bench: Bench, facts: Mapping[str, Facts], variants: bool) -> Parts:
    """What the finished road leaves; `bench` with the tuned settings."""
    teachers, bank, device = bench.teachers(), bench.bank("student", bench.plan.budget.bank), bench.device
    released = bank.images[:_RELEASED].copy()
    answers = as_predict(teachers[0], device)(released)
    others, sampler = _variants(bench, bank) if variants else {}, bench.sampler()
    return Parts(
        student=as_predict(bench.classifier("student"), device),
        teacher=as_predict(teachers[0], device),
        baseline=as_predict(bench.classifier("baseline"), device),
        control=as_predict(bench.classifier(CONTROL), device),
        variants={name: as_predict(net, device) for name, net in others.items()},
        synthetic_images=released,
        soft_labels=soft_labels_of(bench)(released),
        generator_scores=generator_scores(sampler),
        searched_scores=searched_scores(sampler),
        distilled_scores=_distilled(bench, released, bank.labels[:_RELEASED].copy()),
        facts={
            "validation accuracy of teacher": float(facts["teacher"]["validation_accuracy"] or 0.0),
            "teacher agrees with the class asked for": float((answers.argmax(1) == bank.labels[:_RELEASED]).mean()),
            **_counts(facts),
        },
    )


def _distilled(bench: Bench, images: np.ndarray, labels: np.ndarray) -> dict[str, RecordScore]:
    """Attacks on the generator that would leave, having learned from the released images; none where none would."""
    budget = bench.config.release.distilled
    return distilled_scores(distilled(bench, images, labels, budget)) if budget else {}


def _with_private(bench: Bench, parts: Parts, found: Mapping[str, PrivateNet]) -> Parts:
    private = {k: PrivateModel(as_predict(m.net, bench.device), m.noise, m.epsilon) for k, m in found.items()}
    return replace(parts, private=private)


def _counts(facts: Mapping[str, Facts]) -> dict[str, float]:
    """How much the choices inside this pipeline changed."""
    found = {
        "members left out by cleaning": facts.get("cleaning", {}).get("left_out"),
        SCREENED: facts.get("screen", {}).get("left_out"),
        "snapshots vetoed by the gate": len(facts["gate"]["vetoed"]) if "gate" in facts else None,
        "proxy students of the tuning": len(facts["tuning"]["trials"]) if "tuning" in facts else None,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _variants(bench: Bench, bank: Bank) -> dict[str, nn.Module]:
    """Train extra students on the same bank, so that the expensive stages run once."""
    labellers: dict[str, tuple[Labeller, float]] = {"student, hard labels": (RoundedLabels(bench.soft_labeller(1.0), 1), 1.0)}
    for t in _TEMPERATURES:
        if t != bench.config.student.temperature:
            labellers[f"student, temperature {t:g}"] = (bench.soft_labeller(t), t)
    recipe, how = bench.recipe(bench.plan.budget.student, bench.augmentation()), bench.distillation()
    return {
        name: train_student(
            bank, labeller, recipe, replace(how, temperature=temperature), seed=bench.config.seed, stage=name
        ).net
        for name, (labeller, temperature) in labellers.items()
    }


def as_predict(net: nn.Module, device: torch.device = _CPU) -> Predict:
    """uint8 images (n, height, width, channels) -> logits float32 (n, classes)."""
    return lambda images: predict_logits(
        net, torch.from_numpy(np.array(images)), device
    ).numpy()  # a copy: workers share theirs


@contextlib.contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Use `count` threads; 0 leaves torch's number of threads and its allocator unchanged."""
    before = torch.get_num_threads()
    if count:
        tune_process(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
