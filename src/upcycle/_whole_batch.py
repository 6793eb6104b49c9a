"""Batch normalisation of a batch whose rows are spread over processes."""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Total = Callable[[Tensor], Tensor]
"""A tensor -> the sum of what all processes gave, the same for each."""


@final
class WholeBatch(TorchFunctionMode):
    """While active, batch normalisation in training takes its moments over the shares of all processes."""

    def __init__(self, total: Total) -> None:
        super().__init__()
        self._total = total

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.batch_norm and kwargs["training"]:
            return _batch_norm(self._total, *args, **kwargs)
        return func(*args, **(kwargs or {}))


def _batch_norm(
    total: Total,
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    *,
    momentum: float,
    eps: float,
    **affine: Any,
) -> Tensor:
    """As F.batch_norm in training, with the moments of the whole batch."""
    plain = {"weight": x.new_ones(x.shape[1]), "bias": x.new_zeros(x.shape[1])}
    weight, bias = (plain[name] if affine[name] is None else affine[name] for name in plain)
    found: tuple[Tensor, ...] = _Normalised.apply(x, weight, bias, eps, total)  # type: ignore[no-untyped-call]
    out, mean, var, count = found
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean.to(running_mean), momentum)
        running_var.lerp_((var * count / (count - 1)).to(running_var), momentum)
    return out


class _Normalised(torch.autograd.Function):
    """Batch normalisation (Ioffe & Szegedy 2015) over the shares of all processes: values, mean, variance and count."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, total: Total) -> tuple[Tensor, ...]:
        mean, var = (t.double() for t in torch.batch_norm_update_stats(x, None, None, 0.0))
        count = torch.full_like(mean, x.numel() / len(mean))
        count, first, second = total(torch.stack([count, mean * count, (var + mean**2) * count]))  # Chan et al. 1979
        mean = (first / count).to(weight)
        var = (second / count - (first / count) ** 2).to(weight)
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps, ctx.total = eps, total
        ctx.mark_non_differentiable(mean, var, count)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps), mean, var, count

    @staticmethod
    def backward(ctx: Any, factor: Tensor, *_: Any) -> Any:
        x, weight, mean, var, count = ctx.saved_tensors
        fixed = (mean, var, None, None, False, ctx.eps, [True, True, True])  # as if mean and variance did not follow from x
        by_x, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(factor, x, weight, *fixed)
        along, level = ctx.total(torch.stack([by_weight, by_bias]).double()) / count
        inverse = (var.double() + ctx.eps).rsqrt()
        slope = -weight * inverse**2 * along
        offset = -weight * inverse * level - slope * mean
        shape = (1, -1, *[1] * (x.ndim - 2))
        by_x += torch.addcmul(offset.to(mean).view(shape), x, slope.to(mean).view(shape))
        return by_x, by_weight, by_bias, None, None
