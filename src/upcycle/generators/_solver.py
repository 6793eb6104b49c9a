"""Few-step multistep sampling of the probability-flow ODE: Adams-Bashforth on its derivative (Zhang & Chen 2023, iPNDM)."""

import itertools
from collections.abc import Callable

import numpy as np
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]

_ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float) -> np.ndarray:
    """Decreasing noise levels float64 (steps + 1,), the last one 0 (Karras et al. 2022, eq. 5)."""
    ramp = np.linspace(0, 1, steps) if steps > 1 else np.zeros(1)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return np.append((high + ramp * (low - high)) ** rho, 0.0)


def adams_bashforth(denoise: Denoise, x: Tensor, sigmas: np.ndarray, *, order: int) -> Tensor:
    """The solution at sigmas[-1] = 0 of dx/dsigma = (x - denoise(x, sigma)) / sigma from x at sigmas[0].

    One evaluation per step. Coefficients are the fixed ones of equal steps, as in iPNDM; the order grows from 1 while the
    history is short. The last step to 0 is plain Euler, which lands on the denoised image.
    """
    history: list[Tensor] = []
    for sigma, following in itertools.pairwise(sigmas[:-1].tolist()):
        history = [(x - denoise(x, sigma)).div_(sigma), *history][:order]
        for weight, past in zip(_ADAMS_BASHFORTH[len(history) - 1], history, strict=True):
            x = x.add(past, alpha=weight * (following - sigma))
    return denoise(x, float(sigmas[-2]))
