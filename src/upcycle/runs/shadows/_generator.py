"""White-box attacks on the generator of a shadow pipeline, by family: the attacks of someone who has its weights (T4)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import torch

from upcycle.audit.attacks import (
    DENOISER_NORM,
    DISCRIMINATOR,
    INVERSION,
    T_ERROR,
    Inversion,
    RecordScore,
    denoiser_norm,
    discriminator_logit,
    latent_inversion,
    t_error,
)
from upcycle.generators import EdmGenerator, GanGenerator, MixGenerator, Snapshot, StoredGenerator
from upcycle.nets import to_input
from upcycle.recycle import Sampler

_LOW: Final = 0.1  # noise level of the attack by the denoiser's norm
_SEARCH: Final = Inversion(steps=60, rate=0.1, restarts=1)  # a few seconds for 200 records


def generator_scores(sampler: Sampler) -> dict[str, RecordScore]:
    """What the denoiser makes of a record (SimA), and of a step there and back (SecMI); the discriminator's logit (LOGAN).

    The members of a mix are attacked one by one: an attack on several gives the mean of their scores, each standardised over
    the records. No attack for a generator of a family that is not ours: those on what it draws are the audit's others.
    """
    return _together([_white_box(generator, snapshot) for generator, snapshot in _members(sampler)])


def distilled_scores(generator: EdmGenerator) -> dict[str, RecordScore]:
    """The same of a generator that learned from released images alone."""
    return _by_denoiser(generator, None)


def searched_scores(sampler: Sampler) -> dict[str, RecordScore]:
    """How well a latent of the generator rebuilds a record (GAN-Leaks): a search for every record. Mixes as above."""
    return _together([_searching(generator, snapshot) for generator, snapshot in _members(sampler)])


def _members(sampler: Sampler) -> list[tuple[object, Snapshot | None]]:
    if isinstance(sampler.generator, MixGenerator):
        return [(member, None) for member in sampler.generator.parted(sampler.snapshot)]
    return [(sampler.generator, sampler.snapshot)]


def _white_box(generator: object, snapshot: Snapshot | None) -> dict[str, RecordScore]:
    if isinstance(generator, EdmGenerator):
        return _by_denoiser(generator, snapshot)
    score = generator.discriminator() if isinstance(generator, GanGenerator) else None
    if score is None or not isinstance(generator, GanGenerator):
        return {}
    scale = partial(_scaled, generator)
    return {DISCRIMINATOR.name: lambda images, labels: discriminator_logit(score, scale(images), labels)}


def _by_denoiser(generator: EdmGenerator, snapshot: Snapshot | None) -> dict[str, RecordScore]:
    denoise, scale = generator.denoiser(snapshot)
    low = max(_LOW, generator.config.noise_floor)  # below the floor a denoiser answers that holds no record

    def norm(images: np.ndarray, labels: np.ndarray) -> np.ndarray:  # copies, here and below: workers share theirs
        return denoiser_norm(denoise, scale(np.array(images)), labels, sigma=low)

    def error(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return t_error(denoise, scale(np.array(images)), labels, steps=4)

    return {DENOISER_NORM.name: norm, T_ERROR.name: error}


def _searching(generator: object, snapshot: Snapshot | None) -> dict[str, RecordScore]:
    if not isinstance(generator, GanGenerator):
        return {}  # an image of the diffusion model is many passes: to go back through them costs more than it tells
    render, latents, scale = generator.renderer(snapshot), (generator.config.latent,), partial(_scaled, generator)
    return {
        INVERSION.name: lambda images, labels: latent_inversion(render, scale(images), labels, latents=latents, search=_SEARCH)
    }


def _scaled(generator: StoredGenerator, images: np.ndarray) -> torch.Tensor:
    return to_input(torch.from_numpy(np.array(images)), generator.device)


def _together(found: Sequence[Mapping[str, RecordScore]]) -> dict[str, RecordScore]:
    """Every attack once."""
    names = dict.fromkeys(name for scores in found for name in scores)
    return {name: _mean([scores[name] for scores in found if name in scores]) for name in names}


def _mean(scores: Sequence[RecordScore]) -> RecordScore:
    if len(scores) == 1:
        return scores[0]
    return lambda images, labels: np.mean([_standardised(score(images, labels)) for score in scores], axis=0)


def _standardised(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))
