"""Learning from images that hold noise: the closed form, and what a network under a noise floor is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.generators.test_edm import _Fixed
from upcycle._training import silent
from upcycle.config import EdmConfig, SamplerConfig
from upcycle.generators import EdmGenerator, ImageShape, check_generator
from upcycle.generators._ambient import SIGMA_DATA, denoising_errors
from upcycle.generators._edm import _Fit, denoising_loss
from upcycle.nets import Augmentation

TINY = EdmConfig(channels=(8, 16), images=512, batch=64, warmup_images=64, snapshots=2, noise_floor=0.2)
FLOOR = TINY.noise_floor


def test_images_without_noise_have_the_usual_loss() -> None:
    rng = torch.Generator().manual_seed(0)
    image, noise = (torch.randn(6, 2, 5, 5, generator=rng) for _ in range(2))
    sigma, labels = torch.tensor([0.01, 0.1, 0.5, 1.0, 5.0, 40.0]), torch.zeros(6, dtype=torch.long)
    errors = denoising_errors(_Fixed(), image, torch.zeros(6), noise, sigma, labels)
    usual = denoising_loss(_Fixed(), image, noise, sigma, labels)
    assert errors.shape == (6,) and errors.mean().item() == pytest.approx(usual.item(), rel=1e-5)


@pytest.mark.parametrize("sigma", [0.25, 0.6, 2.0])
def test_the_loss_is_least_at_the_denoiser_of_images_that_were_never_shown(sigma: float) -> None:
    """Of normal pixels of variance v the best guess at x from z is v / (v + sigma^2) z, whatever noise the images hold; a
    network that took the noise for part of the image would be at (v + s^2) / (v + sigma^2)."""
    rng, v, n = torch.Generator().manual_seed(1), 0.3, 4_000
    clean, once, noise = (torch.randn(n, 1, 6, 6, generator=rng) for _ in range(3))
    level, held = torch.full((n,), sigma), torch.full((n,), FLOOR)
    total = (sigma**2 + SIGMA_DATA**2) ** 0.5

    def loss(k: float) -> float:
        def net(scaled: Tensor, _: Tensor, __: Tensor) -> Tensor:  # whose denoiser is k z
            return scaled * total * (k - (SIGMA_DATA / total) ** 2) * total / (sigma * SIGMA_DATA)

        return denoising_errors(net, v**0.5 * clean + FLOOR * once, held, noise, level, held.long()).mean().item()

    best, naive = v / (v + sigma**2), (v + FLOOR**2) / (v + sigma**2)
    tried = np.linspace(best - 0.2, best + 0.2, 41)
    found = tried[np.argmin([loss(k) for k in tried])]
    assert found == pytest.approx(best, abs=0.0101) and abs(found - best) < abs(found - naive)


def _fit(config: EdmConfig = TINY, views: Augmentation | None = None) -> _Fit:
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), dtype=np.uint8)
    owner = EdmGenerator(ImageShape(1, 8, 2), config, augmentation=views)
    return _Fit(owner, images, np.arange(8) % 2, 0, 512, silent)


def test_the_large_network_is_shown_a_record_with_one_noise_only_mirrored_with_it() -> None:
    """All that it was ever shown: every record has one noisy image and its mirror image, at every step."""
    fit, seen = _fit(views=Augmentation(0, horizontal=True)), set()
    for step in range(6):
        clean, once, _ = fit.batch(64 * step, torch.Generator().manual_seed(step))
        noisy = (clean + FLOOR * once).numpy()
        seen |= {min(image.tobytes(), image[..., ::-1].tobytes()) for image in noisy}
    assert len(seen) == 8


def test_below_the_floor_the_large_network_learns_nothing() -> None:
    fit = _fit()
    clean, once, labels = fit.batch(0, torch.Generator().manual_seed(0))
    faint = TINY.model_copy(update={"p_mean": -6.0, "p_std": 0.1})
    fit.config = faint
    fit.loss(clean, once, labels, torch.Generator().manual_seed(0)).backward()
    given = {name.partition(".")[0] for name, p in fit.net.named_parameters() if p.grad is not None}
    assert given == {"local"}
    fit.net.zero_grad(set_to_none=True)
    fit.config = TINY.model_copy(update={"p_mean": 0.0, "p_std": 0.1})
    fit.loss(clean, once, labels, torch.Generator().manual_seed(0)).backward()
    assert {name.partition(".")[0] for name, p in fit.net.named_parameters() if p.grad is not None} == {"net"}


def test_a_generator_with_a_floor_keeps_the_contract() -> None:
    def make(channels: int, size: int, classes: int) -> EdmGenerator:
        return EdmGenerator(ImageShape(channels, size, classes), TINY, SamplerConfig(steps=3))

    check_generator(make, channels=3, size=9, budget=256)


def test_without_a_floor_there_is_neither_noise_nor_another_network() -> None:
    fit = _fit(TINY.model_copy(update={"noise_floor": 0.0}))
    _, once, _ = fit.batch(0, torch.Generator().manual_seed(0))
    assert once.shape == (64, 0, 8, 8)
    assert not any("local" in name for name, _ in fit.net.named_parameters())
