"""The stages that train: views, classifiers, generator and student; cleaning the labels first."""

import logging
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from upcycle._files import write_array, write_json
from upcycle._training import Report
from upcycle.data import ImageSet, sealed
from upcycle.nets import Augmentation, predict_logits, to_input
from upcycle.recycle import (
    Bank,
    Distillation,
    FlipTrial,
    Lesson,
    accuracy,
    believed,
    can_remember,
    choose_augmentation,
    choose_border,
    fold_of,
    logits_of,
    move_border,
    out_of_fold,
    train_classifier,
    train_student,
    train_to_remember,
    try_flips,
)
from upcycle.runs.stages._bench import Bench, Facts, Splits, save_classifier

CONTROL: Final = "control"
_LOG = logging.getLogger("upcycle")


def cleaning_stage(bench: Bench, splits: Splits) -> Facts:
    """Keep the members whose label an out-of-fold classifier believes; kept.npy is bool (members,)."""
    members, how = splits.members(), bench.config.cleaning
    recipe = bench.recipe(how.images, bench.augmentation(), stage="cleaning")
    told = bench.report("cleaning")
    which = fold_of(members, how.folds, bench.config.seed)
    found = out_of_fold(members, which, recipe, images=how.images, seed=bench.config.seed, report=told)
    probabilities = found.probabilities
    kept = believed(probabilities, members.labels, threshold=how.threshold, most=how.most)
    write_array(bench.folder.kept, kept)
    return {"kept": int(kept.sum()), "left_out": int((~kept).sum()), "accuracy": _accuracy(probabilities, members)}


def _accuracy(probabilities: np.ndarray, members: ImageSet) -> float:
    return float((probabilities.argmax(1) == members.labels).mean())


def views_stage(bench: Bench, splits: Splits) -> Facts:
    """Which mirror images keep the label; asked of the data only where the setting is "auto"."""
    members, config = splits.members(), bench.config
    trials: list[FlipTrial] = []
    if config.augment.flip == "auto":
        images = bench.plan.budget.views
        recipe = bench.recipe(images, choose_augmentation(config.augment, bench.shape.size, []))
        trials = try_flips(members, recipe, seed=config.seed, images=images)
    views = choose_augmentation(config.augment, bench.shape.size, trials)
    bench.folder.stage("views")
    write_json(bench.folder.document("views", "views"), asdict(views))
    return {**asdict(views), "trials": [trial.to_json() for trial in trials]}


def classifier_stage(
    bench: Bench, splits: Splits, members: ImageSet, stage: str, budget: int, lesson: Lesson | None = None
) -> Facts:
    """Teacher or baseline: trained on `members`, best look at validation kept."""
    bench.folder.stage(stage)
    recipe = bench.recipe(budget, bench.augmentation(), stage=stage)
    fitted = train_classifier(
        members,
        splits.validation(),
        recipe,
        seed=bench.config.seed,
        stage=stage,
        resume=bench.folder.checkpoint(stage),
        report=bench.report(stage),
        lesson=lesson,
    )
    border = bordered(bench, fitted.net, splits.validation()) if stage == "baseline" else {}
    save_classifier(fitted.net, bench.folder.weights(stage))
    return {"images_seen": fitted.images_seen, "validation_accuracy": fitted.validation_accuracy, **border}


def bordered(bench: Bench, net: nn.Module, held_out: ImageSet) -> Facts:
    """Move the border of a classifier of two classes to where `held_out` has it, if the settings ask for that: the probability
    of the second class at which it lay."""
    if bench.config.border == "even" or bench.shape.classes != 2:
        return {}
    border = choose_border(bench.config.objective, logits_of(net, held_out, bench.device), held_out.labels)
    probe = to_input(torch.from_numpy(np.ascontiguousarray(held_out.images[:8])), bench.device)
    if border and not move_border(net, border, probe):
        _LOG.warning("the border stays even: logits of %s do not come from a last linear layer with a bias", type(net).__name__)
        border = 0.0
    return {"border": 1 / (1 + math.exp(-border))}


