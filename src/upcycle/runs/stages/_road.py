"""The steps from members to student and baseline, in order: those of a run, and smaller ones in every shadow pipeline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from upcycle.recycle import Support
from upcycle.runs.folder import read_record
from upcycle.runs.stages._bench import SUPPORT, Bench, Facts, Splits, teacher_names
from upcycle.runs.stages._gap import gap_facts
from upcycle.runs.stages._gate import gate_stage
from upcycle.runs.stages._screening import WARM_SHARE, kept_folds, learned, screen_stage, teaching
from upcycle.runs.stages._training import classifier_stage, cleaning_stage, generator_stage, student_stage, views_stage
from upcycle.runs.stages._tuning import tuning_stage

JUDGING: Final = (
    "control",
    "audit",
    "evidence",
    "evaluation",
    "copies",
    "release",
    "report",
)  # what follows the training


@dataclass(frozen=True)
class Stage:
    """A step of the road: `total` images its progress counts to, and what it does."""

    name: str
    total: int
    work: Callable[[], Facts]
    also: tuple[Path, ...] = ()  # what it leaves outside its own folder


def training_road(bench: Bench, splits: Splits) -> list[Stage]:
    """Every choice and every model of a recipe; what its settings switch off is not there."""
    budget = bench.plan.budget
    tuning = [] if bench.config.tuning.strategy == "none" else [Stage("tuning", 0, lambda: tuning_stage(bench, splits))]
    images = bench.config.cleaning.folds * bench.config.cleaning.images
    cleaning = [Stage("cleaning", images, lambda: cleaning_stage(bench, splits))] if images else []
    asked = bench.config.screen.folds * bench.config.screen.rounds * bench.config.screen.images
    screened = [Stage("screen", asked, lambda: screen_stage(bench, splits))] if asked else []
    road = [
        Stage("views", 0, lambda: views_stage(bench, splits)),
        *cleaning,
        *screened,
        *[Stage(*teaching) for teaching in _teachers(bench, splits)],
        Stage("generator", budget.generator, partial(_generate, bench, splits)),
        Stage("gate", 0, lambda: gate_stage(bench, splits)),
        *tuning,
        Stage("student", budget.student, lambda: student_stage(bench, splits)),
        Stage("baseline", budget.baseline, partial(_baseline, bench, splits)),
    ]
    if bench.config.plain:
        road.append(Stage("plain", budget.student, lambda: student_stage(bench, splits, "plain")))
    return road


def _teachers(bench: Bench, splits: Splits) -> Iterator[tuple[str, int, Callable[[], Facts]]]:
    """Name, images and work of every teacher's stage; one that goes on from other weights sees fewer images."""
    warm = bench.config.screen.folds > 0 and bench.config.screen.apart
    images = round(WARM_SHARE * bench.plan.budget.teacher) if warm else bench.plan.budget.teacher
    for number, name in enumerate(teacher_names(bench.config.teachers)):
        yield name, images, partial(_teach, bench, splits, name, number, images)


def _teach(bench: Bench, splits: Splits, name: str, number: int, images: int) -> Facts:
    members, lesson = teaching(bench, splits, name, number)
    return classifier_stage(bench, splits, members, name, images, lesson)


def _generate(bench: Bench, splits: Splits) -> Facts:
    members, apart = learned(bench, splits), None
    if bench.config.support.share:
        apart = kept_folds(bench)
        measured = Support.measured(members, apart, splits.validation(), bench.config.support.share, bench.shape.classes)
        measured.save(bench.folder.stage("generator") / SUPPORT)
    return {**generator_stage(bench, members, apart), **gap_facts(bench, members, splits.validation(), apart)}


def reopen_generator(bench: Bench, splits: Splits) -> None:
    """Open a generator of the user's own where its stage has finished: a finished fit that is called again changes nothing."""
    own, folder = bench.networks.generator, bench.folder.private / "generator"
    if own is None or own.fitted is not None or read_record(folder) is None:
        return
    if own.loads:
        own.load(folder)
        return
    members, budget = learned(bench, splits), bench.plan.budget.generator
    own.fit(members.images, members.labels, seed=bench.config.seed, budget=budget, resume=folder)


def _baseline(bench: Bench, splits: Splits) -> Facts:
    return classifier_stage(bench, splits, splits.members(), "baseline", bench.plan.budget.baseline)
