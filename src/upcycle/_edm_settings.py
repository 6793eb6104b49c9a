"""Settings of the default family of generators."""

from typing import Annotated, Literal

from pydantic import Field

from upcycle._section import WIDEST, Section


class EdmConfig(Section):
    """EDM-preconditioned U-Net on patches and its few-step sampler (Karras et al. 2022, 2024)."""

    family: Literal["edm"] = Field("edm", description="edm, gan, biggan or mix; each family starts from its own defaults")
    channels: tuple[Annotated[int, Field(ge=1, le=4_096)], ...] = Field(
        (48, 96), min_length=1, max_length=8, description="channels at each resolution, finest first"
    )
    blocks: int = Field(1, ge=1, le=64, description="residual blocks per resolution")
    patch: int = Field(
        0, ge=0, le=64, description="side in pixels of patches folded into channels; 0 chooses 1, 2 or 4 by image size"
    )
    dropout: float = Field(0.05, ge=0, lt=1, description="share of the activations set to 0 in training")
    images: int = Field(400_000, ge=1, description="images seen in training")
    batch: int = Field(128, ge=2, le=65_536, description="images in one training step")
    lr: float = Field(2e-3, gt=0, description="highest learning rate of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW")
    warmup_images: int = Field(20_000, ge=0, description="images during which the learning rate rises linearly")
    decay_share: float = Field(0.4, ge=0, le=1, description="last share of the run in which the rate falls linearly to 0")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient; longer gradients are scaled down to it")
    p_mean: float = Field(-1.2, ge=-10, le=10, description="mean of ln(sigma), the noise level, in training")
    p_std: float = Field(1.2, gt=0, le=10, description="standard deviation of ln(sigma) in training")
    label_drop: float = Field(0.1, ge=0, lt=1, description="share of training images shown without their class, for guidance")
    balance: float = Field(0.5, ge=0, le=1, description="classes are shown ~ frequency^balance (1 as in the data, 0 equally)")
    ema_stds: tuple[Annotated[float, Field(gt=0, lt=WIDEST)], ...] = Field(
        (0.05, 0.10), min_length=1, max_length=16, description="relative widths of the power-function averages that are stored"
    )
    snapshots: int = Field(4, ge=1, le=1_000, description="snapshots kept along the training; the last one is its end")
    noise_floor: float = Field(
        0.0,
        ge=0,
        le=1,
        description="below this noise level a denoiser learns and draws that sees 9 x 9 pixels at a time; the other one is "
        "shown records only with this much noise, drawn once. Images have a deviation of 0.5; 0 = no floor",
    )
    skip_low_loss: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="a record teaches nothing in a step where its loss is below this share of what is usual at its noise "
        "level; 0 = all do",
    )

    gap_stop: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="draw from no snapshot whose loss on members is by more than this share lower than on the validation "
        "split, or from the first where all are; 0 = from any",
    )

    @property
    def step_images(self) -> int:
        """Images seen in one training step."""
        return self.batch
