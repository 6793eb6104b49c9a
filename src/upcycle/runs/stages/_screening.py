"""The screen stage: which members teacher and generator learn from, and a list of the others for whoever may see them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from upcycle._files import write_array, write_text
from upcycle.config import Config
from upcycle.data import Dataset, ImageSet
from upcycle.errors import ConfigError
from upcycle.nets import predict_logits
from upcycle.recycle import (
    Lesson,
    Origin,
    Screened,
    check_cleaning,
    check_screen,
    class_shares,
    draw_folds,
    out_of_fold,
    screen,
    second_opinion,
    share_right,
    under_prior,
    unit_of,
)
from upcycle.runs.stages._bench import ORIGIN, Bench, Facts, Splits, load_classifier, save_classifier

LEFT_OUT: Final = "left_out.csv"  # in private/screen, never in a release
WARM_SHARE: Final = 0.6  # of a teacher's images where it starts from the weights of its fold's classifier
_COLUMNS: Final = ("train_row", "class", "group", "why", "belief", "distance")


def check_screening(dataset: Dataset, members: np.ndarray, config: Config) -> None:
    """Raise ConfigError, before any work, where settings or `members`, rows of the training split, rule screen or cleaning
    out."""
    check_screen_settings(config)
    inside, rows = dataset.train.take(members), len(dataset.train)
    if config.screen.folds:
        check_screen(inside, dataset.validation, config.screen, dataset.class_names, rows)
    if config.cleaning.folds:
        check_cleaning(inside, config.cleaning.folds, dataset.class_names)


def check_screen_settings(config: Config) -> None:
    """Raise ConfigError, all problems at once, for settings of screen and support that do not go together."""
    how, problems = config.screen, []
    for name, folds in (("screen", how.folds), ("cleaning", config.cleaning.folds)):
        if folds == 1:
            problems.append(f"{name}.folds must be 0 or from 2 to 20. Got 1. Set 3, or 0 for no {name}.")
    if how.folds and config.cleaning.folds:
        problems.append(
            f"cleaning.folds must be 0 where screen.folds is not, since the screen cleans as well. "
            f"Got {config.cleaning.folds}. Set cleaning.folds=0."
        )
    if how.apart and config.teachers != how.folds:
        problems.append(
            f"teachers must be as many as screen.folds where screen.apart is set. Got {config.teachers} teachers and "
            f"{how.folds} folds. Set teachers={how.folds or 3} and screen.folds={how.folds or 3}"
            f"{'' if how.folds else ', or screen.apart=false and screen.crossed=false for no screen'}."
        )
    if how.crossed and not how.apart:
        problems.append(
            "screen.apart must be set where screen.crossed is, since one teacher has to miss every fold. Got false. "
            f"Set screen.apart=true, screen.folds={how.folds or 3} and teachers={how.folds or 3}."
        )
    if config.support.share and not how.folds:
        problems.append(
            "screen.folds must be at least 2 where support.share is not 0. Got 0. Set screen.folds=3, or support.share=0."
        )
    if config.support.share and config.bank.between:
        problems.append(
            "bank.between must be 0 where support.share is not 0, since an image between two has no class. Got "
            f"{config.bank.between}. Set bank.between=0, or support.share=0."
        )
    if problems:
        raise ConfigError(*problems)


def screen_stage(bench: Bench, splits: Splits) -> Facts:
    """Leave out members whose label no out-of-fold classifier believes, and the most isolated images of every class.

    kept.npy bool, fold.npy and unit.npy int64 (members,); fold-0.safetensors ... are the classifiers that miss a fold.
    """
    members, held_out, how, folder = splits.members(), splits.validation(), bench.config.screen, bench.folder.stage("screen")
    unit = unit_of(members, held_out)
    fold, probabilities, right = _judged(bench, members, held_out, unit, folder)
    rows = splits.member_rows()
    out = screen(members, held_out, fold, probabilities, right, how, np.isin(rows, how.keep))
    for name, array in {"kept": out.kept, "fold": fold, "unit": unit, "probabilities": probabilities}.items():
        write_array(folder / f"{name}.npy", array)
    Origin.measured(members.take(np.flatnonzero(out.kept)), fold[out.kept], held_out).save(folder / ORIGIN)
    _write_left_out(folder / LEFT_OUT, members, out, rows, splits.class_names())
    facts = _facts(members, out, probabilities, splits.class_names(), int(unit.max()) + 1)
    bench.display.note(said(facts))
    bench.folder.log(said(facts))
    return facts


def _judged(
    bench: Bench, members: ImageSet, held_out: ImageSet, unit: np.ndarray, folder: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The folds of the first round, int64 (members,), the mean probabilities float32 (members, classes) of all rounds, and how
    often the classifiers of the first are right about a class, float64 (classes,). These are kept for the teachers."""
    how, seed, told = bench.config.screen, bench.config.seed, bench.report("screen")
    recipe, answers = bench.recipe(how.images, bench.augmentation(), stage="cleaning"), []
    folds = [draw_folds(members, unit, how.folds, seed, turn) for turn in range(how.rounds)]
    nets: tuple[nn.Module, ...] = ()
    for turn, fold in enumerate(folds):
        found = out_of_fold(members, fold, recipe, images=how.images, seed=seed, stage=f"screen-{turn}", report=told)
        answers.append(found.probabilities)
        nets = nets or found.nets
    for number, net in enumerate(nets):
        save_classifier(net, folder / f"fold-{number}.safetensors")
    asked = torch.from_numpy(np.array(held_out.images))  # a copy: those that an engine hands out are read-only, and torch warns
    choices = np.stack([predict_logits(net, asked, bench.device).argmax(1).numpy() for net in nets])
    right = share_right(choices, held_out.labels, bench.shape.classes)
    return folds[0], np.asarray(np.mean(answers, axis=0), np.float32), right


