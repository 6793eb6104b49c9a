"""The product's own road as a pipeline that can be audited: small networks, short budgets, every choice inside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._machine import tune_process
from upcycle.audit import Parts, Predict, RecordScore, denoiser_norm, t_error
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.generators import EdmGenerator, ImageShape, StoredGenerator, make_generator
from upcycle.nets import Augmentation, classifier_factory, for_inference, predict_logits
from upcycle.recycle import (
    AskedLabels,
    Bank,
    Distillation,
    Labeller,
    Recipe,
    Sampler,
    TeacherLabels,
    bank_size,
    choose_augmentation,
    image_budget,
    label_prior,
    train_classifier,
    train_student,
    try_flips,
)

_WARM = 4.0  # the temperature of the warm student
_RELEASED = 2_000
_CPU = torch.device("cpu")


def shadow_config(config: Config, size: int) -> Config:
    """The settings of a run, scaled down to a minute of one core: the same recipe with small networks and short budgets."""
    small = size <= 16
    teacher = config.teacher.model_copy(
        update={"width": 16 if small else 8, "blocks": 1, "batch": 64, "epochs": 12, "min_images": 15_000 if small else 12_000}
        | {"max_images": 30_000, "validate_every": 0.125, "patience": 0}
    )
    generator = config.generator.model_copy(
        update={"channels": (24, 48) if small else (16, 32), "blocks": 1, "patch": max(1, round(size / 14)), "batch": 64}
        | {"images": 35_000 if small else 45_000, "warmup_images": 3_000, "snapshots": 1}
    )
    bank = config.bank.model_copy(update={"multiple": 4.0, "min_images": 2_500, "max_images": 6_000, "refresh": 0.0})
    sampler = config.sampler.model_copy(update={"steps": 5})
    parts = {"preset": "shadow", "device": "cpu", "teacher": teacher, "generator": generator, "bank": bank, "sampler": sampler}
    return Config.model_validate(config.model_copy(update=parts).model_dump())


@final
@dataclass(frozen=True, eq=False)
class ShadowPipeline:
    """Teacher, generator, bank and students from members to Parts, on one thread. Teacher and flips are chosen on
    `validation`, as in a run, anew in every call. `scale` shrinks all budgets, for measuring what a full call costs.
    `variants`: also students on hard and on warm labels."""

    validation: ImageSet
    classes: int
    config: Config
    scale: float = 1.0
    variants: bool = True
    threads: int = 1

    @property
    def key(self) -> str:
        """Changes with every setting and with the validation split."""
        from upcycle.runs._stages import content_key

        split = hashlib.blake2b(self.validation.images.tobytes() + self.validation.labels.tobytes(), digest_size=12)
        facts = (split.hexdigest(), self.classes, self.scale, self.variants)
        return content_key("shadow pipeline 1", facts, json.loads(self.config.model_dump_json(exclude={"seed", "threads"})))

    def scaled(self, share: float) -> ShadowPipeline:
        """The same with every budget times `share`."""
        return replace(self, scale=self.scale * share)

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        with _threads(self.threads), tempfile.TemporaryDirectory(prefix="shadow-") as folder:
            return _Road(self, ImageSet(images, labels.astype(np.int64)), seed, Path(folder)).run()


@final
class _Road:
    """One call: the steps of a run and what they hand on."""

    def __init__(self, owner: ShadowPipeline, members: ImageSet, seed: int, folder: Path) -> None:
        self.config, self.validation, self.classes = owner.config, owner.validation, owner.classes
        self.members, self.seed, self.folder, self.scale = members, seed, folder, owner.scale
        self.with_variants = owner.variants
        self.shape = ImageShape(members.images.shape[3], members.images.shape[1], self.classes)
        self.network = classifier_factory(self.config.teacher)
        self.budget = self.scaled(image_budget(self.config.teacher, len(members)))

    def scaled(self, images: int) -> int:
        return max(64, round(images * self.scale))

    def run(self) -> Parts:
        views = self.views()
        recipe = Recipe(self.network, self.classes, self.config.teacher, views, _CPU, self.budget)
        teacher = train_classifier(self.members, self.validation, recipe, seed=self.seed, stage="teacher")
        baseline = train_classifier(self.members, self.validation, recipe, seed=self.seed, stage="baseline")
        generator = self.generator(views)
        bank = self.bank(generator)
        students = self.students(bank, teacher.net, recipe)
        released = bank.images[:_RELEASED].copy()
        soft = _predict(teacher.net)(released)
        return Parts(
            student=_predict(students.pop("student")),
            teacher=_predict(teacher.net),
            baseline=_predict(baseline.net),
            variants={name: _predict(net) for name, net in students.items()},
            synthetic_images=released,
            soft_labels=_softmax(soft / self.config.student.temperature),
            generator_scores=_generator_scores(generator),
            facts={
                "validation accuracy of teacher": float(teacher.validation_accuracy or 0.0),
                "teacher agrees with the class asked for": float((soft.argmax(1) == bank.labels[:_RELEASED]).mean()),
            },
        )

    def views(self) -> Augmentation:
        """Flips that the data of this call allow."""
        config, trials = self.config, []
        if config.augment.flip == "auto":
            images = min(20_000, max(self.budget // 4, config.teacher.batch))
            start = choose_augmentation(config.augment, self.shape.size, [])
            recipe = Recipe(self.network, self.classes, config.teacher, start, _CPU, images)
            trials = try_flips(self.members, recipe, seed=self.seed, images=images)
        return choose_augmentation(config.augment, self.shape.size, trials)

    def generator(self, views: Augmentation) -> StoredGenerator:
        generator = make_generator(self.shape, self.config.generator, self.config.sampler, augmentation=views)
        budget = self.scaled(self.config.generator.images)
        return generator.fit(self.members.images, self.members.labels, seed=self.seed, budget=budget)

    def bank(self, generator: StoredGenerator) -> Bank:
        prior = label_prior(self.members.labels, self.classes, self.config.bank.prior)
        sampler = Sampler(generator, prior, self.seed, self.config.sampler.spread)
        size = max(256, round(bank_size(self.config.bank, len(self.members)) * self.scale))
        return Bank(self.folder, sampler, size, self.members.images.shape[1:]).advance(size)

    def students(self, bank: Bank, teacher: nn.Module, recipe: Recipe) -> dict[str, nn.Module]:
        """The student of the run's settings and its variants, all on one bank: the dear stages are shared."""
        settings, budget = self.config.student, self.scaled(round(self.budget / self.scale * self.config.student.epochs))
        recipe = replace(recipe, budget=budget)
        soft = TeacherLabels(teacher, temperature=settings.temperature)
        usual: Labeller = soft if settings.labels == "soft" else AskedLabels(self.classes)
        labellers: Mapping[str, tuple[Labeller, float]] = {
            "student": (usual, settings.temperature if settings.labels == "soft" else 1.0),
            "student, hard labels": (HardLabels(teacher), 1.0),
            f"student, temperature {_WARM:g}": (TeacherLabels(teacher, temperature=_WARM), _WARM),
        }
        return {
            name: train_student(
                bank, labeller, recipe, Distillation(budget, 0, temperature, settings.ema), seed=self.seed, stage=name
            ).net
            for name, (labeller, temperature) in labellers.items()
            if self.with_variants or name == "student"
        }


