"""Labelling strategies: from the views a student sees to the labels it learns."""

from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle.nets import for_inference


class Labeller(Protocol):
    """Soft labels float (n, classes), rows summing to 1, for float views (n, channels, side, side) in [-1, 1].

    `asked` int64 (n,) is the class the generator was asked for, `source` int64 (n,) the fold that each image is
    most like, 0 where no labeller asks for it.
    """

    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor: ...


@final
class TeacherLabels:
    """One teacher's softmax at `temperature` on the very view the student sees (plain GKD)."""

    def __init__(self, teacher: nn.Module, *, temperature: float = 1.0) -> None:
        self._teacher, self._temperature = for_inference(teacher), temperature

    @torch.inference_mode()
    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:  # noqa: ARG002 - the strategy's signature
        logits: Tensor = self._teacher(views)
        return (logits / self._temperature).softmax(dim=1)


@final
class CommitteeLabels:
    """The mean of several teachers' softmaxes at `temperature` on the view the student sees (Lakshminarayanan et al. 2017)."""

    def __init__(self, teachers: Sequence[nn.Module], *, temperature: float = 1.0) -> None:
        self._members = [TeacherLabels(teacher, temperature=temperature) for teacher in teachers]

    @torch.inference_mode()
    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:
        return torch.stack([member(views, asked, source) for member in self._members]).mean(0)


@final
class AskedLabels:
    """The class the generator was asked for, as a one-hot row: what plain CAS trains on."""

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:  # noqa: ARG002
        return F.one_hot(asked, self._classes).to(views.dtype)


@final
class RoundedLabels:
    """Soft labels rounded to multiples of 1 / `levels`; one level gives the likeliest class as a one-hot row.

    What a teacher remembers of a record shows in digits that a student does not need. The largest remainders are rounded up,
    so that a row still sums to 1 (Hamilton's method).
    """

    def __init__(self, soft: Labeller, levels: int) -> None:
        self._soft, self._levels = soft, levels

    @torch.inference_mode()
    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:
        shares = self._soft(views, asked, source) * self._levels
        whole = shares.floor()
        left = (self._levels - whole.sum(1, keepdim=True)).round()
        rank = (shares - whole).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        return (whole + (rank < left)) / self._levels
