"""The denoiser by DP-SGD: gradients as a plain loop takes them, a clip norm that holds, and a resume that spends nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conftest import blobs
from upcycle._training import Checkpoint
from upcycle.config import EdmConfig, SamplerConfig
from upcycle.data import ImageSet
from upcycle.dp import Use, _generator
from upcycle.dp._generator import DenoiserSettings, clipped_sum, gradients_of_each, train_denoiser
from upcycle.errors import TrainingError
from upcycle.generators import EdmGenerator, ImageShape, denoising_loss

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
HOW = DenoiserSettings(levels=2, lr=1e-3)
USE = Use("generator", 1.2, 0.3, 12)


def unfitted() -> EdmGenerator:
    config = EdmConfig(channels=(8, 8), dropout=0, label_drop=0, snapshots=1, batch=16)
    return EdmGenerator(ImageShape(1, 8, 3), config, SamplerConfig(steps=2))


def records(n: int = 40, seed: int = 0) -> ImageSet:
    images, labels = blobs(n, seed=seed)
    return ImageSet(images[..., None], labels)


@pytest.fixture(scope="module")
def started() -> EdmGenerator:
    public = records(seed=9)
    return unfitted().fit(public.images, public.labels, seed=1, budget=64)


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(3)
    made = unfitted().build().train()
    for parameter in made.parameters():  # some begin at 0, behind which all gradients vanish
        torch.nn.init.normal_(parameter, std=0.2)
    return made


@pytest.fixture
def batch() -> Batch:
    rng = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(*shape, 1, 8, 8, generator=rng) for shape in ((6,), (6, 3)))
    return clean, noise, torch.rand(6, 3, generator=rng) + 0.1, torch.arange(6) % 3


def loop(net: torch.nn.Module, batch: Batch) -> list[Tensor]:
    """The gradient of every record by itself, flat."""
    found = []
    for clean, noise, sigma, label in zip(*batch, strict=True):
        loss = denoising_loss(net, clean.expand_as(noise), noise, sigma, label.expand(len(sigma)))
        found.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, list(net.parameters()))]))
    return found


def flat(gradients: dict[str, Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in gradients.values()])


def test_gradients_of_each_record_are_those_of_a_loop(net: torch.nn.Module, batch: Batch) -> None:
    found = gradients_of_each(net, *batch)
    for row, expected in enumerate(loop(net, batch)):
        torch.testing.assert_close(flat({name: part[row] for name, part in found.items()}), expected, rtol=1e-4, atol=1e-5)


def test_their_clipped_sum_is_that_of_a_loop(net: torch.nn.Module, batch: Batch) -> None:
    each = loop(net, batch)
    clip = float(torch.stack([g.norm() for g in each]).median())
    assert min(g.norm() for g in each) < clip < max(g.norm() for g in each)  # some are cut, some are not
    expected = torch.stack([g * min(1.0, clip / float(g.norm())) for g in each]).sum(0)
    torch.testing.assert_close(flat(clipped_sum(gradients_of_each(net, *batch), clip)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("clip", [0.01, 1.0])
def test_no_record_moves_a_step_by_more_than_the_clip_norm(clip: float, net: torch.nn.Module, batch: Batch) -> None:
    whole = flat(clipped_sum(gradients_of_each(net, *batch), clip))
    for row in range(6):
        keep = torch.arange(6) != row
        rest = flat(clipped_sum(gradients_of_each(net, *(part[keep] for part in batch)), clip))  # type: ignore[arg-type]
        assert float((whole - rest).norm()) <= clip * (1 + 1e-4)


def weights(generator: EdmGenerator) -> dict[str, Tensor]:
    return generator.tensors(generator.chosen(None))


def test_a_killed_training_goes_on_to_the_same_bits_and_takes_no_other_step(
    started: EdmGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is accounted for is the same use; and every step taken again is the same release once more."""
    released: list[bytes] = []
    check, killed_after = _generator.check_finite, 0

    def watched(values: Tensor, *rest: object) -> None:
        check(values, *rest)  # type: ignore[arg-type]
        released.append(values.numpy().tobytes())
        if len(released) == killed_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(_generator, "check_finite", watched)
    monkeypatch.setattr(Checkpoint, "due", lambda self: len(released) % 3 == 0)
    whole = train_denoiser(records(), started, HOW, USE, seed=4)
    at_once, killed_after = released.copy(), 8
    released.clear()
    with pytest.raises(KeyboardInterrupt):
        train_denoiser(records(), started, HOW, USE, seed=4, resume=tmp_path / "denoiser.pt")
    killed_after = 0
    resumed = train_denoiser(records(), started, HOW, USE, seed=4, resume=tmp_path / "denoiser.pt")
    assert len(at_once) == USE.times < len(released)  # some were taken twice
    assert set(released) == set(at_once)
    assert all(torch.equal(weights(resumed)[name], tensor) for name, tensor in weights(whole).items())
    assert not list(tmp_path.iterdir())


def test_noise_is_what_the_accountant_is_told_and_a_draw_of_nobody_is_noise_alone(
    started: EdmGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Tensor] = []

    def spy(self: torch.optim.Adam) -> None:
        steps.append(torch.cat([p.grad.flatten() for p in self.param_groups[0]["params"]]))

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    nobody = Use("generator", 2.0, 1e-9, 2)
    train_denoiser(records(), started, DenoiserSettings(clip=3.0), nobody, seed=4)
    assert float(steps[0].std() * 1e-9 * 40) == pytest.approx(2.0 * 3.0, rel=0.05)
    assert abs(float(torch.corrcoef(torch.stack(steps))[0, 1])) < 0.1


def test_a_denoiser_depends_on_its_arguments_only_and_on_its_records(started: EdmGenerator) -> None:
    state = torch.random.get_rng_state()
    one, again, other = (train_denoiser(data, started, HOW, USE, seed=4) for data in (records(), records(), records(seed=2)))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(weights(one)[name], tensor) for name, tensor in weights(again).items())
    assert not all(torch.equal(weights(one)[name], tensor) for name, tensor in weights(other).items())
    drawn = one.sample(np.arange(6) % 3, seed=1)
    assert drawn.shape == (6, 8, 8, 1) and drawn.dtype == np.uint8


def test_weights_that_are_not_finite_end_the_training(started: EdmGenerator) -> None:
    with pytest.raises(TrainingError, match="finite"):
        train_denoiser(records(), started, DenoiserSettings(lr=float("inf")), USE, seed=4)