@final
class HardLabels:
    """The teacher's first class as a one-hot row."""

    def __init__(self, teacher: nn.Module) -> None:
        self._teacher = for_inference(teacher)

    @torch.inference_mode()
    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:  # noqa: ARG002 - the strategy's signature
        logits: Tensor = self._teacher(views)
        return F.one_hot(logits.argmax(1), logits.shape[1]).to(views.dtype)


def _predict(net: nn.Module) -> Predict:
    """uint8 images (n, height, width, channels) -> logits float32 (n, classes)."""
    return lambda images: predict_logits(net, torch.from_numpy(np.ascontiguousarray(images)), _CPU).numpy()


def _softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(1).numpy()


def _generator_scores(generator: StoredGenerator) -> dict[str, RecordScore]:
    """White-box attacks: what the denoiser makes of a record (SimA), and of a step there and back (SecMI).

    None for the families that have no denoiser: attacks on what they draw are the audit's others.
    """
    if not isinstance(generator, EdmGenerator):
        return {}
    denoise, scale = generator.denoiser()

    def norm(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return denoiser_norm(denoise, scale(np.ascontiguousarray(images)), labels)

    def error(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return t_error(denoise, scale(np.ascontiguousarray(images)), labels, steps=4)

    return {"denoiser norm": norm, "t-error": error}


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads; 0 leaves torch's own number and allocator alone."""
    before = torch.get_num_threads()
    if count:
        tune_process(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
