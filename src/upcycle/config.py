"""Every setting, typed and frozen. A preset is a named instance; unknown keys are refused with the nearest known one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from upcycle._edm_settings import EdmConfig as EdmConfig
from upcycle._gan_settings import BigGanConfig as BigGanConfig
from upcycle._gan_settings import GanConfig as GanConfig
from upcycle._leaving_settings import AuditConfig as AuditConfig
from upcycle._leaving_settings import GateConfig as GateConfig
from upcycle._leaving_settings import ReleaseConfig as ReleaseConfig
from upcycle._protection import CleaningConfig, ScreenConfig, SupportConfig
from upcycle._section import WIDEST, RisingShares, Section

Objective = Literal["accuracy", "balanced", "auroc"]
"""What a model may be chosen by."""


class DataConfig(Section):
    """How missing splits are made (a given split is never touched), and how scans become square 8-bit images."""

    validation_share: float = Field(0.1, gt=0, lt=0.5, description="share cut off for validation if no such split is given")
    test_share: float = Field(0.2, gt=0, lt=0.5, description="share cut off for the test if no such split is given")
    min_images_per_class: int = Field(8, ge=2, description="smallest number of images of a class, all splits together")
    side: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="pad images with black to squares and resize them to this many pixels; none keeps them as they are",
    )
    channels: Literal["auto", "grey", "rgb"] = Field(
        "auto", description="auto keeps grey and RGB; a mixture becomes RGB, or grey if no image shows a colour"
    )
    window: tuple[float, Annotated[float, Field(gt=0)]] | None = Field(
        None, description="centre and width of the grey values shown in DICOM and NIfTI; none uses the file's own, or its range"
    )
    plane: Literal["axial", "coronal", "sagittal"] = Field("axial", description="plane in which NIfTI volumes are cut")
    slices: int = Field(1, ge=0, description="evenly spaced slices of a volume, or frames of a DICOM file; 0 uses all")
    slice_share: float = Field(0.5, gt=0, le=1, description="central share of a volume from which slices are taken")
    unpacked_mb: float = Field(
        200, gt=0, description="MB to which compressed files may always unpack, as they are held while they are read"
    )
    unpacked_ratio: float = Field(
        40, ge=1, description="large files may unpack to this multiple of their size, less data.unpacked_mb"
    )


class AugmentConfig(Section):
    """Label-preserving augmentation of classifiers and generator."""

    flip: Literal["auto", "none", "horizontal", "vertical", "both"] = Field(
        "auto",
        description="mirror images that are used; auto allows a flip only if a probe classifier shows that it keeps the labels",
    )
    shift: float = Field(0.08, ge=0, le=0.25, description="largest shift of an image, as a share of its side")
    contrast: float = Field(
        0.0,
        ge=0,
        le=4,
        description="classifiers, not the generator, see contrast multiplied by 1 / (1 + contrast) to 1 + contrast",
    )


class ClassifierConfig(Section):
    """The residual network of teacher, baseline and student, and its training; the student may have another size."""

    width: int = Field(
        32, ge=4, le=4_096, description="channels of the first stage; the second and third stage have 2x and 4x as many"
    )
    blocks: int = Field(2, ge=1, le=64, description="residual blocks in each of the three stages (3 gives ResNet-20)")
    epochs: float = Field(16, gt=0, description="passes over the members, limited by min_images and max_images")
    min_images: int = Field(60_000, ge=1, description="lower limit of the images seen in training")
    max_images: int = Field(300_000, ge=1, description="upper limit of the images seen in training")
    batch: int = Field(128, ge=2, le=65_536, description="images in one training step")
    lr: float = Field(0.1, gt=0, description="highest learning rate of Nesterov SGD; after the warm-up it falls along a cosine")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of SGD")
    weight_decay: float = Field(5e-4, ge=0, description="weight decay of SGD; biases and normalisation have none")
    warmup: float = Field(0.15, ge=0, lt=1, description="share of the training in which the learning rate rises linearly")
    milestones: RisingShares = Field(
        (), description="shares of the run after each of which the rate falls to a tenth; none uses a cosine instead"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of every label that is spread evenly over all classes")
    validate_every: float = Field(0.05, gt=0, le=1, description="share of the run between two looks at the validation split")
    patience: int = Field(0, ge=0, description="looks at the validation split without a gain that end the training; 0 = never")


class MixMember(Section):
    """One generator, or several that differ by seed, and the part of every bank that they draw."""

    generator: Annotated[EdmConfig | GanConfig | BigGanConfig, Field(discriminator="family")] = EdmConfig()
    share: float = Field(1.0, gt=0, description="share of the images that this member draws, relative to the other members")
    seeds: int = Field(1, ge=1, description="generators of this kind, which differ by seed and divide the share equally")
    spread: float = Field(1.0, gt=0, description="spread of this member, relative to sampler.spread")


class MixConfig(Section):
    """Several generators that share a bank (as the predecessor's MultiGAN: three seeds, equal shares)."""

    family: Literal["mix"] = Field("mix", description="edm, gan, biggan or mix; each family starts from its own defaults")
    members: tuple[MixMember, ...] = Field(
        (MixMember(generator=EdmConfig()), MixMember(generator=GanConfig())),
        description="list of {generator: {family: ...}, share: 1.0, seeds: 1, spread: 1.0}",
    )

    @field_validator("members")
    @classmethod
    def _not_empty(cls, members: tuple[MixMember, ...]) -> tuple[MixMember, ...]:
        """Checked after the members themselves: the built-in length check would also count a bad member as missing."""
        if not members:
            raise PydanticCustomError("too_short", "at least {min_length} member", {"min_length": 1})
        return members

    @property
    def images(self) -> int:
        """Images seen by all members together."""
        return sum(m.generator.images * m.seeds for m in self.members)

    @property
    def step_images(self) -> int:
        """Images seen in one training step of every member."""
        return sum(m.generator.step_images * m.seeds for m in self.members)

    @property
    def snapshots(self) -> int:
        """Snapshots kept along the run."""
        return min(m.generator.snapshots for m in self.members)


GeneratorConfig = Annotated[EdmConfig | GanConfig | BigGanConfig | MixConfig, Field(discriminator="family")]
FAMILIES: Mapping[str, type[EdmConfig | GanConfig | BigGanConfig | MixConfig]] = MappingProxyType(
    {"edm": EdmConfig, "gan": GanConfig, "biggan": BigGanConfig, "mix": MixConfig}
)


class SamplerConfig(Section):
    """How images are drawn from the generator."""

    steps: int = Field(7, ge=1, le=1_000, description="network evaluations per image")
    order: int = Field(4, ge=1, le=4, description="order of the Adams-Bashforth solver (4 is iPNDM-4)")
    sigma_min: float = Field(
        0.01, ge=1e-6, description="last noise level before the clean image; a few steps leave more grain at 0.01 than at 0.05"
    )
    sigma_max: float = Field(40.0, gt=0, le=1e4, description="first noise level, from which drawing starts")
    rho: float = Field(
        7.0, ge=1, le=1_000, description="exponent of the noise schedule; larger values place more steps near sigma_min"
    )
    spread: float = Field(1.0, gt=0, description="standard deviation of the initial noise, relative to sigma_max")
    ema_std: float = Field(
        0.05, gt=0, lt=0.5, description="width of the generator's average; one not in generator.ema_stds is rebuilt"
    )
    snapshot: int = Field(0, ge=0, description="draw from the snapshot nearest to this many images seen; 0 = the last")
    threshold: float | None = Field(
        None, ge=0, lt=1, description="keep an image if the teacher gives the class asked for more than this; none keeps all"
    )
    guidance: float = Field(
        1.0,
        ge=0,
        description="weight of the class in each denoising step (edm); 1 is as learned, any other value doubles the cost",
    )
    first_share: float | None = Field(
        None, gt=0, lt=1, description="share of the images that a mix's first member draws; none is as in generator.members"
    )
    redraws: int = Field(10, ge=0, description="attempts to replace an image that the threshold refuses")

    @field_validator("sigma_max")
    @classmethod
    def _above_the_least(cls, value: float, info: ValidationInfo) -> float:
        if not value > info.data.get("sigma_min", 0):
            raise PydanticCustomError("order", "above sampler.sigma_min")
        return value


class BankConfig(Section):
    """The rolling bank of synthetic images."""

    multiple: float = Field(4.0, gt=0, description="size of the bank as a multiple of the number of members, within its limits")
    max_images: int = Field(100_000, ge=1, description="upper limit of the images in the bank")
    min_images: int = Field(10_000, ge=1, description="lower limit of the images in the bank")
    refresh: float = Field(0.1, ge=0, le=1, description="share of the bank redrawn at each refresh; 1 redraws all of it")
    period: int = Field(1, ge=1, description="student epochs between two refreshes")
    prior: float = Field(0.5, ge=0, le=1, description="classes are asked for ~ frequency^prior (1 as in the data, 0 equally)")
    between: float = Field(0.0, ge=0, le=1, description="share of the bank drawn between two classes (edm and soft labels)")
    hard: float = Field(0.0, ge=0, le=1, description="share of the bank that is the hardest of several draws for the teacher")
    candidates: int = Field(4, ge=2, description="draws from which the hardest one is chosen")


class StudentConfig(Section):
    """Generative knowledge distillation."""

    labels: Literal["soft", "hard"] = Field(
        "soft", description="the teacher's soft labels, or the class asked for as a hard label (plain CAS)"
    )
    temperature: float = Field(
        1.0,
        gt=0,
        description="temperature of soft labels, the released ones too; 2 to 8 teach more at equal budgets, and reveal more",
    )
    levels: int = Field(
        0,
        ge=0,
        le=1_000,
        description="round soft labels, the released ones too, to multiples of 1 / levels: 1 = the likeliest class alone, 0 = "
        "not rounded. Fewer levels reveal less",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of every soft label spread evenly over all classes")
    mix: float = Field(0.0, ge=0, le=1, description="share of the views blended with another; the teacher labels the blend")
    epochs: float = Field(1.0, gt=0, description="images seen as a multiple of the baseline's; above 1 it sees as many")
    ema: float = Field(0.0, ge=0, lt=WIDEST, description="relative width of the average of weights; 0 uses the last weights")
    width: int | None = Field(
        None, ge=4, le=4_096, description="channels of the first stage of student and baseline; none is as teacher"
    )
    blocks: int | None = Field(None, ge=1, le=64, description="blocks per stage of student and baseline; none is as teacher")

    @field_validator("levels")
    @classmethod
    def _of_soft_labels(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("labels") == "hard":
            raise PydanticCustomError("labels", "0 where student.labels is hard, since only soft labels are rounded")
        return value


Tunable = Literal[
    "sampler.snapshot",
    "sampler.ema_std",
    "sampler.spread",
    "sampler.threshold",
    "sampler.guidance",
    "sampler.first_share",
    "bank.prior",
    "bank.period",
    "student.temperature",
]
"""Settings that the tuning stage may choose."""


class TuningConfig(Section):
    """The search for a better sampler: candidates are judged by the validation accuracy of short proxy students."""

    strategy: Literal["none", "halving", "greedy"] = Field(
        "none", description="successive halving over random candidates, or GaFi's grid of one setting after another"
    )
    settings: tuple[Tunable, ...] = Field(
        ("sampler.snapshot", "sampler.ema_std", "sampler.spread", "sampler.threshold"),
        description="settings that the search may change",
    )
    candidates: int = Field(9, ge=1, description="candidates in the first round of halving; the first is the untuned sampler")
    images: int = Field(12_000, ge=1, description="synthetic images a proxy student of the last round sees (greedy: every one)")
    keep: float = Field(1 / 3, gt=0, lt=1, description="share of the candidates that each round of halving keeps")
    rounds: int = Field(2, ge=1, description="rounds of halving; each has 1/keep times the images of the one before")
    spread: tuple[float, float] = Field((0.95, 1.25), description="smallest and largest sampler.spread tried for edm and mix")
    gan_spread: tuple[float, float] = Field((1.0, 2.0), description="smallest and largest sampler.spread tried for GANs")
    grid: int = Field(7, ge=2, description="number of values of sampler.spread that are tried")
    jobs: int = Field(
        1, ge=0, description="proxy students trained at the same time, each in its own process; 0: as many as there are cores"
    )
    # where they learn changes nothing of what is found, so that no stage is keyed by it
    engine: str = Field("local", exclude=True, description="who trains them: local, ray://HOST:PORT or dask://HOST:PORT")


class Config(Section):
    """A whole run: the settings of `preset`, changed by those that are given.

    Sections are given as models, which are taken whole, or as mappings, which change single settings of the preset's:
    `Config(preset="quick", generator={"images": 200_000})`. Raises ConfigError with every problem at once.
    """

    preset: str = Field("quick", description="smoke, quick, standard, best or paper: where the other values come from")
    privacy: Literal["usual", "strong"] = Field(
        "usual",
        description="strong starts from settings that leave less of single records in what is released; each may be set "
        "otherwise",
    )
    objective: Objective = Field(
        "accuracy",
        description="what looks at the validation split and tuning choose by: images that are right, the mean over classes of "
        "those that are (teachers and baseline then answer as if all classes were equally frequent), or the order of answers",
    )
    border: Literal["even", "chosen"] = Field(
        "even",
        description="where the answer changes, of two classes: at equal probabilities, or where the objective is best on the "
        "validation split by more than a standard error, for student and baseline alike; it becomes part of the weights",
    )
    seed: int = Field(0, ge=0, description="seed of everything random: splits, coin flips, training and drawing")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps ...; auto takes an accelerator if there is one")
    threads: int = Field(
        0, ge=0, description="CPU threads of a process; 0 uses the physical cores, divided by the processes of torchrun"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "float32",
        description="format of convolutions while networks learn and edm draws; auto is bfloat16 where the machine has "
        "instructions for it. Labels, predictions and GANs are always float32",
    )
    minutes: float | None = Field(None, ge=0.001, description="scale the work so that the run takes about this many minutes")
    minutes_limit: float | None = Field(
        None, ge=0.001, description="do less work if the run would take longer than these minutes"
    )
    watts: float = Field(
        100.0, gt=0, description="power of the machine at work, for the report's estimate where it does not count its energy"
    )
    evidence: Literal["auto", "none", "quick", "standard", "full"] = Field(
        "auto",
        description="shadow pipelines of the run's own recipe with canaries, before the release: 1, 32 or 64; auto = as many "
        "as take at most as long as the training took; four that train a little less rather than a single one",
    )
    evidence_networks: Literal["small", "own"] = Field(
        "small",
        description="networks and budgets of the shadow pipelines: small ones, about a minute of one core each, or the "
        "run's own, with which each does the work of the training again",
    )
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    teacher: ClassifierConfig = ClassifierConfig()
    cleaning: CleaningConfig = CleaningConfig()
    screen: ScreenConfig = ScreenConfig()
    support: SupportConfig = SupportConfig()
    generator: GeneratorConfig = EdmConfig()
    sampler: SamplerConfig = SamplerConfig()
    bank: BankConfig = BankConfig()
    student: StudentConfig = StudentConfig()
    tuning: TuningConfig = TuningConfig()
    audit: AuditConfig = AuditConfig()
    release: ReleaseConfig = ReleaseConfig()
    gate: GateConfig = GateConfig()
    teachers: int = Field(
        1, ge=1, le=20, description="teachers of different seeds, whose mean probabilities are the soft labels"
    )
    robustness: bool = Field(
        False,
        description="also measure student and baseline on test images with noise, blur, less contrast, glare, or saved as JPEG",
    )
    plain: bool = Field(False, description="also train the plain-CAS student (one fixed synthetic set, hard labels)")

    @model_validator(mode="before")
    @classmethod
    def _on_its_preset(cls, values: Any) -> Any:
        from upcycle._presets import on_preset

        return on_preset(values) if isinstance(values, Mapping) else values

    @classmethod
    def from_preset(cls, preset: str, **settings: Any) -> Config:
        """`Config(preset=preset, ...)`, for settings by their dotted names too.

        >>> Config.from_preset("quick", seed=1, generator={"images": 200_000}, **{"teacher.epochs": 20})
        """
        from upcycle._presets import nested

        return cls(preset=preset, **nested(settings))

    @classmethod
    def known_names(cls) -> list[str]:
        """Dotted names of all settings."""
        from upcycle._settings import setting_names

        return setting_names()
