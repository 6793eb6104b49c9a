"""What the teacher says of drawn images: Dynamic Sample Filtering (as in GaFi, BMVC 2023) keeps one only if the teacher finds
the class asked for; mining looks for those of which it is least sure."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from upcycle.nets import for_inference, to_input

_BATCH = 256  # fixed and padded: the batch shape may change the last bit of a probability, and with it a decision


@final
class TeacherFilter:
    """Accepts the images whose class asked for is the teacher's first choice, with a probability above `threshold` in [0, 1).

    Called with uint8 images (n, height, width, channels) and classes (n,); returns bool (n,), image by image.
    """

    def __init__(self, teacher: nn.Module, threshold: float, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._teacher, self._threshold = for_inference(teacher).to(self._device), threshold

    def __call__(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        if not len(images):
            return np.zeros(0, bool)
        top, choice = _probabilities(self._teacher, images, self._device).max(1)
        return np.asarray((choice.numpy() == labels) & (top.numpy() > self._threshold))


@final
class TeacherDoubt:
    """Entropy of the teacher's answer in nats, float (n,), for uint8 images (n, height, width, channels)."""

    def __init__(self, teacher: nn.Module, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._teacher = for_inference(teacher).to(self._device)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(torch.special.entr(_probabilities(self._teacher, images, self._device)).sum(1).numpy())


@torch.inference_mode()
def _probabilities(teacher: nn.Module, images: np.ndarray, device: torch.device) -> Tensor:
    """Softmax float (n, classes) of uint8 images (n >= 1, ...)."""
    parts = []
    for start in range(0, len(images), _BATCH):
        part = images[start : start + _BATCH]
        padded = np.resize(part, (_BATCH, *part.shape[1:]))
        parts.append(teacher(to_input(torch.from_numpy(padded), device)).softmax(1)[: len(part)].cpu())
    return torch.cat(parts)
