"""From a configuration, or a user's own class, to a generator: the one place that knows every family."""

from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np
import torch

from upcycle._training import Report, silent
from upcycle.config import BigGanConfig, EdmConfig, GanConfig, GeneratorConfig, MixConfig, SamplerConfig
from upcycle.errors import ConfigError, UpcycleError
from upcycle.generators._contract import Generator, ImageShape
from upcycle.generators._edm import EdmGenerator
from upcycle.generators._gan import GanGenerator
from upcycle.generators._mix import MixGenerator
from upcycle.generators._stored import StoredGenerator, patch_side
from upcycle.nets import Augmentation

GeneratorFactory = Callable[[int, int, int], Generator]
"""(channels, size, classes) -> an unfitted generator that passes `check_generator`."""


@final
class OwnGenerator:
    """Makes generators of one kind and keeps the one that was fitted.

    A generator need not know how it is opened again: a finished fit that is called again with the same arguments changes
    nothing, so that is how. One with `load(folder)` is opened by that where it was not fitted in this process.
    """

    def __init__(self, make: GeneratorFactory, shape: ImageShape) -> None:
        self.make, self._shape = make, shape
        self.fitted: Generator | None = None

    def new(self) -> Generator:
        """Another unfitted one."""
        return self.make(self._shape.channels, self._shape.size, self._shape.classes)

    @property
    def name(self) -> str:
        """Of its class."""
        return type(self.new()).__name__

    @property
    def loads(self) -> bool:
        """Whether it has `load(folder)`."""
        return callable(getattr(self.new(), "load", None))

    def parameter_count(self) -> int:
        """Weights of the network that draws, 0 where the generator does not say."""
        count = getattr(self.new(), "parameter_count", None)
        return int(count()) if callable(count) else 0

    def fit(
        self, images: np.ndarray, labels: np.ndarray, *, seed: int, budget: int, resume: Path, report: Report = silent
    ) -> Generator:
        """The fitted generator; see Generator.fit."""
        self.fitted = self.new().fit(images, labels, seed=seed, budget=budget, resume=resume, report=report)
        return self.fitted

    def load(self, folder: Path) -> Generator:
        """The generator that was fitted here, or that its own `load` opens. Raises UpcycleError where there is neither."""
        if self.fitted is None:
            made = self.new()
            if not callable(getattr(made, "load", None)):
                raise UpcycleError(
                    f"generator must be fitted, or have load(folder). Got {type(made).__name__}, which was not fitted in this "
                    "process. Give it that method, or fit again."
                )
            self.fitted = made.load(folder)  # type: ignore[attr-defined]
        return self.fitted


def make_generator(
    shape: ImageShape,
    config: GeneratorConfig | None = None,
    sampler: SamplerConfig | None = None,
    *,
    device: str | torch.device = "cpu",
    augmentation: Augmentation | None = None,
    dtype: torch.dtype = torch.float32,
) -> StoredGenerator:
    """An unfitted generator of the family of `config`, whose convolutions compute in `dtype` if it is an edm. Raises
    ConfigError where sampler and generator do not fit together."""
    if isinstance(config, MixConfig):
        members = [member for member in config.members for _ in range(member.seeds)]
        return MixGenerator(
            shape,
            [
                make_generator(shape, m.generator, sampler, device=device, augmentation=augmentation, dtype=dtype)
                for m in members
            ],
            _shares(config, None if sampler is None else sampler.first_share),
            budgets=[m.generator.images for m in members],
            spreads=[m.spread for m in members],
            device=device,
        )
    if isinstance(config, GanConfig | BigGanConfig):
        if sampler is not None and sampler.guidance != 1:
            raise ConfigError(f"sampler.guidance must be 1 for a {config.family}. Got {sampler.guidance}. Only edm has it.")
        return GanGenerator(shape, config, device=device, augmentation=augmentation)
    return EdmGenerator(shape, config, sampler, device=device, augmentation=augmentation, dtype=dtype)


def _shares(config: MixConfig, first: float | None) -> list[float]:
    """The part of the images that every generator draws, those of one member's seeds alike."""
    own = [member.share for member in config.members]
    if first is not None and len(own) > 1:
        own = [first, *((1 - first) * share / sum(own[1:]) for share in own[1:])]
    return [share / member.seeds for share, member in zip(own, config.members, strict=True) for _ in range(member.seeds)]


def training_bytes(shape: ImageShape, config: GeneratorConfig) -> int:
    """Bytes that activations take in training at the peak, roughly; for a mix, of its largest member.

    A residual block of the U-Net keeps about 15 maps of its width for the backward pass, a level has about 2 blocks + 2 of
    them. A GAN's blocks keep about 10; the discriminator sees real and drawn images, and the generator's maps are kept too.
    """
    if isinstance(config, MixConfig):
        return max(training_bytes(shape, member.generator) for member in config.members)
    if isinstance(config, EdmConfig):
        side = shape.size / patch_side(config.patch, shape.size, len(config.channels))
        maps = sum(width / 4**level for level, width in enumerate(config.channels)) * (2 * config.blocks + 2) * 15
        return int(4 * config.batch * side**2 * maps)
    if isinstance(config, GanConfig):
        side, blocks = shape.size / patch_side(config.patch, shape.size), config.blocks
        width = config.width + 2 * config.d_width
    else:
        side, blocks, width = float(shape.size), config.depth, 4 * (config.width + 2 * config.d_width) // 2
    return int(4 * config.batch * side**2 * width * blocks * 10 * 1.5)  # coarser levels add half
