"""Every family keeps the contract on every kind of image that runs meet: grey and colour, odd, small and large sides."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from upcycle.config import BigGanConfig, EdmConfig, GanConfig, GeneratorConfig, MixConfig, MixMember, SamplerConfig
from upcycle.generators import ImageShape, StoredGenerator, check_generator, make_generator, training_bytes

GAN = GanConfig(width=4, d_width=4, latent=4, embedding=4, batch=8, images=8, snapshots=2)
EDM = EdmConfig(channels=(4, 4), batch=8, warmup_images=8, images=8, snapshots=2, dropout=0)
FAMILIES: Mapping[str, GeneratorConfig] = {
    "edm": EDM,
    "gan": GAN,
    "biggan": BigGanConfig(width=4, d_width=4, latent=4, embedding=4, batch=8, snapshots=2, depth=1, d_steps=2, ema_start=1),
    "mix": MixConfig(members=(MixMember(generator=EDM), MixMember(generator=GAN))),
}


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(("channels", "size"), [(1, 27), (3, 28), (3, 32), (1, 64), (3, 64)])
@pytest.mark.parametrize("family", FAMILIES)
def test_family_keeps_the_contract(family: str, channels: int, size: int) -> None:
    config = FAMILIES[family]
    if isinstance(config, BigGanConfig) and size > 32:
        config = config.model_copy(update={"attention": False})  # its cost grows with the fourth power of the side

    def make(channels: int, size: int, classes: int) -> StoredGenerator:
        return make_generator(ImageShape(channels, size, classes), config, SamplerConfig(steps=2))

    check_generator(make, channels=channels, size=size, budget=16)


def test_images_of_64_pixels_cost_a_default_unet_little_more_than_those_of_28() -> None:
    small, large = (training_bytes(ImageShape(1, size, 2), EdmConfig()) for size in (28, 64))
    assert large == pytest.approx(small * (16 / 14) ** 2, rel=1e-6)
    assert training_bytes(ImageShape(1, 64, 2), EdmConfig(patch=2)) == pytest.approx(4 * large, rel=1e-6)
    deep = EdmConfig(channels=(8, 8, 8))  # its third resolution makes the coarsest grid small enough
    assert training_bytes(ImageShape(1, 64, 2), deep) == training_bytes(
        ImageShape(1, 64, 2), deep.model_copy(update={"patch": 2})
    )


@pytest.mark.parametrize(("size", "side"), [(8, 8), (15, 15), (16, 8), (47, 23.5), (48, 12), (64, 16)])
def test_unets_fold_patches_that_suit_the_size(size: int, side: float) -> None:
    folded, pixels = EdmConfig(), EdmConfig(patch=1)
    shares = training_bytes(ImageShape(1, size, 2), folded) / training_bytes(ImageShape(1, size, 2), pixels)
    assert shares == pytest.approx((side / size) ** 2, rel=1e-6)
