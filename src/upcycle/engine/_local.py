"""Processes of this machine, by joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from upcycle.engine._worker import placed
from upcycle.errors import ResourceError

_DEATHS: Final = 3  # in a row without a piece done: the piece itself kills them
_Result = TypeVar("_Result")


class Local:
    """The cores of this machine; a context manager as the other engines are."""

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def workers(self) -> int:
        from joblib import cpu_count

        return int(cpu_count(only_physical_cores=True))

    def on_each(self, work: Callable[[Any], _Result], piece: Any) -> Sequence[_Result]:
        return [work(piece)]

    def results(
        self, work: Callable[[Any, Any], _Result], shared: Any, pieces: Mapping[int, Any], jobs: int, threads: int
    ) -> Iterator[tuple[int, _Result]]:
        workers = min(jobs or self.workers, len(pieces))
        if workers == 1:  # where an interrupt ends the piece at once
            yield from (placed(work, shared, place, piece, threads) for place, piece in pieces.items())
            return
        yield from _by_processes(work, shared, pieces, workers, threads)


def _by_processes(
    work: Callable[[Any, Any], _Result], shared: Any, pieces: Mapping[int, Any], workers: int, threads: int
) -> Iterator[tuple[int, _Result]]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left, deaths = dict(pieces), 0
    while left:
        tasks = [delayed(placed)(work, shared, place, piece, threads) for place, piece in left.items()]
        try:
            with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=threads or None):
                for place, result in Parallel(return_as="generator_unordered")(tasks):
                    del left[place]
                    deaths = 0
                    yield place, result
        except TerminatedWorkerError as error:
            deaths += 1
            if deaths == _DEATHS:
                raise ResourceError(
                    f"a worker process must live until its work is done. Got {deaths} dead ones in a row. "
                    "The machine may be short of memory: give fewer --jobs."
                ) from error
