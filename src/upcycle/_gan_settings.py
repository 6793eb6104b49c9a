"""Settings of the two families of GAN, which share all but their networks."""

from typing import Literal

from pydantic import Field

from upcycle._section import WIDEST, Section


class _AdversarialConfig(Section):
    """What both families of GAN share: projection discriminator, hinge loss, DiffAugment, averages."""

    latent: int = Field(
        64, ge=1, le=16_384, description="length of the latent; with the class it conditions every normalisation"
    )
    embedding: int = Field(64, ge=1, le=16_384, description="length of the class embedding")
    images: int = Field(600_000, ge=1, description="real images that the discriminator sees in training")
    batch: int = Field(64, ge=4, le=65_536, multiple_of=4, description="real images in one step of the discriminator")
    pack: Literal[1, 2, 4] = Field(2, description="images of one class that the discriminator judges together (PacGAN)")
    d_steps: int = Field(1, ge=1, description="steps of the discriminator per step of the generator")
    same_batch: bool = Field(False, description="all discriminator steps before a generator step see the same real images")
    lr: float = Field(1e-3, gt=0, description="learning rate of the generator")
    d_lr: float = Field(1e-3, gt=0, description="learning rate of the discriminator")
    betas: tuple[float, float] = Field((0.0, 0.99), description="decay rates of Adam's two averages")
    eps: float = Field(1e-8, gt=0, description="epsilon of Adam")
    decay_share: float = Field(0.4, ge=0, le=1, description="last share of the run in which the rates fall linearly to 0")
    diffaugment: tuple[Literal["color", "translation", "cutout"], ...] = Field(
        ("translation", "cutout"), description="random views of real and drawn images inside the loss (DiffAugment)"
    )
    diversity: float = Field(
        1.0,
        ge=0,
        description="weight of the penalty on drawn pairs closer than real ones (pack > 1)",
    )
    lecam: float = Field(0.0, ge=0, description="weight of the LeCam regulariser; 0 uses none, 0.3 suits a few hundred images")
    r1: float = Field(0.0, ge=0, description="weight (gamma) of the gradient penalty on real images; 0 uses none")
    r1_every: int = Field(16, ge=1, description="generator steps between two gradient penalties; each counts this many times")
    balance: float = Field(0.5, ge=0, le=1, description="classes are shown ~ frequency^balance (1 as in the data, 0 equally)")
    ema_std: float = Field(
        0.05, ge=0, lt=WIDEST, description="relative width of the average of weights; 0 uses ema_decay instead"
    )
    ema_decay: float = Field(0.999, ge=0, lt=1, description="decay of the average per generator step, if ema_std is 0")
    ema_start: int = Field(1_000, ge=0, description="generator step at which the average starts, if ema_std is 0")
    snapshots: int = Field(4, ge=1, le=1_000, description="snapshots kept along the training; the last one is its end")

    @property
    def step_images(self) -> int:
        """Images seen between two generator steps."""
        return self.batch if self.same_batch else self.batch * self.d_steps


class GanConfig(_AdversarialConfig):
    """A compact convolutional GAN for processors, drawn in one step."""

    family: Literal["gan"] = Field("gan", description="edm, gan, biggan or mix; each family starts from its own defaults")
    width: int = Field(
        32, ge=4, le=4_096, description="generator channels at the finest resolution; coarser ones have 2x, then 4x"
    )
    d_width: int = Field(
        32, ge=4, le=4_096, description="discriminator channels at the finest resolution; coarser ones have 2x, then 4x"
    )
    blocks: int = Field(1, ge=1, le=64, description="residual blocks per resolution")
    patch: int = Field(
        0, ge=0, le=64, description="side in pixels of patches folded into channels; 0 is 2 from 16 pixels on, or 1"
    )


class BigGanConfig(_AdversarialConfig):
    """BigGAN-deep of the paper's predecessor (GaFi, Lomurno et al. 2023) at 32 pixels; for GPUs."""

    family: Literal["biggan"] = Field("biggan", description="edm, gan, biggan or mix; each family starts from its own defaults")
    width: int = Field(128, ge=4, le=4_096, description="base channels of the generator; the widest layer has 4x at 32 pixels")
    d_width: int = Field(
        128, ge=4, le=4_096, description="base channels of the discriminator; the widest layer has 4x at 32 pixels"
    )
    depth: int = Field(2, ge=1, le=64, description="residual blocks per resolution")
    attention: bool = Field(True, description="whether there is self-attention at half of the full resolution")
    latent: int = Field(
        128, ge=1, le=16_384, description="length of the latent; with the class it conditions every normalisation"
    )
    embedding: int = Field(128, ge=1, le=16_384, description="length of the class embedding")
    images: int = Field(1_200_000, ge=1, description="real images that the discriminator sees in training")
    batch: int = Field(192, ge=4, le=65_536, multiple_of=4, description="real images in one step of the discriminator")
    pack: Literal[1, 2, 4] = Field(1, description="images of one class that the discriminator judges together (PacGAN)")
    d_steps: int = Field(3, ge=1, description="steps of the discriminator per step of the generator")
    same_batch: bool = Field(True, description="all discriminator steps before a generator step see the same real images")
    lr: float = Field(2e-4, gt=0, description="learning rate of the generator")
    d_lr: float = Field(2e-4, gt=0, description="learning rate of the discriminator")
    betas: tuple[float, float] = Field((0.5, 0.999), description="decay rates of Adam's two averages")
    eps: float = Field(1e-6, gt=0, description="epsilon of Adam")
    decay_share: float = Field(0.0, ge=0, le=1, description="last share of the run in which the rates fall linearly to 0")
    diffaugment: tuple[Literal["color", "translation", "cutout"], ...] = Field(
        (), description="random views of real and drawn images inside the loss (DiffAugment)"
    )
    diversity: float = Field(0.0, ge=0, description="weight of the penalty on drawn pairs closer than real ones (pack > 1)")
    balance: float = Field(1.0, ge=0, le=1, description="classes are shown ~ frequency^balance (1 as in the data, 0 equally)")
    ema_std: float = Field(
        0.0, ge=0, lt=WIDEST, description="relative width of the average of weights; 0 uses ema_decay instead"
    )
    snapshots: int = Field(15, ge=1, le=1_000, description="snapshots kept along the training; the last one is its end")
