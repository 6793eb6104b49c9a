"""GANs: losses against naive code, averages with buffers, resume, spread, and a toy set that is learnt in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from upcycle._random import indexed_normal
from upcycle._training import Checkpoint, silent
from upcycle.config import BigGanConfig, GanConfig, SamplerConfig
from upcycle.generators import GanGenerator, ImageShape, check_generator, make_generator
from upcycle.generators._gan import (
    LeCam,
    _Fit,
    average_decay,
    build_generator,
    diversity_penalty,
    gradient_penalty,
    hinge_discriminator,
    hinge_generator,
    rate_factor,
)
from upcycle.generators._stored import in_batches
from upcycle.nets import StateEma

TINY = GanConfig(width=4, d_width=4, latent=6, embedding=4, batch=16, snapshots=2)
TINY_BIG = BigGanConfig(width=4, d_width=4, latent=6, embedding=4, batch=16, snapshots=2, depth=1, ema_start=2)
ALL_OPTIONS = TINY.model_copy(
    update={"d_steps": 2, "lecam": 0.3, "r1": 1.0, "r1_every": 2, "diffaugment": ("color", "translation", "cutout")}
)


def patterns(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, 8, 8, 1): class 0 has a bright row, class 1 a bright column, at a random place, under noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = rng.normal(50, 10, (n, 8, 8, 1))
    for k, (label, place) in enumerate(zip(labels, rng.integers(0, 8, n), strict=True)):
        images[(k, place) if label == 0 else (k, slice(None), place)] += 150
    return images.clip(0, 255).astype(np.uint8), labels


def contrasts(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, 8, 8, 1): class 0 is brighter at the top, class 1 on the left, by 60 to 180 levels, under noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = rng.normal(50, 10, (n, 8, 8, 1))
    images[labels == 0, :4] += rng.uniform(60, 180, (np.sum(labels == 0), 1, 1, 1))
    images[labels == 1, :, :4] += rng.uniform(60, 180, (np.sum(labels == 1), 1, 1, 1))
    return images.clip(0, 255).astype(np.uint8), labels


def test_hinge_losses_equal_the_sums_written_out() -> None:
    real, drawn = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.25, 1.0])
    naive = sum(max(0.0, 1 - x) for x in real.tolist()) / 3 + sum(max(0.0, 1 + x) for x in drawn.tolist()) / 3
    assert hinge_discriminator(real, drawn).item() == pytest.approx(naive)
    assert hinge_generator(drawn).item() == pytest.approx(-sum(drawn.tolist()) / 3)


def test_gradient_penalty_of_a_linear_score_is_half_its_squared_slope() -> None:
    slope = torch.randn(1, 2, 3, 3)
    images = torch.randn(5, 2, 3, 3, requires_grad=True)
    found = gradient_penalty((images * slope).sum((1, 2, 3)), images)
    assert found.item() == pytest.approx(slope.square().sum().item() / 2, rel=1e-5)


def test_lecam_pulls_each_side_to_the_average_of_the_other() -> None:
    anchors = LeCam(real=0.5, drawn=-0.5)
    real, drawn = torch.tensor([1.0, -2.0]), torch.tensor([-1.0, 3.0])
    naive = (1.5**2 + 0) / 2 + (1.5**2 + 0) / 2
    assert anchors.penalty(real, drawn).item() == pytest.approx(naive)
    anchors.update(real, drawn, decay=0.9)
    assert (anchors.real, anchors.drawn) == (pytest.approx(0.9 * 0.5 - 0.1 * 0.5), pytest.approx(-0.45 + 0.1))


def test_diversity_penalty_is_the_missing_share_of_the_distance_between_real_pairs() -> None:
    real = torch.tensor([0.0, 1.0, 0.2, 0.6])[:, None, None, None].expand(4, 1, 2, 2)  # pairs 1.0 and 0.4 apart
    drawn = torch.tensor([0.5, 0.3, 0.1, 0.6])[:, None, None, None].expand(4, 1, 2, 2)  # 0.2 and 0.5
    assert diversity_penalty(drawn, real, 2).item() == pytest.approx(1 - 0.35 / 0.7)
    assert diversity_penalty(real, drawn, 2).item() == 0, "more variety than the data is no business of it"
    assert diversity_penalty(torch.zeros(4, 1, 2, 2), real, 4).item() == 1


@pytest.mark.parametrize("pack", [1, 2, 4])
def test_images_of_a_pack_share_their_class_and_classes_follow_the_balance(pack: int) -> None:
    labels = np.repeat([0, 2], [300, 100])
    images = np.repeat((labels * 100)[:, None, None, None], 64, 1).reshape(400, 8, 8, 1).astype(np.uint8)
    config = TINY.model_copy(update={"batch": 2000, "pack": pack, "balance": 0.5})
    fit = _Fit(GanGenerator(ImageShape(1, 8, 3), config), images, labels, 0, 2000, silent)
    real, asked = fit.batch(0, torch.Generator())
    assert torch.equal(((real[:, 0, 0, 0] + 1) * 127.5).round().long(), asked * 100), "every image keeps its own label"
    assert (asked.view(-1, pack) == asked[::pack, None]).all()
    assert (asked == 0).float().mean().item() == pytest.approx(3**0.5 / (3**0.5 + 1), abs=0.05)
    assert fit.judge(real, asked).shape == (2000 // pack,)


def test_pack_is_judged_as_one_image_of_more_channels() -> None:
    fit = _Fit(GanGenerator(ImageShape(1, 8, 2), TINY), *patterns(32), 0, 32, silent)
    images, labels = torch.randn(6, 1, 8, 8), torch.tensor([0, 0, 1, 1, 0, 0])
    fit.discriminator.eval()
    naive = [fit.discriminator(torch.cat([images[k], images[k + 1]])[None], labels[k : k + 1]) for k in (0, 2, 4)]
    torch.testing.assert_close(fit.judge(images, labels), torch.cat(naive), atol=1e-5, rtol=1e-4)


def test_average_holds_running_statistics_and_copies_counters() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    average = StateEma(net)
    expected = {name: t.clone() for name, t in net.state_dict().items()}
    for _ in range(5):
        with torch.no_grad():
            net[0].weight.add_(torch.randn(2, 2))
        net(torch.randn(8, 2) * 3 + 1)
        average.update(0.8)
        for name, t in net.state_dict().items():
            expected[name] = 0.8 * expected[name] + 0.2 * t if t.is_floating_point() else t.clone()
    assert average.average["1.running_var"].ne(1).any()
    assert average.average["1.num_batches_tracked"].item() == 5
    for name, t in expected.items():
        torch.testing.assert_close(average.average[name], t)


def test_fixed_decay_starts_late_and_the_relative_one_at_once() -> None:
    paper = BigGanConfig(batch=12, ema_decay=0.99, ema_start=3)
    assert [average_decay(paper, seen, seen + 12) for seen in (0, 24, 36, 1200)] == [0, 0, 0.99, 0.99]
    assert average_decay(GanConfig(), 0, 64) == 0
    assert 0.9 < average_decay(GanConfig(), 64_000, 64_064) < 1


def test_rates_are_constant_then_fall_to_zero() -> None:
    config = GanConfig(decay_share=0.5)
    assert [rate_factor(config, seen, 1000) for seen in (0, 500, 750, 1000)] == [1, 1, 0.5, 0]
    assert rate_factor(BigGanConfig(), 999, 1000) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("config", "channels", "size"),
    [(TINY, 1, 27), (TINY, 3, 28), (ALL_OPTIONS, 3, 9), (TINY, 1, 32), (TINY_BIG, 3, 12), (TINY_BIG, 1, 8)],
)
def test_gan_keeps_the_contract(config: GanConfig | BigGanConfig, channels: int, size: int) -> None:
    def make(channels: int, size: int, classes: int) -> GanGenerator:
        return GanGenerator(ImageShape(channels, size, classes), config)

    check_generator(make, channels=channels, size=size, budget=64)


class _Killed(Exception):
    pass


@pytest.mark.parametrize("config", [ALL_OPTIONS, TINY_BIG])
def test_killed_fit_resumes_to_the_same_bits(
    config: GanConfig | BigGanConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = patterns(64)
    shape = ImageShape(1, 8, 2)
    whole = GanGenerator(shape, config).fit(images, labels, seed=3, budget=320)
    save = Checkpoint.save

    def save_and_die(self: Checkpoint, state: dict[str, object]) -> None:
        save(self, state)
        raise _Killed

    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    monkeypatch.setattr(Checkpoint, "save", save_and_die)
    deaths = 0
    while True:
        try:
            resumed = GanGenerator(shape, config).fit(images, labels, seed=3, budget=320, resume=tmp_path)
            break
        except _Killed:
            deaths += 1
    assert deaths == 320 // config.step_images, "every step was killed once"
    for one, other in zip(whole.snapshots(), resumed.snapshots(), strict=True):
        a, b = whole.tensors(one), resumed.tensors(other)
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_spread_widens_the_covariance_of_a_linear_generator_by_its_square() -> None:
    """A toy generator: pixels are a fixed linear map of the latent, small enough that nothing is clipped."""
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.normal(0, 0.06, (4, 3, 3))).float()

    def render(noise: torch.Tensor, labels: torch.Tensor, spread: float) -> torch.Tensor:
        return torch.einsum("nk,khw->nhw", noise * spread, weights)[:, None]

    draw = in_batches(render, (4,), ImageShape(1, 3, 1), torch.device("cpu"))
    rows = np.arange(4000)
    narrow, wide = (draw(np.zeros(4000, np.int64), rows, 0, s).reshape(4000, 9).astype(float) for s in (1.0, 1.5))
    exact = np.einsum("khw,kij->hwij", weights, weights).reshape(9, 9) * 127.5**2
    assert np.cov(narrow.T) == pytest.approx(exact, abs=0.1 * float(exact.max()))
    assert np.cov(wide.T) == pytest.approx(1.5**2 * np.cov(narrow.T), abs=1.0)


def test_spread_of_one_half_and_two_change_the_variety_of_a_trained_gan() -> None:
    images, labels = patterns(64)
    generator = GanGenerator(ImageShape(1, 8, 2), TINY).fit(images, labels, seed=0, budget=640)
    asked = np.zeros(200, np.int64)
    variety = [generator.sample(asked, seed=0, spread=s).astype(float).var(0).mean() for s in (0.5, 1.0, 2.0)]
    assert variety == sorted(variety)


def test_two_patterns_are_learnt_in_seconds() -> None:
    """Class 0 is brighter at the top, class 1 on the left, by a random amount: class and variety must both be learnt."""
    from sklearn.linear_model import LogisticRegression

    images, labels = contrasts(512)
    config = GanConfig(width=8, d_width=16, latent=8, embedding=8, batch=32, snapshots=1)
    generator = GanGenerator(ImageShape(1, 8, 2), config).fit(images, labels, seed=0, budget=9_600)
    asked = np.arange(400) % 2
    drawn = generator.sample(asked, seed=1)
    judge = LogisticRegression().fit(images.reshape(512, -1) / 255, labels)
    assert judge.score(drawn.reshape(400, -1) / 255, asked) > 0.95, "a classifier of real images must find the class asked for"
    student = LogisticRegression().fit(drawn.reshape(400, -1) / 255, asked)
    fresh, truth = contrasts(400, seed=9)
    assert student.score(fresh.reshape(400, -1) / 255, truth) > 0.95, "and one of drawn images must know real ones"
    real, made = (x.reshape(len(x), -1).mean(1).std() for x in (fresh, drawn))
    assert real / 2 < made < 2 * real, "brightness must vary as it does in the data"


def test_gan_takes_no_notice_of_the_sampler_of_the_other_family() -> None:
    shape = ImageShape(1, 8, 2)
    assert isinstance(make_generator(shape, GanConfig(), SamplerConfig(ema_std=0.25)), GanGenerator)


@pytest.mark.parametrize("config", [TINY, TINY_BIG.model_copy(update={"pack": 2})])
def test_the_discriminator_is_kept_beside_the_snapshots_and_never_in_one(
    config: GanConfig | BigGanConfig, tmp_path: Path
) -> None:
    images, labels = patterns(32)
    inside = GanGenerator(ImageShape(1, 8, 2), config).fit(images, labels, seed=0, budget=64)
    GanGenerator(ImageShape(1, 8, 2), config).fit(images, labels, seed=0, budget=64, resume=tmp_path)
    loaded = GanGenerator(ImageShape(1, 8, 2), config).load(tmp_path)
    drawing = build_generator(config, loaded.shape, training=False).state_dict().keys()
    assert all(loaded.tensors(snapshot).keys() == drawing for snapshot in loaded.snapshots())
    asked, own = torch.rand(5, 1, 8, 8) * 2 - 1, torch.arange(5) % 2
    scores = [generator.discriminator() for generator in (inside, loaded)]
    assert scores[0] is not None and scores[1] is not None
    found = [score(asked, own) for score in scores]  # type: ignore[misc]
    assert torch.equal(found[0], found[1]) and found[0].shape == (5,)
    (tmp_path / "judge.safetensors").unlink()
    assert loaded.discriminator() is None, "runs from before it was kept have none"


def test_what_is_rendered_is_what_is_drawn_and_carries_gradients_to_its_latent() -> None:
    images, labels = patterns(32)
    generator = GanGenerator(ImageShape(1, 8, 2), TINY).fit(images, labels, seed=0, budget=64)
    latent = torch.from_numpy(indexed_normal(5, np.arange(4), (TINY.latent,))).requires_grad_(True)
    rendered = generator.renderer()(latent, torch.arange(4) % 2)
    drawn = generator.sample(np.arange(4) % 2, seed=5)
    assert np.abs((rendered.detach().numpy().transpose(0, 2, 3, 1) + 1) * 127.5 - drawn).max() < 0.51
    (gradient,) = torch.autograd.grad(rendered.sum(), latent)
    assert float(gradient.abs().max()) > 0
