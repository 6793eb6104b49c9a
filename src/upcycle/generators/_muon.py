"""Muon: steps along the nearest orthogonal matrix to the momentum (Jordan et al. 2024, kellerjordan.github.io/posts/muon).

torch.optim.Muon takes 2-D parameters alone and computes in bfloat16, whose bits differ between processors. Here convolutions
are matrices of (outer channels, everything else), in float32, and all other parameters of the same optimizer are AdamW's.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, final

import torch
from torch import Tensor

_STEPS: Final = 5
_QUINTIC: Final = (3.4445, -4.7750, 2.0315)  # of Jordan et al.: steepest at 0, so that 5 steps lift small singular values
_MOMENTUM: Final = 0.95
_ADAMW_RMS: Final = 0.2  # what AdamW's steps have, so that rates mean the same (Liu et al. 2025, arXiv:2502.16982)


def orthogonal(matrix: Tensor) -> Tensor:
    """`matrix` (m, n) with all its singular values near 1 (0.7 to 1.2), by Newton-Schulz steps.

    Each step multiplies by a polynomial of the Gram matrix, and these commute: all but the first and the last product are of
    the smaller side alone.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    scaled: Tensor = matrix / matrix.norm().clamp(min=1e-12)
    gram, (a, b, c) = scaled @ scaled.T, _QUINTIC
    total = one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    for _ in range(_STEPS):
        factor = a * one + b * gram + c * (gram @ gram)
        total, gram = factor @ total, factor @ gram @ factor
    return total @ scaled


@final
class Muon(torch.optim.AdamW):
    """AdamW, but for the convolutions among `parameters`."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; convolutions take theirs first and leave no gradient for AdamW."""
        assert closure is None, "no loop of ours has one"
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim == 4 and weight.grad is not None:
                    self._turn(weight, group)
        super().step()

    def _turn(self, weight: Tensor, group: dict[str, Any]) -> None:
        assert weight.grad is not None
        state, gradient = self.state[weight], weight.grad
        if not state:
            state.update(step=torch.zeros(()), momentum=torch.zeros_like(weight))
        momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        ahead = gradient.lerp(momentum, _MOMENTUM).flatten(1)
        size = _ADAMW_RMS * max(ahead.shape) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(orthogonal(ahead).view_as(weight), alpha=-group["lr"] * size)
        weight.grad = None


def optimizer(kind: str, parameters: Iterable[Tensor], **settings: Any) -> torch.optim.AdamW:
    """AdamW or, for "muon", Muon."""
    return (Muon if kind == "muon" else torch.optim.AdamW)(parameters, fused=True, **settings)
