"""What every training loop shares: its skeleton, checkpoints, the stream of batches, and the report it writes now and then."""

import contextlib
import copy
import functools
import io
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from upcycle._files import durable_replace, seal, unsealed
from upcycle._random import derive_seed, numpy_rng
from upcycle.errors import DamagedFileError, TrainingError

_SLOWER: Final = "slower"  # in a parameter group: by what its learning rate is multiplied
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

    @property
    def good(self) -> Path | None:
        """Where the last sound state lies."""
        return None if self._path is None else self._path.with_name(f"{self._path.stem}.good{self._path.suffix}")

    @property
    def begun(self) -> bool:
        """Whether there is a state to go on from."""
        return self._path is not None and self._path.exists()

    def remove(self) -> None:
        for path in (self.good, self._path):
            if path is not None:
                path.unlink(missing_ok=True)


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
        part = _shuffled(n, seed, key, epoch)[offset : offset + count]
        parts.append(part)
        start, count = start + len(part), count - len(part)
    return np.concatenate(parts)


@functools.lru_cache(maxsize=2)  # every step asks for it: to shuffle n records at each took n^2 in a pass
def _shuffled(n: int, seed: int, key: str, epoch: int) -> np.ndarray:
    return numpy_rng(seed, key, "pass", epoch).permutation(n)


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

    A loss or a weight that is not finite takes the fit back, once, to the last eighth of its budget that was sound, at a tenth
    of the learning rate. Raises TrainingError where that does not help.
    """
    good = Good(checkpoint, parts, every=max(1, budget // 8))
    seen, taken = _restored(parts, checkpoint.load()), 0
    while True:
        try:
            while seen < budget and not stop():
                taken = step(seen, seed_step(seed, stage, seen))
                seen += taken
                good.offer(seen)
                if checkpoint.due():
                    checkpoint.save(state_of(parts, seen))
            check_finite(parts)
            return seen
        except NotFiniteError:
            if not _slow_down(parts, good):
                raise TrainingError(_diverged(stage, good.seen, seen + taken)) from None
            tried, seen = seen + taken, good.seen
            _LOG.warning(
                "%s: not finite between images %s and %s: going on from there at a tenth of the learning rate",
                stage,
                f"{seen:,}",
                f"{tried:,}",
            )


class NotFiniteError(ArithmeticError):
    """A loss or a weight is NaN or infinite."""


class Good:
    """The last sound state of a fit at fixed numbers of images, so that going back to it gives the same bits after a kill.

    It lies next to the checkpoint, or in memory where there is none.
    """

    def __init__(self, checkpoint: Checkpoint, parts: Mapping[str, Stateful], *, every: int) -> None:
        self._file, self._parts, self._every, self._kept = checkpoint.good, parts, every, dict[str, Any]()
        self.seen = -1
        if checkpoint.begun and self._file is not None and self._file.exists():
            with contextlib.suppress(DamagedFileError):
                self.seen = int(self.state()["images_seen"])
        if self.seen < 0:  # also where a fit begins again from nothing, whatever an earlier one left
            self._keep(0)

    def offer(self, seen: int) -> None:
        """Keep the state after `seen` images if it lies behind another mark and is sound."""
        if seen // self._every > self.seen // self._every:
            check_finite(self._parts)
            self._keep(seen)

    def state(self) -> dict[str, Any]:
        return load_tensors(self._file) if self._file is not None else copy.deepcopy(self._kept)

    def _keep(self, seen: int) -> None:
        self.seen = seen
        if self._file is not None:
            save_tensors(self._file, state_of(self._parts, seen))
        else:
            self._kept = copy.deepcopy(state_of(self._parts, seen))


def _restored(parts: Mapping[str, Stateful], saved: Mapping[str, Any] | None) -> int:
    """Give `parts` a saved state; the images seen by then."""
    if saved is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    return int(saved["images_seen"])


def check_finite(parts: Mapping[str, Stateful]) -> None:
    """Raise NotFiniteError where a network of `parts` has a weight that is not finite."""
    for part in parts.values():
        if isinstance(part, nn.Module) and not all(bool(torch.isfinite(p).all()) for p in part.parameters()):
            raise NotFiniteError


def _slow_down(parts: Mapping[str, Stateful], good: Good) -> bool:
    """Restore the parts and lower the rate of every optimiser among them; False where that was done before."""
    optimizers = [part for part in parts.values() if isinstance(part, torch.optim.Optimizer)]
    if not optimizers or any(_SLOWER in group for part in optimizers for group in part.param_groups):
        return False
    _restored(parts, good.state())
    for part in optimizers:
        for group in part.param_groups:
            group[_SLOWER] = 0.1  # it is saved with the optimiser, so that a resumed fit knows
    return True


def _diverged(stage: str, first: int, last: int) -> str:
    setting = "generator.lr" if stage.startswith("generator") else "teacher.lr"
    return (
        f"{stage} must learn with finite losses. Got one that is not between images {first:,} and {last:,}, also at a tenth of "
        f"the learning rate. Lower {setting}, in a new run folder."
    )


def state_of(parts: Mapping[str, Stateful], images_seen: int) -> dict[str, Any]:
    """What `fit` saves after `images_seen`."""
    return {**{name: part.state_dict() for name, part in parts.items()}, "images_seen": images_seen}


def passed(every: int, before: int, seen: int, budget: int) -> bool:
    """Whether a multiple of `every` images, or the end, lies in the step from `before` to `seen`."""
    return before // every != seen // every or seen >= budget


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, *, clip: float | None = None) -> None:
    """One step of `optimizer` down the gradient of `loss`, whose norm is cut to `clip`. Raises NotFiniteError, before anything
    changes, for a loss that is not finite."""
    if not math.isfinite(float(loss.detach())):
        raise NotFiniteError
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
    optimizer.step()


def set_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Give every parameter group the learning rate `value`, or a part of it after a loss that was not finite."""
    for group in optimizer.param_groups:
        group["lr"] = value * group.get(_SLOWER, 1.0)
