"""DP-SGD: gradients as a plain loop takes them, a clip norm that holds, an epsilon that no attack refutes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.conftest import blobs
from upcycle._training import Checkpoint
from upcycle.audit.statistics import one_run_epsilon
from upcycle.config import ClassifierConfig
from upcycle.data import ImageSet
from upcycle.dp import DpSettings, PrivateFit, _train, affordable_steps, epsilon, train_private
from upcycle.errors import ConfigError, TrainingError
from upcycle.nets import group_norm_factory, predict_logits
from upcycle.recycle import Recipe, accuracy

CONFIG = ClassifierConfig(width=4, blocks=1)
CLIP = 6.0


def extra() -> None:
    for module in ("opacus", "dp_accounting"):
        pytest.importorskip(module, reason="DP-SGD needs the extra [dp]")


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(3)
    return group_norm_factory(CONFIG)(1, 3, 8).double()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(9, 1, 8, 8, generator=rng, dtype=torch.float64), torch.arange(9) % 3


def loop(net: nn.Module, views: Tensor, labels: Tensor) -> list[Tensor]:
    """The gradient of every record by itself, flat."""
    found = []
    for view, label in zip(views, labels, strict=True):
        loss = F.cross_entropy(net(view[None]), label[None])
        found.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, list(net.parameters()))]))
    return found


def summed(net: nn.Module, views: Tensor, labels: Tensor, noise: float = 0.0, clip: float = CLIP) -> Tensor:
    """What one private step makes of the gradients, before it is divided by the records expected (1 here)."""
    from upcycle.dp._train import make_private, private_step

    samples, optimizer = make_private(net, DpSettings(clip=clip, lr=1e-12), noise, 1.0, torch.Generator().manual_seed(1))
    private_step(samples, optimizer, views, labels)
    samples.remove_hooks()
    return torch.cat([p.grad.reshape(-1) for p in net.parameters() if p.grad is not None])


@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_clipped_gradients_are_those_of_a_loop_over_the_records(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    extra()
    each = loop(net, *batch)
    assert min(g.norm() for g in each) < CLIP < max(g.norm() for g in each)  # some are cut, some are not
    expected = sum(g * min(1.0, CLIP / float(g.norm() + 1e-6)) for g in each)
    torch.testing.assert_close(summed(net, *batch), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize("clip", [0.05, 1.0, 20.0])
def test_no_record_moves_a_step_by_more_than_the_clip_norm(clip: float, net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    extra()
    views, labels = batch
    views = views * torch.logspace(-2, 2, len(views), dtype=views.dtype)[:, None, None, None]
    whole = summed(net, views, labels, clip=clip)
    moved = [float((whole - summed(net, views[keep], labels[keep], clip=clip)).norm()) for keep in without_one(len(views))]
    assert max(moved) <= clip * (1 + 1e-6)
    assert max(moved) > 0.5 * clip or clip == 20.0  # the limit binds


def without_one(n: int) -> list[Tensor]:
    return [torch.arange(n)[torch.arange(n) != k] for k in range(n)]


@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_noise_has_the_standard_deviation_that_the_accountant_is_told(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    extra()
    noise = summed(net, *batch, noise=2.0) - summed(net, *batch)
    assert float(noise.std()) == pytest.approx(2.0 * CLIP, rel=0.1)  # 5 % is three standard errors of some 2,000 weights


@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_a_draw_without_any_record_is_noise_alone(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    extra()
    found = summed(net, batch[0][:0], batch[1][:0], noise=1.0)
    assert torch.isfinite(found).all()
    assert float(found.std()) == pytest.approx(CLIP, rel=0.1)


def test_an_answer_depends_on_its_own_image_only(net: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    views = batch[0]
    torch.testing.assert_close(net(views)[:1], net(views[:1]))


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "delta"), [(1.0, 0.02, 500, 1e-4), (0.6, 0.3, 40, 1e-3), (3.0, 1.0, 9, 1e-5)]
)
def test_epsilon_is_that_of_the_tighter_accountant(noise: float, rate: float, steps: int, delta: float) -> None:
    extra()
    import dp_accounting
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.rdp import RdpAccountant

    event = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise))
    by_renyi, by_loss = (
        accountant.compose(dp_accounting.SelfComposedDpEvent(event, steps)).get_epsilon(delta)
        for accountant in (RdpAccountant(), PLDAccountant())
    )
    found = epsilon(noise, rate, steps, delta)
    assert (
        by_loss * (1 - 1e-6) <= found <= min(by_renyi, by_loss * 1.03)
    )  # on a coarser grid, whose errors are on the safe side


@pytest.mark.parametrize(("noise", "steps", "delta"), [(4.0, 10, 1e-5), (0.7, 1, 1e-3)])
def test_epsilon_is_never_below_what_the_gaussian_mechanism_spends_exactly(noise: float, steps: int, delta: float) -> None:
    """Without sampling the steps are one Gaussian mechanism, whose delta is known in closed form (Balle & Wang 2018)."""
    extra()
    from scipy.stats import norm

    found, mu = epsilon(noise, 1.0, steps, delta), np.sqrt(steps) / noise
    spent = norm.cdf(mu / 2 - found / mu) - np.exp(found) * norm.cdf(-mu / 2 - found / mu)
    assert 0.999 * delta <= spent <= delta * (1 + 1e-6)


def test_small_noise_is_accounted_by_renyi_divergence() -> None:
    """Nearly without sampling, so that the closed form is near."""
    extra()
    noise, steps, delta, rate = 0.4, 10, 1e-5, 0.999_999
    orders = np.linspace(1.01, 400, 400_000)
    renyi = orders * steps / (2 * noise**2)
    closed = (renyi + np.log1p(-1 / orders) - np.log(delta * orders) / (orders - 1)).min()  # Canonne et al. 2020, prop. 12
    assert closed * 0.999 <= epsilon(noise, rate, steps, delta) <= closed * 1.01  # the accountant tries fewer orders
    assert epsilon(noise, 1.0, steps, delta) < closed  # what is not sampled is accounted exactly


def test_training_ends_before_it_would_spend_more_than_it_may() -> None:
    extra()
    rate, delta = 0.1, 1e-3
    most = epsilon(1.0, rate, 30, delta)
    for allowed, expected in ((most, 30), (most * (1 - 1e-9), 29), (100 * most, 50)):
        assert affordable_steps(allowed, 1.0, rate, 50, delta) == expected
    members, recipe = few()
    fitted = train_private(members, recipe, DpSettings(batch=60, epsilon=2.0), 1.5, seed=4, stage="a")
    assert fitted.epsilon <= 2.0 < epsilon(1.5, fitted.sampling_rate, fitted.steps + 1, fitted.delta)


def test_an_epsilon_that_one_step_exceeds_is_refused_with_one_that_works() -> None:
    extra()
    with pytest.raises(ConfigError) as problem:
        affordable_steps(0.01, 0.5, 0.1, 50, 1e-3)
    assert len(problem.value.problems) == 1
    least = float(str(problem.value).split("at least ")[1].split(",")[0])
    assert affordable_steps(least * 1.001, 0.5, 0.1, 50, 1e-3) >= 1


def attacked(noise: float, seed: int, *, settings: DpSettings) -> tuple[PrivateFit, int, int]:
    """A model of members with mislabelled canaries, each inside by a fair coin; the best quarter of either side guessed."""
    images, labels = (part[..., None] if part.ndim == 3 else part for part in blobs(240, seed=seed))
    rng = np.random.default_rng(seed)
    wrong = (labels[:160] + rng.integers(1, 3, 160)) % 3
    inside = rng.random(160) < 0.5
    given = np.concatenate([np.flatnonzero(inside), np.arange(160, 240)])
    all_labels = np.concatenate([wrong, labels[160:]])
    recipe = Recipe(group_norm_factory(CONFIG), 3, CONFIG, budget=settings.batch * 40)
    fitted = train_private(ImageSet(images[given], all_labels[given]), recipe, settings, noise, seed=seed, stage="toy")
    logits = predict_logits(fitted.net, torch.from_numpy(images[:160]), torch.device("cpu"))
    loss = F.cross_entropy(logits, torch.from_numpy(wrong), reduction="none").numpy()
    order = np.argsort(loss)
    return fitted, 80, int(inside[order[:40]].sum() + (~inside[order[-40:]]).sum())


@pytest.mark.parametrize("noise", [0.6, 1.5])
def test_no_attack_finds_more_than_the_accountant_allows(noise: float) -> None:
    extra()
    for seed in range(3):
        fitted, guesses, right = attacked(noise, seed, settings=DpSettings(batch=64))
        found = one_run_epsilon(160, guesses, right, confidence=0.999, delta=fitted.delta)
        assert found <= fitted.epsilon
        assert fitted.epsilon == epsilon(noise, fitted.sampling_rate, fitted.steps, fitted.delta)


def few() -> tuple[ImageSet, Recipe]:
    images, labels = blobs(120)
    return ImageSet(images[..., None], labels), Recipe(group_norm_factory(CONFIG), 3, CONFIG, budget=2_000)


def test_a_killed_training_goes_on_to_the_same_weights_at_the_same_epsilon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step of the second call that the first had taken draws the same batch and the same noise: nothing new is spent."""
    extra()
    members, recipe = few()
    released: list[bytes] = []
    step = _train.private_step

    def watched(samples: Any, optimizer: Any, views: Tensor, labels: Tensor) -> Tensor:
        losses = step(samples, optimizer, views, labels)
        released.append(np.concatenate([p.grad.numpy().ravel() for p in samples.parameters()]).tobytes())
        if len(released) == killed_after:
            raise KeyboardInterrupt
        return losses

    monkeypatch.setattr(_train, "private_step", watched)
    monkeypatch.setattr(Checkpoint, "due", lambda self: len(released) % 5 == 0)
    arguments = (members, recipe, DpSettings(batch=60), 1.5)
    killed_after = 0
    whole = train_private(*arguments, seed=4, stage="a")
    at_once = released.copy()
    released.clear()
    killed_after = 18
    with pytest.raises(KeyboardInterrupt):
        train_private(*arguments, seed=4, stage="a", resume=tmp_path / "dp.pt")
    killed_after = 0
    resumed = train_private(*arguments, seed=4, stage="a", resume=tmp_path / "dp.pt")
    assert len(released) > len(at_once)  # some were taken twice
    assert set(released) == set(at_once)
    assert (resumed.epsilon, resumed.steps) == (whole.epsilon, whole.steps)
    for one, two in zip(whole.net.state_dict().values(), resumed.net.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_end_the_training_instead_of_steps_that_nobody_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra()
    members, recipe = few()
    taken = 0
    step = _train.private_step

    def diverging(samples: Any, *rest: Any) -> Tensor:
        nonlocal taken
        losses = step(samples, *rest)
        taken += 1
        if taken == 9:
            next(samples.parameters()).data.fill_(float("nan"))
        return losses

    monkeypatch.setattr(_train, "private_step", diverging)
    with pytest.raises(TrainingError):
        train_private(members, recipe, DpSettings(batch=60), 1.5, seed=4, stage="a")
    assert taken <= round(2_000 / 60)


def test_training_depends_on_its_arguments_only_and_noise_costs_accuracy() -> None:
    extra()
    members, recipe = few()
    state = torch.random.get_rng_state()
    quiet, again, loud = (
        train_private(members, recipe, DpSettings(batch=60), noise, seed=4, stage="a") for noise in (0.01, 0.01, 30.0)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    for one, two in zip(quiet.net.state_dict().values(), again.net.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    cpu = torch.device("cpu")
    assert accuracy(quiet.net, members, cpu) > 0.9 > accuracy(loud.net, members, cpu)
    assert quiet.epsilon > 1_000 > 1 > loud.epsilon
    assert quiet.delta == 1 / 120 and quiet.steps == round(2_000 / 60)


@pytest.mark.parametrize("lr", [1e25, float("inf")])
def test_a_model_whose_losses_are_no_longer_finite_is_named_and_not_judged(lr: float) -> None:
    extra()
    images, labels = blobs(60)
    recipe = Recipe(group_norm_factory(CONFIG), 3, CONFIG, budget=300)
    with pytest.raises(TrainingError, match=r"^toy must learn with finite losses\. Got one that is not by step \d"):
        train_private(ImageSet(images[..., None], labels), recipe, DpSettings(batch=30, lr=lr), 1.0, seed=0, stage="toy")


@pytest.mark.parametrize("module", ["opacus", "dp_accounting"])
def test_a_missing_extra_is_one_line_that_names_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"Install upcycle\[dp\]") as found:
        epsilon(1.0, 0.1, 10, 1e-3)
    assert len(found.value.problems) == 1
