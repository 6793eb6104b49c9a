"""Skipping records whose denoising loss is abnormally low: they are on the way to be remembered (anti-gradient control, Liu et
al. 2024, arXiv:2407.15328)."""

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

_RANGES: Final = 8  # of noise levels, each with its own usual loss
_SPAN: Final = (math.log(0.02), math.log(5.0))  # ln(sigma) that they divide; what lies outside counts to the outermost
_MEMORY: Final = 0.99  # of the usual loss, per batch


class UsualLoss:
    """The mean loss at every range of noise levels, over the last batches. Losses at one noise level are compared with nothing
    else: between levels they differ more than between records."""

    def __init__(self, share: float) -> None:
        """A loss below `share` of the usual one is skipped."""
        self.share, self.level = share, torch.full((_RANGES,), torch.nan)

    def without_low(self, errors: Tensor, sigma: Tensor) -> Tensor:
        """The mean of `errors` (n,) of images at noise levels `sigma` (n,), where those abnormally low count as 0: they teach
        nothing. All of them count for what is usual."""
        place = ((sigma.log() - _SPAN[0]) / (_SPAN[1] - _SPAN[0]) * _RANGES).long().clamp(0, _RANGES - 1).cpu()
        found = errors.detach().float().cpu()
        usual = self.level[place]  # of the batches before; NaN, which nothing is below, where there was none
        low = found < self.share * usual
        self._update(found, place)
        return (errors * (~low).to(errors)).mean()

    def _update(self, found: Tensor, place: Tensor) -> None:
        for k in sorted(set(place.tolist())):
            mean, before = found[place == k].mean(), self.level[k]
            self.level[k] = mean if bool(before.isnan()) else torch.lerp(mean, before, _MEMORY)

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed fit goes on from."""
        return {"level": self.level}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Go on from `state`."""
        self.level = state["level"].clone()
