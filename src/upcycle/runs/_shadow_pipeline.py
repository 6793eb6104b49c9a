"""The product's own road as a pipeline that can be audited: small networks, short budgets, every choice inside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._machine import tune_process
from upcycle.audit import Parts, Predict
from upcycle.config import ClassifierConfig, Config, EdmConfig, GeneratorConfig, MixConfig, StudentConfig
from upcycle.data import ImageSet
from upcycle.dp import DpSettings
from upcycle.generators import ImageShape
from upcycle.nets import for_inference, predict_logits
from upcycle.recycle import Bank, CommitteeLabels, Labeller, bank_size, image_budget, train_student
from upcycle.runs._display import SilentDisplay
from upcycle.runs._folder import RunFolder
from upcycle.runs._networks import networks_of
from upcycle.runs._plan import Budget, Plan
from upcycle.runs._road import training_road
from upcycle.runs._shadow_dp import private_classifiers
from upcycle.runs._shadow_generator import generator_scores, searched_scores
from upcycle.runs._stages import content_key
from upcycle.runs._steps import Bench, Facts

_TEMPERATURES = (1.0, 4.0)  # of the other students on soft labels
_RELEASED = 2_000
_LEAST = 2_000  # images that a proxy student or a cleaning classifier sees at least, if the run gives it so many
_LATER = (  # settings younger than runs that somebody may have kept
    *("bank.between", "bank.hard", "bank.candidates"),
    *("sampler.guidance", "sampler.first_share", "tuning.gan_spread", "teacher.milestones", "augment.contrast"),
    *("student.width", "student.blocks"),
)
_CPU = torch.device("cpu")


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
    parts = {"preset": "shadow", "device": "cpu", "teacher": teacher, "generator": generator, "bank": bank, "sampler": sampler}
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
    changes |= {"images": 35_000 if small else 45_000, "warmup_images": 3_000, "snapshots": snapshots}
    return config.model_copy(update={name: value for name, value in changes.items() if name in type(config).model_fields})


def choices_inside(config: Config) -> tuple[str, ...]:
    """What a recipe has beyond the default one and every shadow pipeline therefore does anew; empty for the default recipe."""
    student, sampler, bank = config.student, config.sampler, config.bank
    found = {
        f"tuning by {config.tuning.strategy}": config.tuning.strategy != "none",
        f"label cleaning in {config.cleaning.folds} folds": config.cleaning.folds > 0,
        f"{config.teachers} teachers": config.teachers > 1,
        "a filter": sampler.threshold is not None,
        "an earlier snapshot": sampler.snapshot > 0,
        "guidance": sampler.guidance != 1,
        "images between classes": bank.between > 0,
        "hard images": bank.hard > 0,
        "blended views": student.mix > 0,
        "label smoothing": student.label_smoothing > 0,
        "hard labels": student.labels == "hard",
    }
    return tuple(name for name, on in found.items() if on)


def _small_choices(config: Config, classifiers: float, generator: float) -> dict[str, object]:
    """Cleaning and tuning on budgets that shrink as those of the `classifiers`, a snapshot as far along the `generator`."""

    def fewer(images: int) -> int:
        return max(min(images, _LEAST), round(images * min(classifiers, 1.0)))

    snapshot = round(config.sampler.snapshot * generator)
    return {
        "cleaning": config.cleaning.model_copy(update={"images": fewer(config.cleaning.images)}),
        "tuning": config.tuning.model_copy(update={"images": fewer(config.tuning.images), "jobs": 1}),
        "sampler": config.sampler.model_copy(update={"steps": 5, "snapshot": snapshot}),
    }


def _telling(config: Config) -> dict[str, Any]:
    """Every setting that results follow from but for rounding (threads, precision); a later one only where it is not at its
    default, so that what was kept before it came stays readable."""
    found, default = (json.loads(c.model_dump_json(exclude={"seed", "threads", "precision"})) for c in (config, Config()))
    for section, name in (setting.split(".") for setting in _LATER):
        if found[section][name] == default[section][name]:
            del found[section][name]
    return dict(found)


@final
@dataclass(frozen=True, eq=False)
class ShadowPipeline:
    """The training road of a run from members to Parts, on one thread. Every choice is made on the members and `validation`,
    as in a run, anew in every call. `scale` shrinks all budgets, for measuring what a full call costs. `variants`: also
    students on hard labels and at other temperatures. `dp`: also classifiers by DP-SGD on the same members."""

    validation: ImageSet
    classes: int
    config: Config
    scale: float = 1.0
    variants: bool = True
    threads: int = 1
    dp: DpSettings | None = None

    @property
    def key(self) -> str:
        """Changes with every setting and with the validation split."""
        split = hashlib.blake2b(self.validation.images.tobytes() + self.validation.labels.tobytes(), digest_size=12)
        facts = (split.hexdigest(), self.classes, self.scale, self.variants)
        private = [] if self.dp is None else [asdict(self.dp)]
        others = [] if self.config.student.temperature == 1 else [_TEMPERATURES]  # such runs had one of 4 degrees only
        asked = [] if isinstance(self.config.generator, EdmConfig) else ["generator's weights"]  # once, of this family alone
        patients = self.validation.groups is not None
        # 1: none of them made, 2: gated by fewer members, 3: by parts of patients
        version = (4 if patients else 3) if choices_inside(self.config) else 1
        return content_key(f"shadow pipeline {version}", facts, _telling(self.config), *private, *others, *asked)

    @property
    def scope(self) -> str:
        """What is done anew in every pipeline beyond the default recipe, and what is not as in the run; "" for the default."""
        inside = choices_inside(self.config)
        if not inside:
            return ""
        said = f"every pipeline has, in small and chosen on its own members: {', '.join(inside)}"
        held = "its bank is not refreshed"
        together = "" if self.validation.groups is None else "; cleaning and gate do not know which records belong together"
        return f"{said}; {held}{together}"

    def scaled(self, share: float) -> ShadowPipeline:
        """The same with every budget times `share`."""
        return replace(self, scale=self.scale * share)

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        members = ImageSet(images, labels.astype(np.int64))
        with _threads(self.threads), tempfile.TemporaryDirectory(prefix="shadow-") as folder:
            bench = self._bench(members, seed, Path(folder))
            road = training_road(bench, _Given(members, self.validation))
            skipped = () if choices_inside(self.config) else ("gate",)  # the default keeps one snapshot: no veto could bind
            facts = {stage.name: stage.work() for stage in road if stage.name not in skipped}
            parts = _parts(bench.tuned(), facts, self.variants)
            return parts if self.dp is None else _with_private(parts, *private_classifiers(bench, members, self.dp))

    def _bench(self, members: ImageSet, seed: int, folder: Path) -> Bench:
        """A bench of its own for one call, with all budgets."""
        images, shape = members.images, ImageShape(members.images.shape[3], members.images.shape[1], self.classes)
        teacher = self._scaled(image_budget(self.config.teacher, len(images)))
        student = self._scaled(round(teacher / self.scale * self.config.student.epochs))
        bank = max(64, round(bank_size(self.config.bank, len(images)) * self.scale))
        generator = self._scaled(self.config.generator.images)
        plan = Plan.unmeasured(Budget(teacher, teacher, generator, student, bank, redrawn=0, epoch=student))
        networks, config = networks_of(self.config), self._config(seed)
        return Bench(RunFolder(folder), config, shape, _CPU, SilentDisplay(), networks, plan)

    def _config(self, seed: int) -> Config:
        cleaning, tuning, sampler = self.config.cleaning, self.config.tuning, self.config.sampler
        changes = {
            "seed": seed,
            "plain": False,  # a table's student, which is not released
            "cleaning": cleaning.model_copy(update={"images": self._scaled(cleaning.images)}),
            "tuning": tuning.model_copy(update={"images": self._scaled(tuning.images)}),
            "sampler": sampler.model_copy(update={"snapshot": round(sampler.snapshot * self.scale)}),
        }
        return self.config.model_copy(update=changes)

    def _scaled(self, images: int) -> int:
        return max(64, round(images * self.scale))


@final
@dataclass(frozen=True, eq=False)
class _Given:
    """What one pipeline may read."""

    inside: ImageSet
    outside: ImageSet

    def members(self) -> ImageSet:
        return self.inside

    def validation(self) -> ImageSet:
        return self.outside


def _parts(bench: Bench, facts: Mapping[str, Facts], variants: bool) -> Parts:
    """What the finished road leaves; `bench` with the tuned settings."""
    teachers, bank = bench.teachers(), bench.bank("student", bench.plan.budget.bank)
    released = bank.images[:_RELEASED].copy()
    answers = [_predict(teacher)(released) for teacher in teachers]
    others, sampler = _variants(bench, bank, teachers) if variants else {}, bench.sampler()
    return Parts(
        student=_predict(bench.classifier("student")),
        teacher=_predict(teachers[0]),
        baseline=_predict(bench.classifier("baseline")),
        variants={name: _predict(net) for name, net in others.items()},
        synthetic_images=released,
        soft_labels=np.mean([_softmax(found / bench.config.student.temperature) for found in answers], axis=0),
        generator_scores=generator_scores(sampler),
        searched_scores=searched_scores(sampler),
        facts={
            "validation accuracy of teacher": float(facts["teacher"]["validation_accuracy"] or 0.0),
            "teacher agrees with the class asked for": float((answers[0].argmax(1) == bank.labels[:_RELEASED]).mean()),
            **_counts(facts),
        },
    )


def _with_private(parts: Parts, nets: Mapping[str, nn.Module], epsilons: Mapping[str, float]) -> Parts:
    private = {name: _predict(net) for name, net in nets.items()}
    return replace(parts, variants={**parts.variants, **private}, facts={**parts.facts, **epsilons})


def _counts(facts: Mapping[str, Facts]) -> dict[str, float]:
    """How much the choices inside this pipeline changed."""
    found = {
        "members left out by cleaning": facts.get("cleaning", {}).get("left_out"),
        "snapshots vetoed by the gate": len(facts["gate"]["vetoed"]) if "gate" in facts else None,
        "proxy students of the tuning": len(facts["tuning"]["trials"]) if "tuning" in facts else None,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _variants(bench: Bench, bank: Bank, teachers: Sequence[nn.Module]) -> dict[str, nn.Module]:
    """Other students on the bank of the first: the dear stages are shared."""
    labellers: dict[str, tuple[Labeller, float]] = {"student, hard labels": (HardLabels(teachers), 1.0)}
    for t in _TEMPERATURES:
        if t != bench.config.student.temperature:
            labellers[f"student, temperature {t:g}"] = (CommitteeLabels(teachers, temperature=t), t)
    recipe, how = bench.recipe(bench.plan.budget.student, bench.augmentation()), bench.distillation()
    return {
        name: train_student(
            bank, labeller, recipe, replace(how, temperature=temperature), seed=bench.config.seed, stage=name
        ).net
        for name, (labeller, temperature) in labellers.items()
    }


@final
class HardLabels:
    """The teachers' first class, by their mean logits, as a one-hot row."""

    def __init__(self, teachers: Sequence[nn.Module]) -> None:
        self._teachers = [for_inference(teacher) for teacher in teachers]

    @torch.inference_mode()
    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:  # noqa: ARG002 - the strategy's signature
        logits = torch.stack([teacher(views) for teacher in self._teachers]).mean(0)
        return F.one_hot(logits.argmax(1), logits.shape[1]).to(views.dtype)


def _predict(net: nn.Module) -> Predict:
    """uint8 images (n, height, width, channels) -> logits float32 (n, classes)."""
    return lambda images: predict_logits(net, torch.from_numpy(np.array(images)), _CPU).numpy()  # a copy: workers share theirs


def _softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(1).numpy()


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
