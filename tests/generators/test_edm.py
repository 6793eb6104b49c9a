"""The EDM generator against closed forms, and its contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from upcycle.config import EdmConfig, GanConfig, SamplerConfig
from upcycle.errors import ConfigError
from upcycle.generators import EdmGenerator, ImageShape, adams_bashforth, check_generator, karras_sigmas, make_generator
from upcycle.generators._edm import SIGMA_DATA, class_weights, denoise, denoising_loss, learning_rate, pixel_statistics

TINY = EdmConfig(channels=(8, 16), images=512, batch=64, warmup_images=64, snapshots=2)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_solver_lands_on_the_exact_ode_solution_of_a_gaussian(order: int) -> None:
    mean, deviation = 0.7, 0.5
    start = torch.tensor([-30.0, 3.0, 41.0], dtype=torch.float64)

    def posterior_mean(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return (deviation**2 * x + sigma**2 * mean) / (deviation**2 + sigma**2)

    exact = mean + (start - mean) * deviation / np.sqrt(deviation**2 + 40.0**2)
    errors = []
    for steps in (16, 64, 256):
        sigmas = karras_sigmas(steps, 0.002, 40.0, 7)
        errors.append(float((adams_bashforth(posterior_mean, start, sigmas, order=order) - exact).abs().max()))
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.02


def test_high_order_beats_euler_at_the_seven_evaluations_we_sell() -> None:
    def posterior_mean(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return 0.25 * x / (0.25 + sigma**2)

    start = torch.tensor([40.0], dtype=torch.float64)
    exact = start * 0.5 / np.sqrt(0.25 + 1600)
    sigmas = karras_sigmas(7, 0.01, 40.0, 7)
    euler, multistep = (float(abs(adams_bashforth(posterior_mean, start, sigmas, order=k) - exact)) for k in (1, 4))
    assert multistep < euler / 3


def test_sigmas_follow_equation_5_and_end_at_zero() -> None:
    sigmas = karras_sigmas(5, 0.01, 40.0, 7)
    assert sigmas[0] == pytest.approx(40) and sigmas[4] == pytest.approx(0.01) and sigmas[5] == 0
    assert sigmas[2] == pytest.approx((0.5 * 40 ** (1 / 7) + 0.5 * 0.01 ** (1 / 7)) ** 7)
    assert len(karras_sigmas(1, 0.01, 40.0, 7)) == 2


class _Fixed(torch.nn.Module):
    def forward(self, x: torch.Tensor, noise: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return 0.3 * x + noise[:, None, None, None]


def test_loss_equals_the_weighted_denoising_error_of_the_paper() -> None:
    rng = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(6, 2, 5, 5, generator=rng) for _ in range(2))
    sigma = torch.tensor([0.01, 0.1, 0.5, 1.0, 5.0, 40.0])
    labels = torch.zeros(6, dtype=torch.long)
    s = sigma[:, None, None, None]
    weight = (s**2 + SIGMA_DATA**2) / (s * SIGMA_DATA) ** 2
    naive = (weight * (denoise(_Fixed(), clean + s * noise, sigma, labels) - clean) ** 2).mean()
    assert denoising_loss(_Fixed(), clean, noise, sigma, labels).item() == pytest.approx(naive.item(), rel=1e-3)


def test_denoiser_returns_its_input_when_there_is_no_noise() -> None:
    x = torch.randn(3, 1, 4, 4)
    out = denoise(_Fixed(), x, torch.full((3,), 1e-5), torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(out, x, atol=1e-3, rtol=0)


def test_class_weights_of_balance_one_and_zero_are_the_data_and_equal_shares() -> None:
    labels = np.array([0, 0, 0, 2])
    assert class_weights(labels, 1.0) == pytest.approx([0.25] * 4)
    assert class_weights(labels, 0.0) == pytest.approx([1 / 6] * 3 + [1 / 2])


def test_learning_rate_rises_holds_and_falls_to_zero() -> None:
    config = EdmConfig(lr=1.0, batch=10, warmup_images=100, decay_share=0.5)
    assert learning_rate(config, 0, 1000) == pytest.approx(0.1)
    assert learning_rate(config, 400, 1000) == 1.0
    assert learning_rate(config, 750, 1000) == pytest.approx(0.5)
    assert learning_rate(config, 1000, 1000) == 0.0
    assert learning_rate(config, 40, 100) == pytest.approx(1.0)  # a warm-up as long as the budget would never end


def test_standardised_pixels_have_mean_zero_and_the_deviation_the_noise_levels_assume() -> None:
    images = np.random.default_rng(0).integers(0, 200, (300, 6, 6, 3), dtype=np.uint8)
    pixels = pixel_statistics(images).numpy()
    levels = (images / 127.5 - 1 - pixels[:3]) * pixels[3]
    assert abs(levels.mean()) < 1e-6
    assert levels.std() == pytest.approx(SIGMA_DATA, rel=1e-4)


@pytest.mark.parametrize(("channels", "size"), [(1, 9), (3, 12)])
def test_edm_generator_keeps_the_contract(channels: int, size: int) -> None:
    def make(channels: int, size: int, classes: int) -> EdmGenerator:
        return EdmGenerator(ImageShape(channels, size, classes), TINY, SamplerConfig(steps=3))

    check_generator(make, channels=channels, size=size, budget=256)


def test_spread_widens_the_start_of_the_chain_and_unfitted_generators_say_so() -> None:
    generator = EdmGenerator(ImageShape(1, 8, 2), TINY, SamplerConfig(steps=2))
    with pytest.raises(ConfigError, match="fitted"):
        generator.sample(np.zeros(1, np.int64), seed=0)
    images = np.random.default_rng(0).integers(0, 255, (64, 8, 8, 1), dtype=np.uint8)
    generator.fit(images, np.arange(64) % 2, seed=0, budget=64)
    narrow, wide = (generator.sample(np.zeros(64, np.int64), seed=0, spread=s).std() for s in (0.1, 3.0))
    assert narrow < wide


def test_learned_generator_draws_the_class_it_is_asked_for() -> None:
    labels = np.arange(256) % 2
    rng = np.random.default_rng(1)
    images = np.clip(np.where(labels, 200, 50)[:, None, None, None] + rng.normal(0, 10, (256, 8, 8, 1)), 0, 255)
    config = EdmConfig(channels=(16, 16), batch=64, warmup_images=500, dropout=0, snapshots=1)
    generator = EdmGenerator(ImageShape(1, 8, 2), config, SamplerConfig(steps=6))
    generator.fit(images.astype(np.uint8), labels, seed=0, budget=16_000)
    drawn = generator.sample(np.arange(40) % 2, seed=0).mean((1, 2, 3))
    assert drawn[1::2].mean() == pytest.approx(200, abs=25)
    assert drawn[0::2].mean() == pytest.approx(50, abs=25)


def test_guidance_pushes_the_answer_of_a_class_away_from_that_of_none() -> None:
    """A denoiser whose answer is the class number: guided answers lie on the line through both, `guidance` times as far."""

    class Answer(torch.nn.Module):
        def forward(self, x: torch.Tensor, _: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return x * 0 + labels[:, None, None, None].float()

    config, shape = EdmConfig(channels=(16, 16), snapshots=1, label_drop=0.1), ImageShape(1, 8, 2)
    x, sigma, labels = torch.zeros(2, 1, 8, 8), torch.full((2,), 0.5), torch.tensor([0, 1])
    answers = {}
    for weight in (0.0, 1.0, 2.0):
        generator = EdmGenerator(shape, config, SamplerConfig(guidance=weight))
        answers[weight] = generator._answer(Answer(), x, sigma, labels)[:, 0, 0, 0]
    torch.testing.assert_close(answers[2.0], answers[1.0] + (answers[1.0] - answers[0.0]))
    assert answers[0.0][0] == answers[0.0][1] != answers[1.0][1]  # without the class, all classes are alike


def test_guidance_without_a_classless_answer_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match=r"guidance must be 1 where generator.label_drop is 0. Got 1.5"):
        EdmGenerator(ImageShape(1, 8, 2), EdmConfig(label_drop=0), SamplerConfig(guidance=1.5))
    with pytest.raises(ConfigError, match=r"guidance must be 1 for a gan"):
        make_generator(ImageShape(1, 8, 2), GanConfig(), SamplerConfig(guidance=1.5))


def test_unknown_average_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="ema_std"):
        EdmGenerator(ImageShape(1, 8, 2), TINY, SamplerConfig(ema_std=0.3))


def test_an_average_between_the_stored_ones_is_drawn_from_and_lies_between_them(tmp_path: Path) -> None:
    config = EdmConfig(channels=(16, 16), batch=64, warmup_images=500, ema_stds=(0.05, 0.1), snapshots=4)
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
    shape = ImageShape(1, 8, 2)
    EdmGenerator(shape, config).fit(images, np.arange(64) % 2, seed=0, budget=4_096, resume=tmp_path)
    weights = {}
    for std in (0.05, 0.075, 0.1):
        generator = EdmGenerator(shape, config, SamplerConfig(ema_std=std)).load(tmp_path)
        tensors = generator.tensors(generator.snapshots()[-1])
        weights[std] = torch.cat([t.ravel() for name, t in sorted(tensors.items()) if name.startswith(f"{std}/")])
        assert generator.sample(np.arange(2), seed=0).shape == (2, 8, 8, 1)
    apart = (weights[0.05] - weights[0.1]).norm()
    assert all((weights[0.075] - weights[std]).norm() < 0.8 * apart for std in (0.05, 0.1))
