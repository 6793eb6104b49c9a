"""What every training loop shares: checkpoints, the stream of batches, and the report it writes now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from upcycle._random import derive_seed, numpy_rng

Report = Callable[[int, Mapping[str, float]], None]
"""Called now and then by a loop with (images seen, metrics)."""


def silent(images_seen: int, metrics: Mapping[str, float]) -> None:
    """The report that reports nothing."""


class Checkpoint:
    """A loop's resume state in one file of plain tensors and numbers, replaced atomically.

    `path` None keeps nothing. `due()` is true every `seconds`; when it is written has no influence on any result.
    """

    def __init__(self, path: Path | None, *, seconds: float = 20.0) -> None:
        self._path, self._seconds, self._last = path, seconds, time.monotonic()

    def due(self) -> bool:
        return self._path is not None and time.monotonic() - self._last >= self._seconds

    def save(self, state: Mapping[str, Any]) -> None:
        if self._path is not None:
            save_tensors(self._path, state)
            self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last saved state, or None at the start. Opens plain tensors only, never code."""
        if self._path is None or not self._path.exists():
            return None
        return dict(torch.load(self._path, map_location="cpu", weights_only=True))

    def remove(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def save_tensors(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state` so that a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(dict(state), partial)
    os.replace(partial, path)


def stream(n: int, seed: int, key: str, start: int, count: int) -> np.ndarray:
    """Indices start..start+count-1 of an endless stream of shuffled passes over n records; int64 (count,).

    A pass depends on (seed, key, its number) only, so a resumed loop and a loop with another batch size see the same order.
    """
    parts = []
    while count > 0:
        epoch, offset = divmod(start, n)
        part = numpy_rng(seed, key, "pass", epoch).permutation(n)[offset : offset + count]
        parts.append(part)
        start, count = start + len(part), count - len(part)
    return np.concatenate(parts)


def seed_step(seed: int, stage: str, images_seen: int) -> torch.Generator:
    """The generator of one step; torch's global one (dropout, initial weights) is seeded alike."""
    torch.manual_seed(derive_seed(seed, stage, "global", images_seen))
    return torch.Generator().manual_seed(derive_seed(seed, stage, images_seen))
