"""White-box attacks on generators: on models whose leak is known in closed form, and on the package's own denoiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from upcycle.audit.attacks._generator_weights import Inversion, denoiser_norm, discriminator_logit, latent_inversion, t_error
from upcycle.audit.statistics import Scores, auc, auc_interval
from upcycle.config import EdmConfig
from upcycle.errors import AuditInputError
from upcycle.generators import EdmGenerator, ImageShape


@pytest.fixture(scope="module")
def pool() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Standardised images (120, 1, 4, 4), membership, labels."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(0.5 * rng.normal(size=(120, 1, 4, 4))).float()
    return images, rng.permutation(np.arange(120) < 60), np.zeros(120, np.int64)


def memorising(train: torch.Tensor):
    """The optimal denoiser of a training set: the posterior mean over its images (Karras et al. 2022, eq. 57)."""

    def denoise(x: torch.Tensor, sigma: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        squares = (x[:, None] - train[None]).flatten(2).square().sum(2)
        return torch.einsum("nt,tchw->nchw", torch.softmax(-squares / (2 * sigma[:, None] ** 2), 1), train)

    return denoise


def gaussian(x: torch.Tensor, sigma: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The optimal denoiser of N(0, 1/4): knows the law and no record."""
    return x * (0.25 / (0.25 + sigma**2))[:, None, None, None]


@pytest.mark.parametrize("attack", [denoiser_norm, t_error])
def test_a_denoiser_that_memorised_its_images_is_found_and_one_that_knows_the_law_is_not(attack, pool) -> None:
    images, members, labels = pool
    assert auc(Scores(attack(memorising(images[members]), images, labels), members)) > 0.85
    rate = auc_interval(Scores(attack(gaussian, images, labels), members))
    assert rate.low <= 0.5 <= rate.high


def test_denoiser_norm_is_minus_the_size_of_the_predicted_noise(pool) -> None:
    images, _, labels = pool
    found = denoiser_norm(gaussian, images, labels, sigma=0.5, batch=50)
    expected = -(images * 0.5 / 0.5).flatten(1).square().mean(1).sqrt()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)


def test_t_error_is_that_of_linear_steps_in_closed_form(pool) -> None:
    """For N(0, 1/4) predicted noise is x sigma / (1/4 + sigma^2): every step multiplies x by a known factor."""
    images, _, labels = pool

    def pull(sigma: float) -> float:
        return sigma / (0.25 + sigma**2)

    scale = (1 + 0.25 * pull(0.25)) * 1.0  # carried from 0.25 to 0.5
    there = 1 + 0.25 * pull(0.5)
    expected = abs(scale * there * (1 - 0.25 * pull(0.75)) - scale)
    found = t_error(gaussian, images, labels, sigma=0.5, steps=2)
    np.testing.assert_allclose(found, -expected * images.flatten(1).square().mean(1).sqrt().numpy(), rtol=1e-5)


def test_our_diffusion_generator_is_attacked_through_its_adapter() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (48, 8, 8, 1), dtype=np.uint8), rng.integers(0, 2, 48)
    config = EdmConfig(channels=(8, 8), blocks=1, batch=16, snapshots=1, label_drop=0.0)
    generator = EdmGenerator(ImageShape(1, 8, 2), config).fit(images, labels, seed=0, budget=32)
    denoise, scale = generator.denoiser()
    assert abs(float(scale(images).std()) - 0.5) < 0.02
    for attack in (denoiser_norm, t_error):
        whole = attack(denoise, scale(images), labels)
        assert whole.shape == (48,)
        assert (whole < 0).all()
        np.testing.assert_allclose(attack(denoise, scale(images[:7]), labels[:7]), whole[:7], rtol=1e-3)


def test_latent_inversion_finds_what_a_generator_can_draw(pool) -> None:
    """A linear generator: the error is the distance to its plane, known in closed form."""
    images, members, labels = pool
    basis, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 5)))
    plane = torch.from_numpy(basis).float()
    inside = (images.flatten(1) @ plane @ plane.T).view_as(images)
    records = torch.where(torch.from_numpy(members)[:, None, None, None], inside, images)

    def generate(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (z @ plane.T).view(-1, 1, 4, 4)

    found = latent_inversion(generate, records, labels, latents=(5,), search=Inversion(prior=0.0), batch=50)
    exact = (records - (records.flatten(1) @ plane @ plane.T).view_as(records)).flatten(1).square().mean(1).sqrt()
    np.testing.assert_allclose(found, -exact.numpy(), atol=0.02)
    assert auc(Scores(found, members)) == 1


def test_discriminator_logit_is_the_discriminators(pool) -> None:
    images, members, labels = pool
    train = images[members]

    def discriminator(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -(x[:, None] - train[None]).flatten(2).square().sum(2).min(1, keepdim=True).values

    found = discriminator_logit(discriminator, images, labels, batch=50)
    np.testing.assert_allclose(found, discriminator(images, labels)[:, 0].numpy(), rtol=1e-6)
    assert auc(Scores(found, members)) == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x, y: denoiser_norm(gaussian, x, y, sigma=0), "sigma must be above 0"),
        (lambda x, y: t_error(gaussian, x, y, steps=1), "steps at least 2"),
        (lambda x, y: denoiser_norm(gaussian, x.int(), y), "images must be finite floats"),
        (lambda x, y: t_error(gaussian, x * torch.nan, y), "images must be finite floats"),
        (lambda x, y: denoiser_norm(gaussian, x, y[:5]), "labels must be integers"),
        (lambda x, y: discriminator_logit(lambda a, b: a, x, y), "discriminator must return one finite number"),
        (lambda x, y: latent_inversion(lambda z, b: z, x[..., None].int(), y, latents=(2,)), "images must be finite floats"),
    ],
)
def test_unusable_images_and_models_are_refused(call, says, pool) -> None:
    with pytest.raises(AuditInputError, match=says):
        call(pool[0], pool[2])
