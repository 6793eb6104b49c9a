"""A student with one epsilon over everything that touched private records: a linear head labels, central images start a
denoiser, DP-SGD trains it, and whatever is made of them needs no further record."""

import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from upcycle.data import ImageSet
from upcycle.dp._account import Use, composed, most_steps
from upcycle.dp._central import central_images
from upcycle.dp._generator import DenoiserSettings, train_denoiser
from upcycle.dp._head import exact_noise
from upcycle.dp._ledger import Ledger
from upcycle.errors import ConfigError
from upcycle.generators import EdmGenerator

_QUIET, _LOUD = 0.6, 6.0  # noise of DP-SGD: below, epsilon means nothing; above, a step learns nothing
_HALVINGS: Final = 10
_LABELS, _CENTRAL, _DENOISER = "labels: linear head on fixed features", "central images", "generator: DP-SGD"


@dataclass(frozen=True)
class FormalSettings:
    """How the epsilon of a formal student is spent.

    Attributes:
        labels: epsilon of the head by itself, as a share of the whole.
        central: epsilon of the central images by themselves, likewise; DP-SGD has what composition then leaves.
        batch: records expected in a step of DP-SGD; at most half of all.
        steps: of DP-SGD, at most; 0: central images alone.
        drawn: central images that the denoiser sees first.
        denoiser: how it learns from records.
    """

    labels: float = 0.4
    central: float = 0.4
    batch: int = 256
    steps: int = 60
    drawn: int = 2_000
    denoiser: DenoiserSettings = field(default_factory=DenoiserSettings)


@cache
def formal_ledger(records: int, epsilon: float, how: FormalSettings, images: int = 1) -> Ledger:
    """The uses of this many `records` that spend an `epsilon` at delta 1 / records; `images`: of a patient, at most. Raises
    ConfigError for an epsilon that one step of DP-SGD exceeds."""
    once, delta = _once(records, epsilon, how), 1 / records
    if not how.steps:
        return Ledger(once, delta, images)

    def spent(noise: float, steps: int) -> float:
        return composed((*once, _denoiser(records, how, noise, steps)), delta)

    steps = most_steps(lambda count: spent(_LOUD, count) <= epsilon, how.steps)
    if not steps:
        least = _least(records, epsilon, how)
        raise ConfigError(
            f"epsilon must leave room for a step of DP-SGD after head and central images, at delta {delta:.2g} and a noise of "
            f"{_LOUD:g}. Got {epsilon:g}. Give {least:.2f} or more, or add records."
        )
    low, high = _QUIET, _LOUD
    for _ in range(_HALVINGS if steps == how.steps else 0):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if spent(middle, steps) <= epsilon else (middle, high)
    return Ledger((*once, _denoiser(records, how, high, steps)), delta, images)


def _once(records: int, epsilon: float, how: FormalSettings) -> tuple[Use, ...]:
    shares = ((_LABELS, how.labels), (_CENTRAL, how.central))
    return tuple(Use(what, exact_noise(share * epsilon, 1 / records)) for what, share in shares)


def _denoiser(records: int, how: FormalSettings, noise: float, steps: int) -> Use:
    return Use(_DENOISER, noise, min(0.5, how.batch / records), steps)


def _least(records: int, epsilon: float, how: FormalSettings) -> float:
    """An epsilon that works, at most a tenth above the smallest one."""
    while composed((*_once(records, epsilon, how), _denoiser(records, how, _LOUD, 1)), 1 / records) > epsilon:
        epsilon *= 1.1
    return math.ceil(epsilon * 100) / 100


def train_formal(
    members: ImageSet, start: EdmGenerator, how: FormalSettings, ledger: Ledger, *, seed: int, resume: Path | None = None
) -> EdmGenerator:
    """`start`, unfitted, after central images and DP-SGD as the `ledger` of `formal_ledger` has them. `resume`: a folder from
    which a killed call goes on."""
    noises = {use.what: use for use in ledger.uses}
    images, labels = central_images(members, start.shape.classes, noises[_CENTRAL].noise or 0.0, how.drawn, seed=seed)
    folder = None if resume is None else resume / "central"
    warm = start.fit(images, labels, seed=seed, budget=start.config.images, resume=folder)
    if _DENOISER not in noises:
        return warm
    kept = None if resume is None else resume / "denoiser.pt"
    return train_denoiser(members, warm, how.denoiser, noises[_DENOISER], seed=seed, resume=kept)


def labels_epsilon(epsilon: float, how: FormalSettings) -> float:
    """What the head spends by itself."""
    return how.labels * epsilon
