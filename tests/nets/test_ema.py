"""Power-function averages against their formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from upcycle.nets._ema import PowerEma, gamma_of_std, power_beta, rebuilding


@pytest.mark.parametrize(("std", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_gamma_equals_the_values_printed_in_the_paper(std: float, gamma: float) -> None:
    assert gamma_of_std(std) == pytest.approx(gamma, abs=0.005)


@pytest.mark.parametrize("std", [0.03, 0.1, 0.2])
def test_gamma_gives_the_relative_width_it_was_asked_for(std: float) -> None:
    g = gamma_of_std(std)
    assert np.sqrt((g + 1) / ((g + 2) ** 2 * (g + 3))) == pytest.approx(std)


def test_average_equals_the_weighted_sum_written_out() -> None:
    values, batch, std = np.random.default_rng(0).normal(size=200), 7, 0.1
    weight = torch.zeros(1)
    ema = PowerEma([weight], [std])
    for step, value in enumerate(values):
        weight.fill_(float(value))
        ema.update(step * batch, (step + 1) * batch)
    gamma = gamma_of_std(std)
    edges = (np.arange(201) / 200) ** (gamma + 1)  # the integral of t^gamma over each step, normalised
    assert ema.averages[std][0].item() == pytest.approx(float((np.diff(edges) * values).sum()), abs=1e-5)


def test_first_update_forgets_the_initial_weights() -> None:
    assert power_beta(6.94, 0, 128) == 0.0
    weight = torch.full((1,), 5.0)
    ema = PowerEma([weight], [0.1])
    weight.fill_(2.0)
    ema.update(0, 64)
    assert ema.averages[0.1][0].item() == 2.0


def test_state_survives_a_round_trip() -> None:
    weight = torch.full((2,), 3.0)
    ema, other = PowerEma([weight], [0.05]), PowerEma([torch.zeros(2)], [0.05])
    other.load_state_dict(ema.state_dict())
    assert torch.equal(other.averages[0.05][0], weight)


def test_a_width_that_was_not_stored_is_rebuilt_from_those_that_were() -> None:
    """A drifting weight: the rebuilt average is far nearer to the true one than any stored one is."""
    path = np.cumsum(np.random.default_rng(2).normal(0.1, 1, 4_000))
    weight, kept = torch.zeros(1, dtype=torch.float64), list[float]()
    ema = PowerEma([weight], [0.05, 0.075, 0.1])
    for step, value in enumerate(path):
        weight.fill_(float(value))
        ema.update(step, step + 1)
        if (step + 1) % 1_000 == 0:
            kept += [ema.averages[std][0].item() for std in (0.05, 0.1)]
    stored = [(std, seen) for seen in (1_000, 2_000, 3_000, 4_000) for std in (0.05, 0.1)]
    shares, error = rebuilding(stored, 0.075, 4_000)
    wanted = ema.averages[0.075][0].item()
    assert shares.sum() == pytest.approx(1) and 0 < error < 0.05
    assert abs(shares @ kept - wanted) < 0.2 * min(abs(kept[-1] - wanted), abs(kept[-2] - wanted))


def test_a_stored_width_is_its_own_rebuilding_and_the_error_grows_with_the_distance() -> None:
    stored = [(std, seen) for seen in (1, 2, 3, 4) for std in (0.05, 0.1)]
    shares, error = rebuilding(stored, 0.1, 4)
    np.testing.assert_allclose(shares, [0, 0, 0, 0, 0, 0, 0, 1], atol=1e-6)
    assert error < 1e-5 < rebuilding(stored, 0.12, 4)[1] < rebuilding(stored, 0.2, 4)[1]
