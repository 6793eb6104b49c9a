"""Every family keeps the contract on every kind of image that runs meet: grey and colour, odd, small and large sides."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from upcycle.config import BigGanConfig, EdmConfig, GanConfig, GeneratorConfig, MixConfig, MixMember, SamplerConfig
from upcycle.generators import ImageShape, StoredGenerator, check_generator, make_generator

GAN = GanConfig(width=4, d_width=4, latent=4, embedding=4, batch=8, images=8, snapshots=2)
EDM = EdmConfig(channels=(4, 4), batch=8, warmup_images=8, images=8, snapshots=2, dropout=0)
FAMILIES: Mapping[str, GeneratorConfig] = {
    "edm": EDM,
    "gan": GAN,
    "biggan": BigGanConfig(width=4, d_width=4, latent=4, embedding=4, batch=8, snapshots=2, depth=1, d_steps=2, ema_start=1),
    "mix": MixConfig(members=(MixMember(generator=EDM), MixMember(generator=GAN))),
}


@pytest.mark.parametrize("size", [27, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_family_keeps_the_contract(family: str, channels: int, size: int) -> None:
    config = FAMILIES[family]
    if isinstance(config, BigGanConfig) and size > 32:
        config = config.model_copy(update={"attention": False})  # its cost grows with the fourth power of the side

    def make(channels: int, size: int, classes: int) -> StoredGenerator:
        return make_generator(ImageShape(channels, size, classes), config, SamplerConfig(steps=2))

    check_generator(make, channels=channels, size=size, budget=16)
