"""What DP-SGD proves: epsilon of the Poisson-subsampled Gaussian mechanism, by the tighter of two accountants."""

import logging
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Final

from upcycle.errors import ConfigError

_MODULES: Final = ("opacus", "dp_accounting")
_LOSS_FROM: Final = 0.5  # noise below which distributions of the privacy loss take minutes, and epsilon means nothing anyway
_GRID: Final = 1e-3  # of the privacy loss; its errors are on the safe side


@cache
def epsilon(noise: float, sampling_rate: float, steps: int, delta: float) -> float:
    """Epsilon at `delta` of `steps` steps that each take every record with probability `sampling_rate` and add Gaussian noise
    of `noise` times the clip norm; neighbours differ by one record added or removed. Raises ConfigError without [dp].

    The smaller one of two bounds that both hold: by Renyi divergence (Mironov et al. 2019) and, from a noise of 0.5 on, by the
    distribution of the privacy loss (Koskela et al. 2020), which is 10 to 20 % lower.
    """
    need_extra()
    logging.getLogger("absl").setLevel(logging.ERROR)  # it reports every order of the Renyi divergence that it leaves out
    accounting = import_module("dp_accounting")
    step = accounting.PoissonSampledDpEvent(sampling_rate, accounting.GaussianDpEvent(noise))
    found = [import_module("dp_accounting.rdp").RdpAccountant()]
    if noise >= _LOSS_FROM:
        found.append(import_module("dp_accounting.pld").PLDAccountant(value_discretization_interval=_GRID))
    return min(float(accountant.compose(step, steps).get_epsilon(delta)) for accountant in found)


def affordable_steps(most: float, noise: float, sampling_rate: float, steps: int, delta: float) -> int:
    """As many of `steps` as spend at most an epsilon of `most`. Raises ConfigError where a single one spends more, or without
    [dp]."""
    one = epsilon(noise, sampling_rate, 1, delta)
    if one > most:
        raise ConfigError(
            f"epsilon must be at least {one:.4g}, what a single step of noise {noise:g} spends at delta {delta:.2g}. Got "
            f"{most:g}. Give that, or more noise."
        )
    low, high = 1, steps + 1  # the first can be afforded, the second cannot or is not wanted
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if epsilon(noise, sampling_rate, middle, delta) <= most else (low, middle)
    return low


def need_extra() -> tuple[ModuleType, ...]:
    """Opacus and dp-accounting. Raises ConfigError that names the extra where one is missing."""
    try:
        return tuple(import_module(name) for name in _MODULES)
    except ImportError as error:
        raise ConfigError(
            f"DP-SGD must have the package {error.name}. Got none installed. Install upcycle[dp], or leave the comparator out."
        ) from None
