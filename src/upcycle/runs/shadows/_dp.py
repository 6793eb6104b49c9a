"""The comparators with a proven epsilon inside one shadow pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from torch import nn

from upcycle.config import EdmConfig, SamplerConfig
from upcycle.data import ImageSet
from upcycle.dp import (
    DpSettings,
    FormalSettings,
    Ledger,
    Use,
    exact_noise,
    formal_ledger,
    labels_epsilon,
    steps_of,
    train_formal,
    train_head,
    train_private,
)
from upcycle.errors import ConfigError
from upcycle.generators import EdmGenerator
from upcycle.nets import Augmentation
from upcycle.recycle import Bank, Distillation, Sampler, TeacherLabels, train_student
from upcycle.runs.stages import Bench, Budget

FORMAL: Final = FormalSettings()
_LEAST: Final = 100  # records that a formal student learns from
_IMAGES: Final = 15_000  # that a formal student's denoiser sees of its central images
_DENOISER: Final = {
    "channels": (16, 32),
    "batch": 64,
    "warmup_images": 3_000,
    "dropout": 0.0,
    "label_drop": 0.0,
    "snapshots": 1,
}


@dataclass(frozen=True, eq=False)
class PrivateNet:
    """A classifier with its noise multiplier and its epsilon at delta = 1 / members."""

    net: nn.Module
    noise: float
    epsilon: float


def private_classifiers(bench: Bench, members: ImageSet, how: DpSettings, resume: Path | None = None) -> dict[str, PrivateNet]:
    """A classifier by DP-SGD per noise multiplier, a head and a formal student per epsilon, by name; `resume`: a folder in
    which a killed call goes on.

    They see the images as they are: flips that a probe allowed would be a choice on the members that epsilon does not cover,
    and shifts cost more than they gave (0.79 instead of 0.92 on digits), since every view's gradient is clipped by itself.
    """
    recipe = bench.recipe(seen_by_dp(bench.plan.budget, how), Augmentation())
    found = {}
    for noise in how.noises:
        name = f"DP-SGD, noise {noise:g}"
        kept = None if resume is None else resume / f"dp-{noise:g}.pt"
        fitted = train_private(members, recipe, how, noise, seed=bench.config.seed, stage=name, resume=kept)
        found[name] = PrivateNet(fitted.net, noise, fitted.epsilon)
    for epsilon in how.heads:
        fitted = train_head(members, recipe.classes, epsilon, seed=bench.config.seed)
        found[f"DP head, epsilon {epsilon:g}"] = PrivateNet(fitted.net, fitted.noise, fitted.epsilon)
    for epsilon in how.formals:
        folder = (resume or bench.folder.private) / f"formal-{epsilon:g}"
        found[f"formal, epsilon {epsilon:g}"] = formal_student(bench, members, epsilon, folder)
    return found


def check_formal(train: ImageSet, class_names: Sequence[str], epsilons: Sequence[float]) -> None:
    """Raise ConfigError, before any work, where halves of `train` make no formal student of these epsilons."""
    if len(train) < 2 * _LEAST:
        raise ConfigError(
            f"training split must have at least {2 * _LEAST} images for the bundle formal, of which a pipeline gets half. Got "
            f"{len(train)}. Add images, or leave that bundle out."
        )
    counts = np.bincount(train.labels, minlength=len(class_names))
    if missing := [repr(name) for name, count in zip(class_names, counts, strict=True) if not count]:
        raise ConfigError(
            f"every class must have images in the training split for the bundle formal. Got none of {', '.join(missing)}. Add "
            "images of them, or leave that bundle out."
        )
    for epsilon in epsilons:
        formal_ledger(len(train) // 2, epsilon, FORMAL)


def seen_by_dp(budget: Budget, how: DpSettings) -> int:
    """Images that DP-SGD sees in expectation."""
    return max(1, round(budget.teacher * how.budget))


def private_ledger(records: int, budget: Budget, how: DpSettings, images: int = 1) -> Ledger:
    """Of a release of all that `private_classifiers` makes of this many `records`; `images`: of a patient, at most."""
    uses = [steps_of(records, seen_by_dp(budget, how), how, noise) for noise in how.noises]
    uses += [Use("classifier: linear head on fixed features", exact_noise(epsilon, 1 / records)) for epsilon in how.heads]
    uses += [use for epsilon in how.formals for use in formal_ledger(records, epsilon, FORMAL).uses]
    return Ledger(tuple(uses), 1 / records, images)


def formal_student(bench: Bench, members: ImageSet, epsilon: float, folder: Path) -> PrivateNet:
    """A student of images by a private generator and of labels by a private head, with one epsilon over both; no class share,
    no view and no stop is chosen by a record. A killed call goes on in `folder`."""
    ledger, seed, budget = formal_ledger(len(members), epsilon, FORMAL), bench.config.seed, bench.plan.budget
    head = train_head(members, bench.shape.classes, labels_epsilon(epsilon, FORMAL), seed=seed).net
    config = EdmConfig.model_validate({**_DENOISER, "images": min(_IMAGES, budget.generator)})
    start = EdmGenerator(bench.shape, config, SamplerConfig(steps=5))
    generator = train_formal(members, start, FORMAL, ledger, seed=seed, resume=folder)
    equal = np.full(bench.shape.classes, 1 / bench.shape.classes)
    shape = (bench.shape.size, bench.shape.size, bench.shape.channels)
    bank = Bank(folder / "bank", Sampler(generator, equal, seed), budget.bank, shape).advance(budget.bank)
    recipe, how = bench.recipe(budget.student, Augmentation()), Distillation(budget.epoch, 0)
    fitted = train_student(bank, TeacherLabels(head), recipe, how, seed=seed, stage="formal", resume=folder / "student.pt")
    return PrivateNet(fitted.net, ledger.uses[-1].noise or 0.0, ledger.epsilon())
