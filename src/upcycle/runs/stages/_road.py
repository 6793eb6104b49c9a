"""The steps from members to student and baseline, in order: those of a run, and in small those of every shadow pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from upcycle.runs.stages._bench import Bench, Facts, Splits, teacher_names
from upcycle.runs.stages._cleaning import cleaning_stage, learned
from upcycle.runs.stages._gate import gate_stage
from upcycle.runs.stages._training import classifier_stage, generator_stage, student_stage, views_stage
from upcycle.runs.stages._tuning import tuning_stage


@dataclass(frozen=True)
class Stage:
    """A step of the road: `total` images its progress counts to, and what it does."""

    name: str
    total: int
    work: Callable[[], Facts]


def training_road(bench: Bench, splits: Splits) -> list[Stage]:
    """Every choice and every model of a recipe; what its settings switch off is not there."""
    budget = bench.plan.budget
    tuning = [] if bench.config.tuning.strategy == "none" else [Stage("tuning", 0, lambda: tuning_stage(bench, splits))]
    images = bench.config.cleaning.folds * bench.config.cleaning.images
    cleaning = [Stage("cleaning", images, lambda: cleaning_stage(bench, splits))] if images else []
    road = [
        Stage("views", 0, lambda: views_stage(bench, splits)),
        *cleaning,
        *[Stage(name, budget.teacher, partial(_teach, bench, splits, name)) for name in teacher_names(bench.config.teachers)],
        Stage("generator", budget.generator, lambda: generator_stage(bench, learned(bench, splits))),
        Stage("gate", 0, lambda: gate_stage(bench, splits)),
        *tuning,
        Stage("student", budget.student, lambda: student_stage(bench)),
        Stage("baseline", budget.baseline, partial(_baseline, bench, splits)),
    ]
    if bench.config.plain:
        road.append(Stage("plain", budget.student, lambda: student_stage(bench, "plain")))
    return road


def _teach(bench: Bench, splits: Splits, name: str) -> Facts:
    return classifier_stage(bench, splits, learned(bench, splits), name, bench.plan.budget.teacher)


def _baseline(bench: Bench, splits: Splits) -> Facts:
    return classifier_stage(bench, splits, splits.members(), "baseline", bench.plan.budget.baseline)
