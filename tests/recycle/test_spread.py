"""Spread (the expansion trick) where the answer is known: latents, and all that is linear in them, have s^2 times the covariance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from upcycle._training import Report
from upcycle.config import BigGanConfig, GanConfig
from upcycle.generators import Draw, ImageShape, StoredGenerator, in_batches, make_generator
from upcycle.nets import BigGanGenerator, ConvGenerator
from upcycle.recycle import Bank, Sampler

SPREAD, COUNT = 1.5, 4_000
SHAPE = ImageShape(1, 3, 2)


@final
class Linear(StoredGenerator):
    """A toy generator of two modes, set by hand: pixels are the mode of the class plus a fixed linear map of four latents."""

    def parameter_count(self) -> int:
        return 36

    def _train(self, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report) -> None:
        weights = np.random.default_rng(seed).normal(0, 0.05, (4, 3, 3))  # small enough that no pixel is clipped
        self.keep(budget, {"weights": torch.from_numpy(weights).float()})

    def _open(self, tensors: Mapping[str, Tensor]) -> Draw:
        modes = torch.tensor([-0.25, 0.25])

        def render(noise: Tensor, labels: Tensor, spread: float) -> Tensor:
            return (modes[labels][:, None, None] + torch.einsum("nk,khw->nhw", noise * spread, tensors["weights"]))[:, None]

        return in_batches(render, (4,), self.shape, self.device)


def test_a_bank_of_a_linear_generator_has_the_spreads_square_times_the_covariance_and_the_same_modes(tmp_path: Path) -> None:
    toy = Linear(SHAPE, "cpu").fit(np.zeros((0, 3, 3, 1), np.uint8), np.zeros(0, np.int64), seed=0, budget=1, resume=tmp_path)
    weights = toy.tensors(toy.snapshots()[-1])["weights"].double().numpy().reshape(4, 9)
    banks = {}
    for spread in (1.0, SPREAD):
        sampler = Sampler(toy, np.array([0.5, 0.5]), seed=3, spread=spread)
        banks[spread] = Bank(tmp_path / f"bank-{spread}", sampler, COUNT, (3, 3, 1)).advance(COUNT)
    for label, mode in enumerate((-0.25, 0.25)):
        found = {spread: bank.images[bank.labels == label].reshape(-1, 9).astype(float) for spread, bank in banks.items()}
        exact = weights.T @ weights * 127.5**2
        assert np.cov(found[1.0].T) == pytest.approx(exact, abs=0.1 * float(exact.max()))
        assert np.cov(found[SPREAD].T) == pytest.approx(SPREAD**2 * np.cov(found[1.0].T), abs=1.0), "only rounding may differ"
        for images in found.values():
            assert images.mean(0) == pytest.approx(127.5 * (mode + 1), abs=1.5)


@pytest.mark.parametrize(
    ("config", "network"),
    [
        (GanConfig(width=4, d_width=4, latent=5, embedding=4, batch=8), ConvGenerator),
        (BigGanConfig(width=4, d_width=4, latent=5, embedding=4, batch=8, depth=1), BigGanGenerator),
    ],
)
def test_latents_that_a_gan_draws_a_bank_from_have_the_spreads_square_times_the_covariance(
    config: GanConfig | BigGanConfig, network: type[nn.Module], tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), dtype=np.uint8)
    gan = make_generator(ImageShape(1, 8, 2), config).fit(images, np.arange(16) % 2, seed=0, budget=8)
    latents = {}
    for spread in (1.0, SPREAD):
        seen: list[Tensor] = []

        def note(module: nn.Module, inputs: tuple[Tensor, ...], seen: list[Tensor] = seen) -> None:
            if isinstance(module, network):
                seen.append(inputs[0].clone())

        handle = register_module_forward_pre_hook(note)
        try:
            Bank(tmp_path / str(spread), Sampler(gan, np.ones(2), seed=1, spread=spread), 2_048, (8, 8, 1)).advance(2_048)
        finally:
            handle.remove()
        latents[spread] = torch.cat(seen).numpy().astype(float)
    assert len(latents[1.0]) == 2_048
    assert np.cov(latents[1.0].T) == pytest.approx(np.eye(5), abs=0.15)  # five standard errors of a variance
    assert np.cov(latents[SPREAD].T) == pytest.approx(SPREAD**2 * np.cov(latents[1.0].T), rel=1e-5)
