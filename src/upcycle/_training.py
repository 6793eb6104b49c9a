"""What every training loop shares: its skeleton, checkpoints, the stream of batches, and the report it writes now and then."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from upcycle._files import durable_replace, seal, unsealed
from upcycle._random import derive_seed, numpy_rng
from upcycle.errors import DamagedFileError

_LOG = logging.getLogger("upcycle")

Report = Callable[[int, Mapping[str, float]], None]
"""Called now and then by a loop with (images seen, metrics)."""


def silent(images_seen: int, metrics: Mapping[str, float]) -> None:
    """The report that reports nothing."""


class Checkpoint:
    """A loop's resume state in one file of plain tensors and numbers, replaced durably.

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
        """The last saved state, or None at the start. Opens plain tensors only, never code.

        A damaged file is set aside as `resume.damaged`, which a log line says: the loop starts over, to the same result.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            return load_tensors(self._path)
        except DamagedFileError:
            os.replace(self._path, self._path.with_suffix(".damaged"))
            _LOG.warning("%s is damaged and was set aside: %s starts over", self._path, self._path.parent.name)
            return None

    def remove(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def save_tensors(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`, durably and with a hash: torch's own reader notices no changed byte."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(partial: Path) -> None:
        torch.save(dict(state), partial)
        seal(partial)

    durable_replace(path, write)


def load_tensors(path: Path) -> dict[str, Any]:
    """What `save_tensors` wrote. Raises DamagedFileError where it is cut or changed."""
    return dict(torch.load(io.BytesIO(unsealed(path)), map_location="cpu", weights_only=True))


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


Step = Callable[[int, torch.Generator], int]
"""One step of training: (images seen so far, random numbers of this step) -> images that the step saw."""


class Stateful(Protocol):
    """What a checkpoint holds: a network, an optimiser, an average."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Any, /) -> Any: ...


def fit(
    step: Step,
    parts: Mapping[str, Stateful],
    checkpoint: Checkpoint,
    *,
    seed: int,
    stage: str,
    budget: int,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Take steps until `budget` images were seen or `stop` says so; returns the images seen. Every training loop is this one.

    A step may change nothing that lasts but `parts`, and may draw random numbers only from its own generator. A fit that was
    killed then continues from its checkpoint with the same bits. The caller removes the checkpoint when the result is safe.
    """
    saved, seen = checkpoint.load(), 0
    if saved is not None:
        seen = int(saved["images_seen"])
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    while seen < budget and not stop():
        seen += step(seen, seed_step(seed, stage, seen))
        if checkpoint.due():
            checkpoint.save(state_of(parts, seen))
    return seen


def state_of(parts: Mapping[str, Stateful], images_seen: int) -> dict[str, Any]:
    """What `fit` saves after `images_seen`."""
    return {**{name: part.state_dict() for name, part in parts.items()}, "images_seen": images_seen}


def passed(every: int, before: int, seen: int, budget: int) -> bool:
    """Whether a multiple of `every` images, or the end, lies in the step from `before` to `seen`."""
    return before // every != seen // every or seen >= budget


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, *, clip: float | None = None) -> None:
    """One step of `optimizer` down the gradient of `loss`, whose norm is cut to `clip`."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
    optimizer.step()


def set_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Give every parameter group the learning rate `value`."""
    for group in optimizer.param_groups:
        group["lr"] = value
