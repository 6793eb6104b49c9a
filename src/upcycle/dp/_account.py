"""What uses of the private records prove together: epsilon of one-shot and Poisson-subsampled Gaussian mechanisms, by the
tighter of two accountants, or exactly where nothing is sampled."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from upcycle.errors import ConfigError

_MODULES: Final = ("opacus", "dp_accounting")
_LOSS_FROM: Final = 0.5  # noise below which distributions of the privacy loss take minutes, and epsilon means nothing anyway
_GRID: Final = 1e-3  # of the privacy loss; its errors are on the safe side


@dataclass(frozen=True)
class Use:
    """One use of the private records: `times` times every record is taken with probability `sampling_rate`, and Gaussian noise
    is added of `noise` times what one record can move. A `noise` of None: without any guarantee."""

    what: str
    noise: float | None = None
    sampling_rate: float = 1.0
    times: int = 1

    @property
    def mechanism(self) -> str:
        """In words."""
        if self.noise is None:
            return "none"
        return "Gaussian mechanism" if self.sampling_rate == 1 else "Poisson-subsampled Gaussian mechanism"


def epsilon(noise: float, sampling_rate: float, steps: int, delta: float) -> float:
    """Epsilon at `delta` of `steps` steps that each take every record with probability `sampling_rate` and add Gaussian noise
    of `noise` times the clip norm; neighbours differ by one record added or removed. Raises ConfigError without [dp]."""
    return composed((Use("", noise, sampling_rate, steps),), delta)


def composed(uses: Sequence[Use], delta: float, records: int = 1) -> float:
    """Epsilon at `delta` of all `uses` together, for neighbours that differ by up to `records` records added or removed;
    infinite where one has no guarantee. Raises ConfigError without [dp].

    Without sampling it is exact (Balle & Wang 2018). Otherwise it is the smaller one of two bounds that both hold: by Renyi
    divergence (Mironov et al. 2019) and, from a noise of 0.5 on, by the distribution of the privacy loss (Koskela et al. 2020),
    which is 10 to 20 % lower. Of several records, the first leaves sampling out, the second knows how many may be drawn
    (Ganesh 2024).
    """
    need_extra()
    if any(use.noise is None for use in uses):
        return math.inf
    return _composed(tuple((use.noise or 0.0, use.sampling_rate, use.times) for use in uses), delta, records)


_Parts = tuple[tuple[float, float, int], ...]  # noise, sampling rate, times


@cache
def _composed(uses: _Parts, delta: float, records: int) -> float:
    logging.getLogger("absl").setLevel(logging.ERROR)  # it reports every order of the Renyi divergence that it leaves out
    if all(rate == 1 for _, rate, _ in uses):
        precision = sum(times / noise**2 for noise, _, times in uses)
        exact = import_module("dp_accounting").get_epsilon_gaussian
        return float(exact(1 / (records * math.sqrt(precision)), delta)) if precision else 0.0
    found = [_by_renyi(uses, delta, records)]
    if all(noise >= _LOSS_FROM * records for noise, _, _ in uses):
        found.append(_by_loss(uses, delta, records))
    return min(found)


def _by_renyi(uses: _Parts, delta: float, records: int) -> float:
    accounting, accountant = import_module("dp_accounting"), import_module("dp_accounting.rdp").RdpAccountant()
    for noise, rate, times in uses:
        step = accounting.GaussianDpEvent(noise / records)
        accountant.compose(accounting.PoissonSampledDpEvent(rate, step) if rate < 1 and records == 1 else step, times)
    return float(accountant.get_epsilon(delta))


def _by_loss(uses: _Parts, delta: float, records: int) -> float:
    parts = [_loss(noise, rate, records).self_compose(times) for noise, rate, times in uses]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.compose(part)
    return float(whole.get_epsilon_for_delta(delta))


@lru_cache(maxsize=16)  # a search for a noise asks for the same one-shot sums every time
def _loss(noise: float, rate: float, records: int) -> Any:
    """The privacy loss of one step; of `records` records a binomial number is drawn, which all move it the same way."""
    room = import_module("dp_accounting.pld.privacy_loss_distribution")
    if rate == 1 or records == 1:
        how = {"sensitivity": records, "sampling_prob": rate, "value_discretization_interval": _GRID}
        return room.from_gaussian_mechanism(noise, **how)
    drawn = [math.comb(records, k) * rate**k * (1 - rate) ** (records - k) for k in range(records + 1)]
    return room.from_mixture_gaussian_mechanism(noise, range(records + 1), drawn, value_discretization_interval=_GRID)


def affordable_steps(most: float, noise: float, sampling_rate: float, steps: int, delta: float) -> int:
    """As many of `steps` as spend at most an epsilon of `most`. Raises ConfigError where a single one spends more, or without
    [dp]."""
    found = most_steps(lambda count: epsilon(noise, sampling_rate, count, delta) <= most, steps)
    if not found:
        one = epsilon(noise, sampling_rate, 1, delta)
        raise ConfigError(
            f"epsilon must be at least {one:.4g}, what a single step of noise {noise:g} spends at delta {delta:.2g}. Got "
            f"{most:g}. Give that, or more noise."
        )
    return found


def most_steps(allowed: Callable[[int], bool], steps: int) -> int:
    """The largest number up to `steps` that is `allowed`, as all smaller ones are; 0 where not even 1 is."""
    low, high = 0, steps + 1  # the first can be afforded, the second cannot or is not wanted
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return low


def need_extra() -> tuple[ModuleType, ...]:
    """Opacus and dp-accounting. Raises ConfigError that names the extra where one is missing."""
    try:
        return tuple(import_module(name) for name in _MODULES)
    except ImportError as error:
        raise ConfigError(
            f"DP-SGD must have the package {error.name}. Got none installed. Install upcycle[dp], or leave the comparator out."
        ) from None
