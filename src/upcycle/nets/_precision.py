"""Mixed precision: convolutions in a shorter number format, everything that sums in float32 (Micikevicius et al. 2018)."""

from typing import cast

import torch
from torch import Tensor, nn


def mixed(net: nn.Module, dtype: torch.dtype, *inputs: Tensor) -> Tensor:
    """`net(*inputs)` in float32, its convolutions and matrix products computed in `dtype`; weights stay float32."""
    if dtype == torch.float32:
        return cast(Tensor, net(*inputs))
    with torch.autocast(inputs[0].device.type, dtype=dtype):
        return cast(Tensor, net(*inputs)).float()