def control_stage(bench: Bench, splits: Splits, most: int = 0, compared: np.ndarray | None = None) -> Facts:
    """The audit's positive control: the baseline's network, made to remember every member it was given, by
    `most` images at most (0: as many as it takes). It never leaves.

    Where those are too few for all members, it is given those of the rows `compared`, which the audit asks about: a control
    that has seen 10,000 members five times each remembers none of them, and shows nothing of what the audit can see.
    """
    bench.folder.stage(CONTROL)
    members = splits.members()
    if compared is not None and len(compared) and most and not can_remember(len(members), most):
        members = members.take(compared)
    fitted = train_to_remember(
        members, bench.recipe(0, Augmentation()), seed=bench.config.seed, stage=CONTROL, most=most or None
    )
    save_classifier(fitted.net, bench.folder.weights(CONTROL))
    return {
        "images_seen": fitted.images_seen,
        "members": len(members),
        "labels_known": accuracy(fitted.net, members, bench.device),
    }


def generator_stage(bench: Bench, members: ImageSet, apart: np.ndarray | None = None) -> Facts:
    """The generator, trained on members; of one for every fold, each without the members of that fold, `apart` int64 (n,)."""
    folder = bench.folder.stage("generator")
    counts = np.bincount(members.labels, minlength=bench.shape.classes)
    write_json(bench.folder.document("generator", "class_counts"), counts.tolist())
    generator = bench.generator(apart).fit(
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
        asked = bench.display.wants_samples and bench.networks.generator is None
        snapshots = bench.generator().load(folder).snapshots() if asked else ()
        if snapshots and snapshots[-1].images_seen > shown:
            shown = snapshots[-1].images_seen
            bench.show_samples()

    return write


def student_stage(bench: Bench, splits: Splits, stage: str = "student") -> Facts:
    """The student, by GKD; `stage` "plain" is the plain-CAS student (one fixed set of the untuned sampler, hard labels).

    The store of private images is sealed meanwhile: opening it raises SealedError. What it has learned is then answered by a
    border that the validation split may choose.
    """
    with sealed(bench.folder.store):
        plain = stage == "plain"
        bench = plain_bench(bench) if plain else bench.tuned()
        bench.folder.stage(stage)
        checkpoint, budget = bench.folder.checkpoint(stage), bench.plan.budget
        bank = bench.bank(stage, min(budget.epoch, budget.bank) if plain else budget.bank)
        if not checkpoint.exists():  # a student that resumes has already moved the bank forward
            bank.advance(bank.size, lambda drawn: bench.display.advance(0, {"drawn": drawn}))
        fitted = train_student(
            bank,
            bench.labeller(),
            bench.recipe(budget.student, bench.augmentation()),
            Distillation(budget.epoch, 0) if plain else bench.distillation(),
            seed=bench.config.seed,
            stage=stage,
            resume=checkpoint,
            report=bench.report(stage),
        )
        facts = {"images_seen": fitted.images_seen, "bank": bank.size, "agreement": _agreement(bench, bank)}
    border = {} if bench.config.border == "even" else bordered(bench, fitted.net, splits.validation())
    save_classifier(fitted.net, bench.folder.weights(stage))
    return {**facts, **border}


def plain_bench(bench: Bench) -> Bench:
    """The classes asked for as labels; no image between two of them, and none chosen by the teacher."""
    student = bench.config.student.model_copy(update={"labels": "hard"})
    bank = bench.config.bank.model_copy(update={"between": 0.0, "hard": 0.0})
    sampler = bench.config.sampler.model_copy(update={"threshold": None})
    return replace(bench, config=bench.config.model_copy(update={"student": student, "bank": bank, "sampler": sampler}))


def _agreement(bench: Bench, bank: Bank) -> float:
    """Share of bank images on which the teacher finds the class that was asked for, 0..1."""
    logits = predict_logits(bench.classifier("teacher"), torch.from_numpy(bank.images[:4000]), bench.device)
    return float((logits.argmax(1).numpy() == bank.labels[:4000]).mean())
