"""The workers of a Dask scheduler."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar

from upcycle.engine._worker import placed
from upcycle.errors import ConfigError, ResourceError

_PATIENCE: Final = 5.0  # seconds
_LONGEST: Final = 1 << 30  # bytes of a greeting: a scheduler sends well below a hundred
_LOST: Final = 3  # times that one result may be lost with the worker that kept it
_DEAD: Final = (
    "a Dask worker must live until its work is done. Got several dead ones for one piece. "
    "The machine may be short of memory: give fewer --jobs."
)
_Result = TypeVar("_Result")


@contextmanager
def opened_dask(engine: str, host: str, port: int) -> Iterator[_Dask]:
    """The scheduler at `host` and `port`. Raises ConfigError where it has no workers, or some of several threads."""
    from distributed import Client

    address = f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
    try:
        _greeted(host, port)
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"engine must be the address of a Dask scheduler. Got {engine}, where something else answers. "
            "Give the one that `dask scheduler` printed."
        ) from error
    with client:
        threads = [worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
        if not threads or max(threads) > 1:
            # two pieces in one process would share its number of threads and its generators of random numbers
            got = f"workers of {max(threads)} threads" if threads else "no worker"
            raise ConfigError(
                f"{engine} must have workers of one thread each. Got {got}. Start them by: dask worker ADDRESS --nthreads 1."
            )
        yield _Dask(client, len(threads))


def _greeted(host: str, port: int) -> None:
    """A scheduler speaks first, the length of its greeting before it; a client would wait for ever for that of something else.
    Raises OSError without one."""
    with socket.create_connection((host, port), timeout=_PATIENCE) as connection:
        said = connection.recv(8, socket.MSG_WAITALL)
        if len(said) < 8 or not 0 < int.from_bytes(said, "little") < _LONGEST:
            raise ConnectionError("no greeting of a scheduler")


class _Dask:
    def __init__(self, client: Any, workers: int) -> None:
        self._client, self.workers = client, workers

    def on_each(self, work: Callable[[Any], _Result], piece: Any) -> Sequence[_Result]:
        return list(self._client.run(work, piece).values())

    def results(
        self, work: Callable[[Any, Any], _Result], shared: Any, pieces: Mapping[int, Any], jobs: int, threads: int
    ) -> Iterator[tuple[int, _Result]]:
        from distributed import CancelledError, as_completed

        kept = self._spread(shared)
        waiting = iter(pieces.items())
        sent = {self._sent(work, kept, own, threads): own for own in islice(waiting, jobs or self.workers)}
        flying, lost = as_completed(list(sent), loop=self._client.loop), Counter[int]()
        try:
            for future in flying:
                own = sent.pop(future)
                try:
                    found = self._result(future)
                except CancelledError as error:  # a worker died with the answer, or with the only copy of what is shared
                    lost[own[0]] += 1
                    if lost[own[0]] > _LOST:
                        raise ResourceError(_DEAD) from error
                    kept = self._spread(shared) if kept.cancelled() else kept
                    again = [own]
                else:
                    future.release()  # what somebody still holds is done again when the worker that keeps it dies
                    yield found
                    again = list(islice(waiting, 1))
                for piece in again:
                    sent[self._sent(work, kept, piece, threads)] = piece
                    flying.add(next(reversed(sent)))
        finally:
            self._client.cancel(list(sent))

    def _spread(self, shared: Any) -> Any:
        return self._client.scatter(shared, broadcast=True, hash=False)

    def _sent(self, work: Callable[[Any, Any], Any], kept: Any, own: tuple[int, Any], threads: int) -> Any:
        return self._client.submit(placed, work, kept, *own, threads, pure=False)

    def _result(self, future: Any) -> tuple[int, Any]:
        from distributed.scheduler import KilledWorker

        try:
            found: tuple[int, Any] = future.result()
        except KilledWorker as error:
            raise ResourceError(_DEAD) from error
        return found
