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
class HardLabels:
    """The teachers' first class, by their mean logits, as a one-hot row."""

    def __init__(self, teachers: Sequence[nn.Module]) -> None:
        self._teachers = [for_inference(teacher) for teacher in teachers]

    @torch.inference_mode()
    def __call__(self, views: Tensor, asked: Tensor, source: Tensor) -> Tensor:  # noqa: ARG002 - the strategy's signature
        logits = torch.stack([teacher(views) for teacher in self._teachers]).mean(0)
        return F.one_hot(logits.argmax(1), logits.shape[1]).to(views.dtype)
