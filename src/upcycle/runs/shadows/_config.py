"""The configuration of a shadow pipeline: the recipe of the run with small networks and budgets."""

from __future__ import annotations

import json
from typing import Any

from upcycle._protection import ScreenConfig, SupportConfig
from upcycle._settings import telling
from upcycle.config import ClassifierConfig, Config, EdmConfig, GeneratorConfig, MixConfig, StudentConfig

_LEAST = 2_000  # lower limit of the images that a proxy student or a cleaning classifier sees, unless the run gives it fewer

_LATER = (  # settings younger than runs that somebody may have kept
    *("bank.between", "bank.hard", "bank.candidates"),
    *("sampler.guidance", "sampler.first_share", "tuning.gan_spread", "teacher.milestones", "augment.contrast"),
    *("student.width", "student.blocks", "data.channels", "data.unpacked_mb", "data.unpacked_ratio"),
    *(f"screen.{name}" for name in ScreenConfig.model_fields),
    *(f"support.{name}" for name in SupportConfig.model_fields),
)


def shadow_config(config: Config, size: int) -> Config:
    """The settings of a run, scaled down to a minute of one core: the same recipe with small networks and short budgets."""
    small = size <= 16
    teacher = config.teacher.model_copy(
        update={"width": 16 if small else 8, "blocks": 1, "batch": 64, "epochs": 12, "min_images": 15_000 if small else 12_000}
        | {"max_images": 30_000, "validate_every": 0.125, "patience": 0}
    )
    inside = choices_inside(config)
    generator = _small_generator(config.generator, size, config.generator.snapshots if inside else 1)
    bank = config.bank.model_copy(update={"multiple": 4.0, "min_images": 2_500, "max_images": 6_000, "refresh": 0.0})
    sampler = config.sampler.model_copy(update={"steps": 5})
    parts = {"device": "cpu", "teacher": teacher, "generator": generator, "bank": bank, "sampler": sampler}
    distilled = min(config.release.distilled, generator.images)
    parts["release"] = config.release.model_copy(update={"distilled": distilled})
    parts["student"] = _small_student(config, teacher)
    shares = (teacher.min_images / config.teacher.min_images, generator.images / config.generator.images)
    parts |= _small_choices(config, *shares) if inside else {}
    return Config.model_validate(config.model_copy(update=parts).model_dump())


def _small_student(config: Config, teacher: ClassifierConfig) -> StudentConfig:
    """As much narrower than its small `teacher` as in the run; one block a stage, as that has."""
    student = config.student
    width = None if student.width is None else max(4, round(teacher.width * student.width / config.teacher.width))
    return student.model_copy(update={"width": width, "blocks": None})


def _small_generator(config: GeneratorConfig, size: int, snapshots: int) -> GeneratorConfig:
    """A few channels and a minute of training, in whatever of that the family has; every member of a mix alike."""
    if isinstance(config, MixConfig):
        members = [m.model_copy(update={"generator": _small_generator(m.generator, size, snapshots)}) for m in config.members]
        return config.model_copy(update={"members": tuple(members)})
    small = size <= 16
    changes = {"channels": (24, 48) if small else (16, 32), "blocks": 1, "patch": max(1, round(size / 14)), "batch": 64}
    images = min(35_000 if small else 45_000, config.images)  # a run that sees fewer is not told of by one that sees more
    changes |= {"images": images, "warmup_images": 3_000, "snapshots": snapshots}
    return config.model_copy(update={name: value for name, value in changes.items() if name in type(config).model_fields})


def choices_inside(config: Config) -> tuple[str, ...]:
    """What a recipe has beyond the default one, so that every shadow pipeline repeats it; empty for the default recipe."""
    student, sampler, bank = config.student, config.sampler, config.bank
    found = {
        f"tuning by {config.tuning.strategy}": config.tuning.strategy != "none",
        f"label cleaning in {config.cleaning.folds} folds": config.cleaning.folds > 0,
        f"a screen by {config.screen.folds} folds": config.screen.folds > 0,
        f"{config.teachers} teachers": config.teachers > 1,
        "teachers that each miss a fold": config.screen.apart,
        "labels by teachers that did not see what an image is like": config.screen.crossed,
        "images with support in a fold that their generator did not see": config.support.share > 0,
        f"a generator that sees each member at most {config.support.passes:g} times": config.support.passes > 0,
        f"the objective {config.objective}": config.objective != "accuracy",
        "a border that is chosen": config.border == "chosen",
        "a filter": sampler.threshold is not None,
        "an earlier snapshot": sampler.snapshot > 0,
        "guidance": sampler.guidance != 1,
        "images between classes": bank.between > 0,
        "hard images": bank.hard > 0,
        "blended views": student.mix > 0,
        "label smoothing": student.label_smoothing > 0,
        **_of_generator(config.generator),
        f"labels rounded to multiples of 1/{student.levels}": student.levels > 0,
        "hard labels": student.labels == "hard",
    }
    return tuple(name for name, on in found.items() if on)


def _of_generator(config: GeneratorConfig) -> dict[str, bool]:
    """What a generator does so as to remember less; a mix where one of its members does."""
    if isinstance(config, MixConfig):
        found = [_of_generator(member.generator) for member in config.members]
        return {name: True for own in found for name, on in own.items() if on}
    if not isinstance(config, EdmConfig):
        return {}
    return {
        f"a denoiser that sees no record below noise {config.noise_floor:g}": config.noise_floor > 0,
        f"no snapshot that knows members by more than {config.gap_stop:g} better than held-out records": config.gap_stop > 0,
        f"records skipped at {config.skip_low_loss:g} of the usual loss": config.skip_low_loss > 0,
    }


def _small_choices(config: Config, classifiers: float, generator: float) -> dict[str, object]:
    """Cleaning and tuning on budgets that shrink as those of the `classifiers`, a snapshot as far along the `generator`."""

    def fewer(images: int) -> int:
        return max(min(images, _LEAST), round(images * min(classifiers, 1.0)))

    snapshot = round(config.sampler.snapshot * generator)
    return {
        "cleaning": config.cleaning.model_copy(update={"images": fewer(config.cleaning.images)}),
        "screen": config.screen.model_copy(update={"images": fewer(config.screen.images)}),
        "tuning": config.tuning.model_copy(update={"images": fewer(config.tuning.images), "jobs": 1}),
        "sampler": config.sampler.model_copy(update={"steps": 5, "snapshot": snapshot}),
    }


def _telling(config: Config) -> dict[str, Any]:
    """Every setting that results follow from but for rounding (threads, precision); a later one only where it is not at its
    default, so that what was kept before it came stays readable."""
    without = {
        "seed",
        "threads",
        "precision",
        "evidence",
        "evidence_networks",
        "gate",
        "privacy",
        "robustness",
    }  # what a level of privacy changes is told setting by setting
    found: dict[str, Any] = telling(json.loads(config.model_dump_json(exclude=without)))
    found["preset"] = "shadow"  # which one the settings started from changes nothing
    for section, name in (setting.split(".") for setting in _LATER):
        if getattr(getattr(config, section), name) == type(getattr(config, section)).model_fields[name].default:
            del found[section][name]
    return {section: values for section, values in found.items() if values != {}}