def learned(bench: Bench, splits: Splits) -> ImageSet:
    """The members that the generator learns from, and every teacher that misses no fold: those that cleaning or screen kept."""
    members = splits.members()
    kept = [_load(bench, stage, "kept") for stage in ("cleaning", "screen")]
    return next((members.take(np.flatnonzero(rows)) for rows in kept if rows is not None), members)


def kept_folds(bench: Bench) -> np.ndarray:
    """The fold int64 (n,) of every member that the screen kept."""
    kept, which = _load(bench, "screen", "kept"), _load(bench, "screen", "fold")
    assert kept is not None and which is not None, "support comes after a screen"
    return np.asarray(which[kept])


def teaching(bench: Bench, splits: Splits, name: str, fold: int) -> tuple[ImageSet, Lesson]:
    """What teacher number `fold` learns from, and how: where teachers are apart, without the records of that fold and from the
    weights of the classifier that judged them."""
    how, members = bench.config.screen, splits.members()
    kept, which, probabilities = (_load(bench, "screen", part) for part in ("kept", "fold", "probabilities"))
    if kept is None or which is None or probabilities is None:
        return learned(bench, splits), Lesson()
    rows = np.flatnonzero(kept & (which != fold) if how.apart else kept)
    path, start = bench.folder.private / "screen" / f"fold-{fold}.safetensors", None
    if how.apart:
        start = load_classifier(path, bench.networks.of(name), bench.shape)
    if bench.config.objective == "balanced":  # a lesson is told by the data's shares, which learning then takes off
        probabilities = under_prior(probabilities, class_shares(members.labels, bench.shape.classes))
    targets = second_opinion(probabilities, members.labels, how.relabel)[rows] if how.relabel else None
    return members.take(rows), Lesson(start, targets)


def said(facts: Facts) -> str:
    """One line for the display: what was left out, class by class."""
    classes = ", ".join(
        f"{name} {row['doubted']} + {row['isolated']} of {row['members']}"
        for name, row in facts["by_class"].items()
        if row["doubted"] + row["isolated"]
    )
    return (
        f"screen: {facts['left_out']} of {facts['kept'] + facts['left_out']} members left out, doubted labels + isolated "
        f"images: {classes or 'none'}. Listed in private/screen/{LEFT_OUT}; screen.keep takes those that must stay"
    )


def _load(bench: Bench, stage: str, name: str) -> np.ndarray | None:
    path = bench.folder.private / stage / f"{name}.npy"
    return np.load(path, allow_pickle=False) if path.exists() else None


def _facts(members: ImageSet, out: Screened, probabilities: np.ndarray, names: tuple[str, ...], units: int) -> Facts:
    isolated = out.isolated & ~out.doubted  # each once
    rows = {}
    for label in np.unique(members.labels):
        mine = members.labels == label
        counts = {"members": mine, "doubted": mine & out.doubted, "isolated": mine & isolated}
        rows[names[label]] = {name: int(chosen.sum()) for name, chosen in counts.items()}
    right = float((probabilities.argmax(1) == members.labels).mean())
    kept = int(out.kept.sum())
    return {"kept": kept, "left_out": len(members) - kept, "accuracy": right, "units": units, "by_class": rows}


def _write_left_out(path: Path, members: ImageSet, out: Screened, rows: np.ndarray, names: tuple[str, ...]) -> None:
    """`train_row` counts from 0 in the training split as it was read; `belief` is the probability that the out-of-fold
    classifier gave the label; `distance` the mean distance to the nearest records of the class in other folds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for record in np.flatnonzero(~out.kept):
        who = [names[members.labels[record]], "" if members.groups is None else int(members.groups[record])]
        why = "doubted label" if out.doubted[record] else "isolated image"
        writer.writerow([int(rows[record]), *who, why, f"{out.belief[record]:.4f}", f"{out.distance[record]:.2f}"])
    write_text(path, text.getvalue())
