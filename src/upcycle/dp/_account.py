"""What DP-SGD proves: epsilon by Renyi accounting of the Poisson-subsampled Gaussian mechanism (Mironov et al. 2019)."""

from __future__ import annotations

import logging
from importlib import import_module
from types import ModuleType
from typing import Final

from upcycle.errors import ConfigError

_MODULES: Final = ("opacus", "dp_accounting")


def epsilon(noise: float, sampling_rate: float, steps: int, delta: float) -> float:
    """Epsilon at `delta` of `steps` steps that each take every record with probability `sampling_rate` and add Gaussian noise
    of `noise` times the clip norm; neighbours differ by one record added or removed. Raises ConfigError without [dp]."""
    need_extra()
    logging.getLogger("absl").setLevel(logging.ERROR)  # it reports every order of the Renyi divergence that it leaves out
    accounting = import_module("dp_accounting")
    rdp = import_module("dp_accounting.rdp")
    step = accounting.PoissonSampledDpEvent(sampling_rate, accounting.GaussianDpEvent(noise))
    return float(rdp.RdpAccountant().compose(step, steps).get_epsilon(delta))


def need_extra() -> tuple[ModuleType, ...]:
    """Opacus and dp-accounting. Raises ConfigError that names the extra where one is missing."""
    try:
        return tuple(import_module(name) for name in _MODULES)
    except ImportError as error:
        raise ConfigError(
            f"DP-SGD must have the package {error.name}. Got none installed. Install upcycle[dp], or leave the comparator out."
        ) from None
