"""The plan before the work: how many images each stage sees, and how long that takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
import torch

from upcycle._machine import learning_dtype
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.errors import ConfigError
from upcycle.generators import SAMPLE_BATCH, Generator, ImageShape, Interpolates, make_generator, training_bytes
from upcycle.nets import ClassifierFactory, parameter_count, predict_logits
from upcycle.recycle import (
    MIRRORED_IMAGES,
    Recipe,
    bank_size,
    can_remember,
    image_budget,
    images_to_remember,
    proxy_draws,
    train_classifier,
)
from upcycle.runs.stages._networks import Networks, own_parts

_CONTROL = 2  # times the baseline's images, which the positive control may see
_OTHER_SECONDS = 20.0  # reading, bounds of the run's own audit, pages, exports: measured on small sets
GATE_IMAGES = 512  # drawn of every snapshot
CALIBRATION_IMAGES = 1_000  # drawn for the student's temperature, at most
_SHEET_IMAGES = 6 * SAMPLE_BATCH  # drawn for the report: five spreads and one call for what lies between, in full batches


@dataclass(frozen=True)
class Budget:
    """Images seen or drawn by every stage."""

    teacher: int  # seen by a teacher
    baseline: int  # seen by the baseline
    generator: int  # seen by the generator
    student: int  # synthetic ones seen by the student
    bank: int  # held at a time
    redrawn: int  # drawn at a refresh
    epoch: int  # seen in an epoch
    teachers: int = 1  # how many learn
    cleaning: int = 0  # seen by the out-of-fold classifiers
    tuning: int = 0  # seen by all proxy students
    plain: int = 0  # seen by the plain student
    attempts: float = 1.0  # draws for every image that stays
    control: int = 0  # seen by the audit's positive control at most; 0: as many as it takes
    looks: int = 0  # answered by a classifier while it learns: validation images, at every look
    views: int = 0  # seen by the probe that asks which mirror images keep the label
    mirrored: int = 0  # answered by that probe, as they are and mirrored
    asked: int = 0  # answered when all is trained: test images by every classifier, those that the run's own audit compares
    looked_at: int = 0  # drawn for the gate, the student's temperature, the check for copies and the report

    @property
    def drawn(self) -> int:
        """Images the student stage draws in all."""
        return self.bank + self.redrawn * ((self.student - 1) // self.epoch)


@dataclass(frozen=True)
class Rates:
    """Images per second on this machine, from a short measurement."""

    classifier: float
    labelling: float
    generator: float
    sampling: float
    teaching: float = 0.0  # as `classifier`, of a teacher with another network; 0 where it has the same


def budget_for(config: Config, members: int, scale: float = 1.0, *, validation: int = 0, test: int = 0) -> Budget:
    """The budget of a configuration with that many `members` and images in the `validation` and `test` splits. The baseline
    sees at least as many images as the student, so that the gap is not bought by a weak baseline; `scale` shrinks or stretches
    training and bank alike."""
    teacher = max(config.teacher.batch, round(image_budget(config.teacher, members) * scale))
    student = max(config.teacher.batch, round(teacher * config.student.epochs))
    bank = max(256, round(bank_size(config.bank, members) * min(scale, 1.0)))
    generator = max(config.generator.step_images, generator_images(config, members, scale))
    epoch = min(max(members, config.bank.min_images // 4), student)
    return Budget(
        teacher,
        max(teacher, student),
        generator,
        student,
        bank,
        round(config.bank.refresh * bank),
        epoch,
        config.teachers,
        config.cleaning.folds * config.cleaning.images + config.screen.folds * config.screen.rounds * config.screen.images,
        proxy_images(config),
        student if config.plain else 0,
        1 + config.bank.between + config.bank.hard * (config.bank.candidates - 1),
        control_images(members, config.audit.non_member_share, _CONTROL * max(teacher, student)),
        round(validation / config.teacher.validate_every),
        probe_images(config, teacher),
        3 * min(members // 2, MIRRORED_IMAGES) if config.augment.flip == "auto" else 0,
        (3 + config.plain) * test
        + 8 * _kept_away(members, config.audit.non_member_share),  # four targets, members and non-members
        looked_at(config),
    )


def probe_images(config: Config, teacher: int) -> int:
    """Images that the probe for mirror images learns from, next to a `teacher` that sees that many; 0 where none is asked."""
    return min(20_000, max(teacher // 4, config.teacher.batch)) if config.augment.flip == "auto" else 0


def looked_at(config: Config) -> int:
    """Images that a run draws to look at, whatever its budgets."""
    leaving = config.release.synthetic_images
    return GATE_IMAGES * config.generator.snapshots + min(CALIBRATION_IMAGES, leaving) + leaving + _SHEET_IMAGES


def control_images(members: int, share: float, most: int) -> int:
    """Images that the audit's positive control sees: of all members or, where `most` are too few for that, of about as many as
    the `share` of the pool that is kept away, which the audit compares."""
    if can_remember(members, most) or not share:
        return min(images_to_remember(members), most)
    return min(images_to_remember(_kept_away(members, share)), most)


def _kept_away(members: int, share: float) -> int:
    """Non-members next to that many members, where they are a `share` of both."""
    return round(members * share / (1 - share))


def generator_images(config: Config, members: int, scale: float = 1.0) -> int:
    """Images that a generator of `members` records sees. `support.passes` limits them whatever the `scale`: the images after
    which a denoiser remembers its records grow with the records, those after which it draws well do not (Bonnaire et al. 2025,
    arXiv:2505.17638)."""
    images, most = round(config.generator.images * scale), config.support.passes * members
    return min(images, round(most)) if most else images


def proxy_images(config: Config) -> int:
    """Images seen by all proxy students of the tuning stage, roughly; 0 where there is none."""
    how = config.tuning
    if how.strategy == "none":
        return 0
    if how.strategy == "greedy":
        return how.images * how.grid * len(how.settings)
    counts = [max(1, round(how.candidates * how.keep**k)) for k in range(how.rounds)]
    return sum(round(count * how.images * how.keep ** (how.rounds - 1 - k)) for k, count in enumerate(counts))


def stage_seconds(budget: Budget, rates: Rates) -> dict[str, float]:
    """Expected seconds of every stage."""
    learning, teaching = 1 / rates.classifier, 1 / (rates.teaching or rates.classifier)
    distilling, looking = learning + budget.teachers / rates.labelling, budget.looks / rates.labelling
    return {
        "cleaning": budget.cleaning * teaching,
        "teacher": budget.teachers * (budget.teacher * teaching + looking),
        "baseline": budget.baseline * learning + looking,
        "control": budget.control * learning + looking * bool(budget.control),
        "generator": budget.generator / rates.generator,
        "student": budget.student * distilling + budget.drawn * budget.attempts / rates.sampling,
        "tuning": budget.tuning * (distilling + proxy_draws(budget.redrawn / budget.bank) / rates.sampling),
        "plain": budget.plain * learning + min(budget.epoch, budget.plain) / rates.sampling,
        "others": _OTHER_SECONDS + _asking(budget, rates) + budget.looked_at / rates.sampling,
    }


def _asking(budget: Budget, rates: Rates) -> float:
    return budget.views / rates.classifier + (budget.mirrored + budget.asked) / rates.labelling


def scale_for(config: Config, members: int, rates: Rates, **splits: int) -> float:
    """The factor on all budgets, for `splits` as `budget_for` names them, that makes the run last about `config.minutes`, 1
    where none are given, and no longer than `config.minutes_limit`."""
    wanted = 1.0 if config.minutes is None else _scale_to(config.minutes, config, members, rates, splits)
    if config.minutes_limit is None:
        return wanted
    return min(wanted, _scale_to(config.minutes_limit, config, members, rates, splits))


def _scale_to(minutes: float, config: Config, members: int, rates: Rates, splits: dict[str, int]) -> float:
    low, high = 1e-3, 100.0
    for _ in range(40):  # bisection: minimum sizes make the time only piecewise linear
        middle = (low * high) ** 0.5
        total = sum(stage_seconds(budget_for(config, members, middle, **splits), rates).values())
        low, high = (middle, high) if total < minutes * 60 else (low, middle)
    return low


def measure_rates(config: Config, shape: ImageShape, device: torch.device, networks: Networks) -> Rates:
    """Rates of the real loops on random images, a few batches each after a warm-up."""
    rng = np.random.default_rng(0)
    count = max(config.teacher.batch, config.generator.step_images)
    images = rng.integers(0, 256, (count, shape.size, shape.size, shape.channels), dtype=np.uint8)
    noise = ImageSet(images, rng.integers(0, shape.classes, count))
    look = config.teacher.model_copy(update={"validate_every": 1.0})
    dtype = learning_dtype(config.precision, device)
    own = networks.generator
    generator: Generator = make_generator(shape, config.generator, config.sampler, device=device, dtype=dtype)
    net = networks.teacher(shape.channels, shape.classes, shape.size)

    def classify(batches: int, network: ClassifierFactory = networks.student) -> int:
        recipe = Recipe(network, shape.classes, look, device=device, budget=batches * look.batch, dtype=dtype)
        return train_classifier(noise, noise.take(np.arange(2)), recipe, seed=0).images_seen

    def generate(batches: int) -> int:
        nonlocal generator
        generator = generator if own is None else own.new()  # by its contract, one is fitted once
        generator.fit(images, noise.labels, seed=0, budget=batches * config.generator.step_images)
        return generator.snapshots()[-1].images_seen

    def label(batches: int) -> int:
        many = torch.from_numpy(np.resize(images, (250 * batches, *images.shape[1:])))
        return len(predict_logits(net, many, device))

    def draw(batches: int) -> int:
        return len(generator.sample(np.zeros(256 * batches, np.int64), seed=0))

    teaching = 0.0 if networks.same else _rate(partial(classify, network=networks.teacher))
    return Rates(_rate(classify), _rate(label), _rate(generate), _rate(draw, 1.0), teaching)


def _rate(work: Callable[[int], int], enough: float = 5.0) -> float:
    """Images per second of `work`, which takes a number of batches and returns images; set-up is measured and taken off, unless
    one batch takes `enough` seconds of the processor, next to which it is nothing."""
    work(1)
    used, start = time.process_time(), time.perf_counter()
    few = work(1)
    middle = time.perf_counter()
    if time.process_time() - used >= enough:
        return few / (middle - start)
    many = work(5)
    end = time.perf_counter()
    return (many - few) / max((end - middle) - (middle - start), 1e-6)


@dataclass(frozen=True)
class Plan:
    """Budget, expected seconds and what they follow from; kept in the run so that a resumed one does the same work."""

    budget: Budget  # images of every stage
    seconds: dict[str, float]  # expected of every stage
    rates: Rates  # images per second that were measured
    classifier_parameters: int  # of the student's network
    generator_parameters: int  # of its network
    scale: float  # of the budgets
    teacher_parameters: int = 0  # 0: as many
    own: dict[str, str] = field(default_factory=dict)  # code of the user's, which a resumed run and a release need again

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def unmeasured(cls, budget: Budget) -> Plan:
        """A plan without an estimate of its time."""
        return cls(budget, {}, Rates(0.0, 0.0, 0.0, 0.0), 0, 0, 1.0)

    @classmethod
    def from_json(cls, facts: dict[str, object]) -> Plan:
        parts = dict(facts)
        return cls(Budget(**parts.pop("budget")), rates=Rates(**parts.pop("rates")), **parts)  # type: ignore[arg-type]

    def lines(self) -> list[str]:
        """What will be done and how long it takes, one line each."""
        b, s = self.budget, self.seconds
        return [
            f"classifiers  {self._sizes()}; {_teachers(b.teachers)} {b.teacher:,} images, baseline {b.baseline:,}",
            f"generator    {self.generator_parameters / 1e6:.2f} M parameters; sees {b.generator:,} images",
            f"student      sees {b.student:,} synthetic images; bank of {b.bank:,}, {b.redrawn:,} redrawn every {b.epoch:,}",
            "expected     " + ", ".join(f"{name} {seconds / 60:.1f}" for name, seconds in s.items() if seconds) + " min",
            f"             about {sum(s.values()) / 60:.0f} min in all on this machine",
        ]

    def _sizes(self) -> str:
        student, teacher = (
            f"{count / 1e6:.2f} M parameters" for count in (self.classifier_parameters, self.teacher_parameters)
        )
        return f"{student}, teacher {teacher}" if self.teacher_parameters else student


def _teachers(count: int) -> str:
    return "teacher sees" if count == 1 else f"each of {count} teachers sees"


def _check_between(config: Config, drawable: bool) -> None:
    """What lies between two classes must be drawn, and labelled, as such."""
    share, problems = config.bank.between, []
    if share and not drawable:
        problems.append(
            f"bank.between must be 0 for a generator that draws nothing between two images. Got {share}. Set it to 0, or take "
            "generator.family=edm."
        )
    if share and config.student.labels == "hard":
        problems.append(f"bank.between must be 0 with hard labels. Got {share}. Set it to 0, or take student.labels=soft.")
    if problems:
        raise ConfigError(*problems)


def make_plan(config: Config, shape: ImageShape, members: int, device: torch.device, networks: Networks, **splits: int) -> Plan:
    """Measure this machine and derive the plan for that many `members` and images in the other `splits`, as `budget_for` names
    them; `networks` builds the classifiers. Raises ConfigError for a bank that the generator cannot draw."""
    own = networks.generator
    drawing = own or make_generator(shape, config.generator, config.sampler)
    _check_between(config, isinstance(drawing if own is None else own.new(), Interpolates))
    rates = measure_rates(config, shape, device, networks)
    scale = scale_for(config, members, rates, **splits)
    budget = budget_for(config, members, scale, **splits)
    student, teacher = (
        parameter_count(build(shape.channels, shape.classes, shape.size)) for build in (networks.student, networks.teacher)
    )
    sizes = student, drawing.parameter_count()
    leaving = {"release": config.release.distilled / rates.generator} if config.release.distilled else {}
    seconds, mine = {**stage_seconds(budget, rates), **leaving}, own_parts(networks, shape)
    return Plan(budget, seconds, rates, *sizes, scale, 0 if networks.same else teacher, mine)


def memory_bytes(config: Config, shape: ImageShape, image_bytes: int) -> int:
    """Bytes of memory a run takes at its peak, roughly: libraries, the images twice, and the generator in training."""
    return int(800e6 + 2 * image_bytes + training_bytes(shape, config.generator))


def disk_bytes(budget: Budget, shape: ImageShape, records: int, parameters: int, snapshots: int) -> int:
    """Bytes a run writes: store, bank, snapshots and resume state, and some for reports."""
    image = shape.channels * shape.size**2
    return image * (records + budget.bank) + 4 * parameters * (2 * snapshots + 8) + 30_000_000
