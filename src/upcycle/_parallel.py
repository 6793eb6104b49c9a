"""Data-parallel training. Under torchrun the first process does the command; the others work out gradients for it.

The first process makes every batch as it would alone, keeps all state and writes all files. Where a loop asks for the loss of a
batch (`Shared`), every process is sent the weights and a share of the rows, and answers with its loss and gradient. So neither
the images of a batch nor their views and noise depend on the number of processes, the others have nothing to save or to lose,
and results differ from those of one process by the order in which floats are added. Two things are not sums over rows. The
moments of batch normalisation are taken over all shares (`WholeBatch`), and dropout draws for the whole batch (`drawn`).

Hugging Face accelerate and DistributedDataParallel would have every process do the whole command: read the data, hold the
optimiser, agree on when to stop, write no file. Of what they add, the sum of the gradients would be left, which is one line
here. The moments of batch normalisation over several CPUs neither of them has.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from upcycle._whole_batch import WholeBatch
from upcycle.errors import ResourceError

_MEETING: Final = timedelta(minutes=10)  # to find one another
_WORK: Final = timedelta(days=365)  # between two orders: what the first process does alone may take days
_NO_MEETING = (
    "processes of torchrun must reach one another. Got no connection. Check the address, or name the network in "
    "GLOO_SOCKET_IFNAME."
)
_LOST = "processes of torchrun must all work to the end. Got one that ended before. See what it said; the same command resumes."

Loss = Callable[..., Tensor]
"""(network, *tensors of as many rows) -> the mean over the rows, or a value for each of them."""


class LostError(ResourceError):
    """Another process has gone."""


class _Team:
    """All processes of one torchrun. They call every method together, in the same order."""

    def __init__(self) -> None:
        try:
            dist.init_process_group("gloo", timeout=_MEETING)
            self._group = dist.new_group(timeout=_WORK)
        except RuntimeError as error:
            raise ResourceError(_NO_MEETING) from error
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.taught: object = None  # the Shared whose network and loss the others hold

    def order(self, each: Sequence[Any] = ()) -> Any:
        """What the first process has for this one."""
        mine = [None]
        with _answered():
            dist.scatter_object_list(mine, list(each) or None, src=0, group=self._group)
        return mine[0]

    def hand_down(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite `tensors` with those of the first process."""
        flat = _flat(tensors)
        with _answered():
            dist.broadcast(flat, 0, group=self._group)
        if self.rank:
            _spread(flat, tensors)

    def hand_up(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite those of the first process with the sums over all."""
        flat = _flat(tensors)
        with _answered():
            dist.reduce(flat, 0, group=self._group)
        if not self.rank:
            _spread(flat, tensors)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        total = tensor.clone()
        with _answered():
            dist.all_reduce(total, group=self._group)
        return total

    def shares(self, rows: int) -> list[slice]:
        """Which rows of a batch each process takes."""
        return [slice(a, b) for a, b in pairwise(rows * k // self.size for k in range(self.size + 1))]


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo says that a connection was closed
        raise LostError(_LOST) from error


@torch.no_grad()
def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.reshape(-1) for t in tensors])


@torch.no_grad()
def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    for t, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        t.copy_(part.view(t.shape))


@dataclass(frozen=True)
class _Learn:
    """Take this network and this loss."""

    net: nn.Module
    loss: Loss
    threads: int


@dataclass(frozen=True)
class _Answer:
    """Work out the loss of these rows, the `share` of a batch of `rows`; `state` is that of torch's random numbers."""

    rows: int
    share: slice
    batch: tuple[Tensor, ...]
    state: Tensor


@dataclass(frozen=True)
class _Derive:
    """Work out the derivative of that loss, times this."""

    factor: Tensor


@dataclass(frozen=True)
class _End:
    """The command is done."""


_team: _Team | None = None
_alone = False
_share: tuple[int, slice] | None = None  # rows of the batch that is worked on, and which of them this process has


@contextlib.contextmanager
def leading(tune: Callable[[int], object]) -> Iterator[bool]:
    """Meet the other processes of torchrun. True in the first, which they help from then on; False in the others, when the
    first has done all. `tune` sets the number of threads."""
    global _team
    _team = team = _Team()
    try:
        if team.rank:
            _follow(team, tune)
        yield not team.rank
        if not team.rank:  # after an error the others notice that the connection is gone, wherever they are
            team.order([_End()] * team.size)
        dist.destroy_process_group()
    finally:
        _team = None


def _follow(team: _Team, tune: Callable[[int], object]) -> None:
    """Do what the first process orders, to the end."""
    net, loss, found = nn.Module(), _no_loss, torch.empty(0)
    while not isinstance(order := team.order(), _End):
        if isinstance(order, _Learn):
            net, loss = order.net, order.loss
            tune(order.threads)
        elif isinstance(order, _Answer):
            torch.set_rng_state(order.state)
            team.hand_down(_state(net))
            found = _answer(team, net, loss, order)
            team.hand_up([found.detach()])
        elif isinstance(order, _Derive):
            team.hand_up(_known(_gradients(net, found, order.factor), net))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Meanwhile the first process does all by itself."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def processes() -> int:
    """How many torchrun has started."""
    return 1 if _team is None else _team.size


def processes_here() -> int:
    """How many of them share the cores of this machine."""
    return 1 if _team is None else int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def drawn(rows: int) -> tuple[int, slice]:
    """For how many rows to draw random numbers where `rows` are at hand, and which of them to use."""
    return (rows, slice(None)) if _share is None else _share


class Shared:
    """The loss of a batch, which all processes of torchrun work out together, each for its share of the rows; alone, a call of
    `loss`. It and the network must be picklable, and no row's answer may depend on another row but by batch normalisation."""

    def __init__(self, net: nn.Module, loss: Loss) -> None:
        self._net, self._loss = net, loss

    def __call__(self, *batch: Tensor) -> Tensor:
        """`loss(net, *batch)`; its derivatives by the weights are those over the whole batch, too."""
        aside = _alone or threading.current_thread() is not threading.main_thread()
        if _team is None or aside or len(batch[0]) < _team.size:
            return self._loss(self._net, *batch)
        if _team.taught is not self:
            _team.order([_Learn(self._net, self._loss, torch.get_num_threads())] * _team.size)
            _team.taught = self
        found = _Together.apply(_team, self._net, self._loss, batch, *_learning(self._net))  # type: ignore[no-untyped-call]
        return cast(Tensor, found)


class _Together(torch.autograd.Function):
    """The first process's side of `_follow`."""

    @staticmethod
    def forward(ctx: Any, team: _Team, net: nn.Module, loss: Loss, batch: tuple[Tensor, ...], *_: Tensor) -> Tensor:
        rows, state = len(batch[0]), torch.get_rng_state()
        orders = [_Answer(rows, share, tuple(t[share].clone() for t in batch), state) for share in team.shares(rows)]
        team.order(orders)
        team.hand_down(_state(net))
        ctx.team, ctx.net, ctx.found = team, net, _answer(team, net, loss, orders[0])
        whole: Tensor = ctx.found.detach().clone()
        team.hand_up([whole])
        return whole

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> Any:
        ctx.team.order([_Derive(factor)] * ctx.team.size)
        mine = _gradients(ctx.net, ctx.found, factor)
        total = _known(mine, ctx.net)
        ctx.team.hand_up(total)
        return None, None, None, None, *(None if m is None else t for m, t in zip(mine, total, strict=True))


def _answer(team: _Team, net: nn.Module, loss: Loss, order: _Answer) -> Tensor:
    """What a share adds to the loss of the batch: to the mean, or to the values of all rows."""
    global _share
    _share = order.rows, order.share
    try:
        with torch.enable_grad(), WholeBatch(team.total):
            found = loss(net, *order.batch)
            before, after = order.share.start, order.rows - order.share.stop
            share = 1 - (before + after) / order.rows
            part: Tensor = F.pad(found, (before, after)) if found.ndim else found * share
            return part
    finally:
        _share = None


def _no_loss(*_: Any) -> Tensor:
    raise RuntimeError("an order to learn comes before one to answer")


def _learning(net: nn.Module) -> list[nn.Parameter]:
    return [p for p in net.parameters() if p.requires_grad]


def _state(net: nn.Module) -> list[Tensor]:
    """The weights, and whatever else changes while a network learns; not the counters of batch normalisation."""
    return [t for t in (*net.parameters(), *net.buffers()) if t.is_floating_point()]


def _gradients(net: nn.Module, found: Tensor, factor: Tensor) -> Sequence[Tensor | None]:
    """The derivatives of `found` by every weight, None where it has no part in it."""
    return torch.autograd.grad(found, _learning(net), factor, allow_unused=True)


def _known(gradients: Sequence[Tensor | None], net: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, _learning(net), strict=True)]
