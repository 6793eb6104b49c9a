"""Dynamic Sample Filtering (as in GaFi, BMVC 2023): keep a drawn image only if the teacher finds the class asked for."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import nn

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

    @torch.inference_mode()
    def __call__(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        parts = [np.zeros(0, bool)]
        for start in range(0, len(images), _BATCH):
            part, asked = images[start : start + _BATCH], labels[start : start + _BATCH]
            padded = np.resize(part, (_BATCH, *part.shape[1:]))
            probabilities = self._teacher(to_input(torch.from_numpy(padded), self._device)).softmax(1)[: len(part)]
            top, choice = (t.cpu().numpy() for t in probabilities.max(1))
            parts.append((choice == asked) & (top > self._threshold))
        return np.concatenate(parts)
