"""How much better a denoiser knows its members than records it never saw: what tells that it has begun to remember them.

The images after which a denoiser draws well do not depend on the number of its records; those after which it remembers them,
and this gap opens, grow with it (Bonnaire et al. 2025, arXiv:2505.17638). In between there is a good place to stop.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from upcycle._random import derive_seed, indexed_normal
from upcycle.config import EdmConfig, GeneratorConfig, MixConfig
from upcycle.generators._contract import Generator, Snapshot
from upcycle.generators._edm import Denoise, EdmGenerator
from upcycle.generators._mix import MixGenerator
from upcycle.generators._stored import SAMPLE_BATCH

_LEVELS: Final = (0.1, 0.2, 0.4, 0.6)  # of noise: below them all images are told well, above them none is
_RECORDS: Final = 512  # of each side that are asked about at most

Records = tuple[np.ndarray, np.ndarray]
"""uint8 images (n, side, side, channels) and labels int64 (n,)."""


def gap_limit(config: GeneratorConfig) -> float:
    """The gap from which on no snapshot is drawn from, the smallest of a mix's members; 0 where there is none."""
    if isinstance(config, MixConfig):
        return min((limit for member in config.members if (limit := gap_limit(member.generator))), default=0.0)
    return config.gap_stop if isinstance(config, EdmConfig) else 0.0


def denoising_gap(
    generator: Generator, snapshot: Snapshot, members: Records, held_out: Records, apart: np.ndarray | None = None
) -> float:
    """Share by which the denoising loss on `members` lies below that on records `held_out`; 0 for a generator without a
    denoiser. Of several generators the largest share, each on the members that it learned: where they are `apart`, int64 (n,),
    those with other numbers than its own."""
    if isinstance(generator, MixGenerator):
        parts = enumerate(generator.parted(snapshot))
        return max(denoising_gap(part, part.snapshots()[-1], _learned(members, apart, k), held_out) for k, part in parts)
    if not isinstance(generator, EdmGenerator):
        return 0.0
    inside, outside = (_losses(generator, snapshot, records) for records in (members, held_out))
    return 1 - float(np.mean([inside[level] / outside[level] for level in inside]))


def _learned(members: Records, apart: np.ndarray | None, fold: int) -> Records:
    return members if apart is None else (members[0][apart != fold], members[1][apart != fold])


@torch.inference_mode()
def _losses(generator: EdmGenerator, snapshot: Snapshot, records: Records) -> Mapping[float, float]:
    """Mean squared error of the denoiser at every noise level from the generator's floor on. The noise of the k-th record is
    the same on both sides and for every snapshot."""
    denoise, scale = generator.denoiser(snapshot)
    rows = np.linspace(0, len(records[1]) - 1, min(_RECORDS, len(records[1]))).round().astype(np.int64)
    clean, labels = scale(np.ascontiguousarray(records[0][rows])), torch.from_numpy(records[1][rows]).to(generator.device)
    levels = [level for level in _LEVELS if level >= generator.config.noise_floor] or [generator.config.noise_floor]
    return {level: _loss(denoise, clean, labels, level) for level in levels}


def _loss(denoise: Denoise, clean: Tensor, labels: Tensor, level: float) -> float:
    drawn = indexed_normal(derive_seed(0, "gap", str(level)), np.arange(len(clean)), tuple(clean.shape[1:]))
    noisy, sigma = clean + level * torch.from_numpy(drawn).to(clean), clean.new_full((len(clean),), level)
    batches = zip(*(torch.split(values, SAMPLE_BATCH) for values in (clean, noisy, sigma, labels)), strict=True)
    errors = [(denoise(z, s, y) - x).square().flatten(1).mean(1) for x, z, s, y in batches]
    return float(torch.cat(errors).double().mean())
