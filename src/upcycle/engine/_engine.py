"""One loop over independent pieces of work, whichever engine does them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Final, Protocol, TypeVar

from upcycle.engine._address import reach
from upcycle.engine._worker import Worker, worker_here
from upcycle.errors import ConfigError

LOCAL: Final = "local"
_Shared = TypeVar("_Shared")
_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")
Work = Callable[[_Shared, _Piece], _Result]


class Engine(Protocol):
    """An engine whose workers can be used."""

    @property
    def workers(self) -> int:
        """Pieces of one thread that it can do at a time."""

    def on_each(self, work: Callable[[_Piece], _Result], piece: _Piece) -> Sequence[_Result]:
        """What `work` returns on every machine (Ray) or in every worker process."""

    def results(
        self, work: Work[_Shared, _Piece, _Result], shared: _Shared, pieces: Mapping[int, _Piece], jobs: int, threads: int
    ) -> Iterator[tuple[int, _Result]]:
        """The results with their keys, as they come. `shared` is sent to each machine once."""


def fan_out(
    work: Work[_Shared, _Piece, _Result],
    shared: _Shared,
    pieces: Sequence[_Piece],
    *,
    engine: str = LOCAL,
    jobs: int = 0,
    threads: int = 1,
) -> Iterator[tuple[int, _Result]]:
    """(Position, work(shared, piece)) of every piece, as each is done.

    `engine` is "local", "ray://HOST:PORT" or "dask://HOST:PORT"; `jobs` pieces are done at a time, 0: as many as it has cores;
    each has `threads`, 0: what its process has. One local job is done in this process. A worker that dies is replaced, and its
    piece is done again. Raises ConfigError for an engine that cannot be used (see `check_engine`), before any work starts.
    """
    by_place = dict(enumerate(pieces))
    if not by_place:
        return
    with _opened(engine) as workers:
        if engine != LOCAL:
            _same_code(workers, engine)
        yield from workers.results(work, shared, by_place, jobs, threads)


def remote(engine: str) -> bool:
    """Whether the workers may be other machines, which see only what they are sent and what lies on shared folders."""
    return engine != LOCAL


def workers_of(engine: str, jobs: int, pieces: int) -> int:
    """How many of `pieces` are done at a time, at least one. Raises ConfigError as `check_engine` does."""
    with _opened(engine) as found:
        return max(1, min(jobs or found.workers, pieces))


def check_engine(engine: str, folders: Sequence[str] = ()) -> None:
    """Raise ConfigError unless `engine` can be used: its name and address are well formed, its library is there, somebody
    answers, every worker runs this version of upcycle and sees each of `folders`."""
    with _opened(engine) as workers:
        if engine == LOCAL:
            return
        unseen = sorted({path for worker in _same_code(workers, engine, folders) for path in worker.unseen})
    if unseen:
        raise ConfigError(
            f"workers of {engine} must see the folders of this machine. Got none at {', '.join(unseen)} on some. "
            "Put them on a folder that all machines share, under the same name."
        )


def _same_code(workers: Engine, engine: str, folders: Sequence[str] = ()) -> list[Worker]:
    """Every worker; another version of upcycle would give other answers under the same name."""
    here, found = worker_here(()), workers.on_each(worker_here, tuple(folders))
    if others := sorted({worker.version for worker in found} - {here.version}):
        raise ConfigError(f"workers of {engine} must run {here.version}. Got {', '.join(others)}. Install the same one on all.")
    return list(found)


def _opened(engine: str) -> AbstractContextManager[Engine]:
    if engine == LOCAL:
        from upcycle.engine._local import Local

        return Local()
    found = re.fullmatch(r"(ray|dask)://([^/\s:]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", engine)
    if found is None or int(found[3]) > 65_535:
        raise ConfigError(
            f"engine must be local, ray://HOST:PORT or dask://HOST:PORT. Got {engine!r}. "
            "Give the address that `ray start --head` or `dask scheduler` prints."
        )
    library, host, port = found[1], found[2].strip("[]"), int(found[3])
    _need(library)
    reach(engine, host, port)
    if library == "ray":
        from upcycle.engine._ray import opened_ray

        return opened_ray(engine, host, port)
    from upcycle.engine._dask import opened_dask

    return opened_dask(engine, host, port)


def _need(library: str) -> None:
    if find_spec("distributed" if library == "dask" else library) is None:
        raise ConfigError(f"engine {library} must have its library installed. Got none. Run: pip install 'upcycle[{library}]'.")
