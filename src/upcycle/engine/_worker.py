"""What a worker is, seen from inside it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from threadpoolctl import threadpool_limits

from upcycle._code_version import code_version

_Shared = TypeVar("_Shared")
_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Worker:
    """The `version` of the code that a worker runs, and those of the folders asked for that are `unseen` by it."""

    version: str
    unseen: tuple[str, ...]


def worker_here(folders: Sequence[str]) -> Worker:
    """The worker in which this is called."""
    return Worker(code_version(), tuple(path for path in folders if not Path(path).exists()))


def placed(
    work: Callable[[_Shared, _Piece], _Result], shared: _Shared, place: int, piece: _Piece, threads: int
) -> tuple[int, _Result]:
    """`place` and what the work returns, done with `threads` threads; 0: with those of the process."""
    with _of_threads(threads) if threads else nullcontext():
        return place, work(shared, piece)


@contextmanager
def _of_threads(threads: int) -> Iterator[None]:
    """Another number of threads adds sums in another order: the last bits would depend on the machine that does a piece."""
    import torch

    from upcycle._parallel import alone

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads), alone():
            yield
    finally:
        torch.set_num_threads(before)
