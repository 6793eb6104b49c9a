"""Every setting, typed and frozen. A preset is a named instance; unknown keys are refused with the nearest known one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from upcycle._gan_settings import BigGanConfig as BigGanConfig
from upcycle._gan_settings import GanConfig as GanConfig
from upcycle._protection import CleaningConfig, ScreenConfig, SupportConfig
from upcycle._section import WIDEST, RisingShares, Section


class DataConfig(Section):
    """How missing splits are made (a given split is never touched), and how scans become square 8-bit images."""

    validation_share: float = Field(
        0.1, gt=0, lt=0.5, description="share of the images cut off for validation where none is given"
    )
    test_share: float = Field(0.2, gt=0, lt=0.5, description="share cut off for the test where none is given")
    min_images_per_class: int = Field(8, ge=2, description="smallest class accepted, all splits together")
    side: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="pad images with black to squares and resize them to so many pixels; none = as they are",
    )
    channels: Literal["auto", "grey", "rgb"] = Field(
        "auto", description="auto = as they are, and where grey and RGB are mixed RGB, or grey if none shows a colour"
    )
    window: tuple[float, float] | None = Field(
        None, description="DICOM and NIfTI: centre and width of the grey values shown; none = the file's own, or its range"
    )
    plane: Literal["axial", "coronal", "sagittal"] = Field("axial", description="NIfTI: how volumes are cut into slices")
    slices: int = Field(1, ge=0, description="slices of a volume or frames of a DICOM file, evenly spaced; 0 = all")
    slice_share: float = Field(0.5, gt=0, le=1, description="central share of a volume that slices are taken from")


class AugmentConfig(Section):
    """Label-preserving augmentation of classifiers and generator."""

    flip: Literal["auto", "none", "horizontal", "vertical", "both"] = Field(
        "auto", description="auto allows a flip only where a probe classifier shows that it keeps the labels"
    )
    shift: float = Field(0.08, ge=0, le=0.25, description="largest shift as a share of the side")
    contrast: float = Field(
        0.0, ge=0, le=4, description="classifiers, not the generator, see contrast times 1 / (1 + contrast) to 1 + contrast"
    )


class ClassifierConfig(Section):
    """The residual network of teacher, baseline and student, and its training; the student may have a size of its own."""

    width: int = Field(32, ge=4, le=4_096, description="channels of the first stage; the second and third have 2x and 4x")
    blocks: int = Field(2, ge=1, le=64, description="residual blocks in each of the three stages (3 = ResNet-20)")
    epochs: float = Field(16, gt=0, description="passes over the members ...")
    min_images: int = Field(60_000, ge=1, description="... but at least so many images seen")
    max_images: int = Field(300_000, ge=1, description="... and at most so many")
    batch: int = Field(128, ge=2, le=65_536)
    lr: float = Field(0.1, gt=0, description="peak learning rate of Nesterov SGD, reached after `warmup`, then a cosine to 0")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: float = Field(0.15, ge=0, lt=1, description="share of the images seen while the rate rises")
    milestones: RisingShares = Field(
        (), description="shares of the run after each of which the rate falls to a tenth, in place of the cosine; none = cosine"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    validate_every: float = Field(0.05, gt=0, le=1, description="share of the run between two looks at the validation split")
    patience: int = Field(0, ge=0, description="stop after so many looks without a better one; 0 = never, keep the best")


class EdmConfig(Section):
    """EDM-preconditioned U-Net on patches and its few-step sampler (Karras et al. 2022, 2024)."""

    family: Literal["edm"] = Field("edm", description="edm, gan, biggan or mix; another one starts from its own defaults")
    channels: tuple[Annotated[int, Field(ge=1, le=4_096)], ...] = Field(
        (48, 96), min_length=1, max_length=8, description="channels at each resolution"
    )
    blocks: int = Field(1, ge=1, le=64, description="residual blocks per resolution")
    patch: int = Field(
        0, ge=0, le=64, description="side of the patches folded into channels; 0 = 1, 2 or 4, as suits size and channels"
    )
    dropout: float = Field(0.05, ge=0, lt=1)
    images: int = Field(400_000, ge=1, description="images seen in training")
    batch: int = Field(128, ge=2, le=65_536)
    lr: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_images: int = Field(20_000, ge=0)
    decay_share: float = Field(0.4, ge=0, le=1, description="last share of the run in which the rate falls linearly to 0")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    p_mean: float = Field(-1.2, ge=-10, le=10, description="mean of ln(sigma) in training")
    p_std: float = Field(1.2, gt=0, le=10, description="standard deviation of ln(sigma) in training")
    label_drop: float = Field(0.1, ge=0, lt=1, description="share of training images shown without their class")
    balance: float = Field(0.5, ge=0, le=1, description="class sampling ~ frequency^balance (1 = as in the data, 0 = equal)")
    ema_stds: tuple[Annotated[float, Field(gt=0, lt=WIDEST)], ...] = Field(
        (0.05, 0.10), min_length=1, max_length=16, description="relative widths of the power-function averages"
    )
    snapshots: int = Field(4, ge=1, le=1_000, description="snapshots kept along the run; the last is the end of it")

    @property
    def step_images(self) -> int:
        """Images seen in one training step."""
        return self.batch


class MixMember(Section):
    """One generator, or several that differ by seed, and the part of every bank that they draw."""

    generator: Annotated[EdmConfig | GanConfig | BigGanConfig, Field(discriminator="family")] = EdmConfig()
    share: float = Field(1.0, gt=0, description="part of the images, relative to the other members")
    seeds: int = Field(1, ge=1, description="train so many of it, which divide the share equally")
    spread: float = Field(1.0, gt=0, description="its spread, relative to sampler.spread")


class MixConfig(Section):
    """Several generators that share a bank (as the predecessor's MultiGAN: three seeds, equal shares)."""

    family: Literal["mix"] = Field("mix", description="edm, gan, biggan or mix; another one starts from its own defaults")
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
    order: int = Field(4, ge=1, le=4, description="Adams-Bashforth order (4 = iPNDM-4)")
    sigma_min: float = Field(
        0.01, ge=1e-6, description="last noise level before the clean image; a few steps leave grain there, less of it at 0.05"
    )
    sigma_max: float = Field(40.0, gt=0, le=1e4)
    rho: float = Field(7.0, ge=1, le=1_000)
    spread: float = Field(1.0, gt=0, description="standard deviation of the initial noise, relative to sigma_max")
    ema_std: float = Field(
        0.05, gt=0, lt=WIDEST, description="width of the generator's average; one not in generator.ema_stds is rebuilt"
    )
    snapshot: int = Field(0, ge=0, description="the snapshot after so many images seen (the nearest one); 0 = the last")
    threshold: float | None = Field(
        None, ge=0, lt=1, description="keep an image if the teacher gives the class asked for more than this; none = keep all"
    )
    guidance: float = Field(
        1.0,
        ge=0,
        description="weight of the class in each denoising step (edm); 1 = as learned, any other doubles the cost",
    )
    first_share: float | None = Field(
        None, gt=0, lt=1, description="part of the images that a mix's first member draws; none = as in generator.members"
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

    multiple: float = Field(4.0, gt=0, description="bank size as a multiple of the number of members ...")
    max_images: int = Field(100_000, ge=1, description="... but at most so many images")
    min_images: int = Field(10_000, ge=1, description="... and at least so many")
    refresh: float = Field(
        0.1, ge=0, le=1, description="share of the bank drawn anew before each student epoch; 1 = the whole set"
    )
    period: int = Field(1, ge=1, description="student epochs between two refreshes")
    prior: float = Field(0.5, ge=0, le=1, description="labels asked for ~ frequency^prior (1 = as in the data, 0 = equal)")
    between: float = Field(0.0, ge=0, le=1, description="share of the bank drawn between two classes (edm, soft labels)")
    hard: float = Field(0.0, ge=0, le=1, description="share of the bank that is the hardest of `candidates` draws")
    candidates: int = Field(4, ge=2, description="draws among which a hard one is chosen")


class StudentConfig(Section):
    """Generative knowledge distillation."""

    labels: Literal["soft", "hard"] = Field("soft", description="the teacher's soft labels, or the class asked for (plain CAS)")
    temperature: float = Field(
        1.0, gt=0, description="of soft labels, the released ones too; 2 to 8 teach more at equal budgets, and give more away"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of every soft label spread over all classes")
    mix: float = Field(
        0.0, ge=0, le=1, description="share of the views blended with another one; the teacher labels the blend it sees"
    )
    epochs: float = Field(
        1.0, gt=0, description="images seen as a multiple of the baseline's; above 1 the baseline is given as many"
    )
    ema: float = Field(0.0, ge=0, lt=WIDEST, description="relative width of the weight average; 0 = none")
    width: int | None = Field(
        None, ge=4, le=4_096, description="channels of the first stage of student and baseline; none = the teacher's"
    )
    blocks: int | None = Field(None, ge=1, le=64, description="residual blocks of each of their stages; none = the teacher's")


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
        "none", description="successive halving over random candidates, or the one-after-another grid of GaFi"
    )
    settings: tuple[Tunable, ...] = Field(
        ("sampler.snapshot", "sampler.ema_std", "sampler.spread", "sampler.threshold"), description="what may be changed"
    )
    candidates: int = Field(9, ge=1, description="candidates of the first round of halving; the first is the untuned sampler")
    images: int = Field(12_000, ge=1, description="synthetic images a proxy student of the last round sees; all of greedy's do")
    keep: float = Field(1 / 3, gt=0, lt=1, description="share of the candidates that a round of halving keeps")
    rounds: int = Field(2, ge=1, description="rounds of halving; each has 1/keep times the images of the one before")
    spread: tuple[float, float] = Field((0.95, 1.25), description="smallest and largest sampler.spread tried ...")
    gan_spread: tuple[float, float] = Field((1.0, 2.0), description="... of a GAN (GaFi's expansion trick)")
    grid: int = Field(7, ge=2, description="values tried of each setting by greedy")
    jobs: int = Field(1, ge=1, description="proxy students trained at a time, each in a process of its own")


class AuditConfig(Section):
    """Membership inference by the five-attack toolkit."""

    non_member_share: float = Field(
        0.1, ge=0, lt=0.5, description="share of the training pool kept away from every model by coin flip"
    )
    min_non_members: int = Field(100, ge=0, description="at least so many, where the set allows (never above a quarter of it)")
    folds: int = Field(5, ge=2, description="folds of the cross-fitted attacks")
    confidence: float = Field(0.95, gt=0.5, lt=1)


class ReleaseConfig(Section):
    synthetic_images: int = Field(2_000, ge=0, description="size of the synthetic set written to release/synthetic")


class Config(Section):
    """A whole run."""

    preset: str = "quick"
    privacy: Literal["usual", "strong"] = Field(
        "usual",
        description="strong starts from settings that leave less of single records in what is released; each may be set "
        "otherwise",
    )
    seed: int = Field(0, ge=0)
    device: str = Field("auto", description="auto, cpu, cuda, mps ...")
    threads: int = Field(0, ge=0, description="CPU threads; 0 = the physical cores")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "float32",
        description="of convolutions while networks learn and the edm draws; auto = bfloat16 where this machine computes in it "
        "natively. Labels, predictions and GANs are float32 always",
    )
    minutes: float | None = Field(None, ge=0.001, description="scale the images seen so that the run takes about so long")
    minutes_limit: float | None = Field(None, ge=0.001, description="see fewer images where the run would take longer")
    watts: float = Field(
        100.0, gt=0, description="what the machine draws at work, for the report's estimate where it does not count its energy"
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
    teachers: int = Field(
        1, ge=1, le=20, description="teachers of different seeds; above 1 their mean probabilities are the soft labels"
    )
    plain: bool = Field(
        False, description="also train the plain-CAS student (one fixed synthetic set, hard labels), for tables"
    )
