"""Several generators that share a bank (GaFi's MultiGAN): image i is drawn by one member, chosen by (seed, i) alone."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from upcycle._random import derive_seed, numpy_rng
from upcycle._training import Report
from upcycle.generators._contract import ImageShape, Snapshot
from upcycle.generators._stored import Draw, StoredGenerator

_BLOCK = 1_000  # every block of this many indices holds each member's share exactly, up to rounding


def members_of(seed: int, indices: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Which member draws each index; int64 (n,) in 0..len(shares)-1, a function of (seed, index).

    Systematic sampling in a shuffled block: of every 1,000 indices from a multiple of 1,000 on, a member with share p draws
    1,000 p, rounded up or down where that is not whole.
    """
    edges = np.round(np.cumsum(shares) / np.sum(shares) * _BLOCK, 9)
    out = np.empty(len(indices), np.int64)
    for block in np.unique(indices // _BLOCK):
        rng = numpy_rng(seed, "mix", "block", int(block))
        places = np.arange(_BLOCK) + rng.random()
        order = rng.permutation(np.searchsorted(edges, places, side="right").clip(max=len(shares) - 1))
        inside = indices // _BLOCK == block
        out[inside] = order[indices[inside] % _BLOCK]
    return out


@final
class MixGenerator(StoredGenerator):
    """Members are trained one after another, each on its part of the budget, and stored together in every snapshot. Where they
    are `apart`, int64 (images,), member k is given the images with other numbers than k only."""

    def __init__(
        self,
        shape: ImageShape,
        members: Sequence[StoredGenerator],
        shares: Sequence[float],
        *,
        budgets: Sequence[int],
        spreads: Sequence[float],
        device: str | torch.device = "cpu",
        apart: np.ndarray | None = None,
    ) -> None:
        """`shares`, `budgets` and `spreads` are relative, one per member."""
        super().__init__(shape, device)
        self.members, self.shares, self.budgets, self.spreads = members, shares, budgets, spreads
        self._apart = apart

    def parameter_count(self) -> int:
        """See StoredGenerator."""
        return sum(member.parameter_count() for member in self.members)

    def _train(self, images: np.ndarray, labels: np.ndarray, seed: int, budget: int, report: Report) -> None:
        folder, done = self._folder, 0
        if not self.finished(budget):
            for k, member in enumerate(self.members):
                part = -(-budget * self.budgets[k] // sum(self.budgets))
                own = None if folder is None else folder / f"member-{k}"
                told = _shifted(report, done)
                mine = slice(None) if self._apart is None else self._apart != k
                member.fit(images[mine], labels[mine], seed=derive_seed(seed, "mix", k), budget=part, resume=own, report=told)
                done += member.snapshots()[-1].images_seen
            self.keep_judge({f"{k}/{name}": t for k, m in enumerate(self.members) for name, t in m.judge().items()})
            self.gathered()
        if folder is not None:
            _remove(folder, len(self.members))

    def gathered(self) -> Self:
        """Itself with the members' snapshots as its own: one for every stage that all have, the last with the last."""
        count = min(len(member.snapshots()) for member in self.members)
        for stage in range(count, 0, -1):
            tensors, seen = dict[str, Tensor](), 0
            for k, member in enumerate(self.members):
                snapshot = member.snapshots()[-stage]
                tensors |= {f"{k}/{name}": t for name, t in member.tensors(snapshot).items()}
                seen += snapshot.images_seen
            self.keep(seen, tensors)
        return self

    def parted(self, snapshot: Snapshot | None = None) -> list[StoredGenerator]:
        """The members as they draw from `snapshot` (None: the last), each with that as its only one. Raises ConfigError before
        any fit."""
        tensors, judge = self.tensors(self.chosen(snapshot)), self.judge()
        return [member.holding(_of(tensors, k), _of(judge, k)) for k, member in enumerate(self.members)]

    def _open(self, tensors: Mapping[str, Tensor]) -> Draw:
        draws = [member._open(_of(tensors, k)) for k, member in enumerate(self.members)]

        def draw(labels: np.ndarray, rows: np.ndarray, seed: int, spread: float) -> np.ndarray:
            chosen = members_of(seed, rows, self.shares)
            out = np.empty((len(rows), self.shape.size, self.shape.size, self.shape.channels), np.uint8)
            for k, member_draw in enumerate(draws):
                mine = chosen == k
                out[mine] = member_draw(labels[mine], rows[mine], derive_seed(seed, "mix", k), spread * self.spreads[k])
            return out

        return draw


def folds_generator(members: Sequence[StoredGenerator], apart: np.ndarray | None = None) -> MixGenerator:
    """One generator for every fold, each trained without it on an equal part of the images seen, which draw equally many.
    `apart` int64 (images,), the fold of every image, is needed to fit."""
    same, first = [1] * len(members), members[0]
    return MixGenerator(first.shape, members, same, budgets=same, spreads=same, device=first.device, apart=apart)


def _of(tensors: Mapping[str, Tensor], member: int) -> dict[str, Tensor]:
    prefix = f"{member}/"
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _shifted(report: Report, before: int) -> Callable[[int, Mapping[str, float]], None]:
    """`report` for a member that starts after `before` images of the others."""
    return lambda images_seen, metrics: report(before + images_seen, metrics)


def _remove(folder: Path, members: int) -> None:
    """The members' own folders, which the gathered snapshots make needless."""
    for k in range(members):
        shutil.rmtree(folder / f"member-{k}", ignore_errors=True)
