"""The border between two classes: from which probability on the second one is answered, chosen on the validation split. It
becomes part of the last layer's bias, so that whoever uses the weights, or a program made of them, answers by it."""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from upcycle.config import Objective
from upcycle.recycle._objective import ACCURACY

_TRIED: Final = 200  # borders at most


def choose_border(objective: Objective, logits: np.ndarray, labels: np.ndarray) -> float:
    """Log-odds of the second of two classes from which on it is answered; 0 is even.

    Of the borders between answers, the one whose gain over an even border is largest less its standard error; 0 where none has
    a gain beyond that, since on few images the best border is mostly luck. The gain is that of `objective`; the area under the
    curve knows no border, and takes that of balanced accuracy. logits (n, 2), labels (n,).
    """
    odds = logits[:, 1].astype(np.float64) - logits[:, 0]
    there = [np.flatnonzero(labels == label) for label in (0, 1)]
    if min(map(len, there)) < 2:
        return 0.0
    weights = [len(rows) / len(labels) if objective == ACCURACY else 0.5 for rows in there]
    tried = _between(odds)
    gains = ((odds > tried[:, None]) == labels).astype(float) - ((odds > 0) == labels)
    mean = sum(w * gains[:, rows].mean(1) for w, rows in zip(weights, there, strict=True))
    error = np.sqrt(sum(w**2 * gains[:, rows].var(1, ddof=1) / len(rows) for w, rows in zip(weights, there, strict=True)))
    sure = mean - error
    best = np.flatnonzero(sure >= sure.max() - 1e-9)
    nearest = best[np.abs(tried[best]).argmin()]
    return float(tried[nearest]) if sure[nearest] > 1e-9 else 0.0


def _between(odds: np.ndarray) -> np.ndarray:
    """Middles between neighbouring answers, evenly chosen where there are many."""
    values = np.unique(odds)
    middles = (values[1:] + values[:-1]) / 2
    if len(middles) > _TRIED:
        middles = middles[np.linspace(0, len(middles) - 1, _TRIED).round().astype(int)]
    return middles if len(middles) else np.zeros(1)


@torch.no_grad()
def move_border(net: nn.Module, border: float, probe: Tensor) -> bool:
    """Shift the answers of `net` so that the border at log-odds `border` lies at 0; whether that was possible: it is where the
    logits come from a last linear layer with a bias, which is tried on `probe` float (n, channels, side, side)."""
    layers = [m for m in net.modules() if isinstance(m, nn.Linear) and m.out_features == 2 and m.bias is not None]
    if not layers:
        return False
    net.eval()
    bias: Tensor = layers[-1].bias
    shift = torch.tensor([border / 2, -border / 2], device=bias.device)
    before = net(probe)
    bias.add_(shift)
    if torch.allclose(net(probe), before + shift, atol=1e-3):
        return True
    bias.sub_(shift)
    return False
