"""A Ray cluster. Its tasks are used as they are: joblib's backend for Ray gives nothing before all is done, and loses every
piece when one worker dies."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar

from upcycle.engine._address import reach
from upcycle.engine._worker import placed
from upcycle.errors import ConfigError, ResourceError

_RETRIES: Final = 3
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_Result = TypeVar("_Result")


@contextmanager
def opened_ray(engine: str, host: str, port: int) -> Iterator[_Ray]:
    """The cluster whose head listens at `port`; a connection that the caller's process has already is used and left open."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ours = not ray.is_initialized()
    if ours:
        if host in _HERE:  # Ray takes the address of the network for it, and waits for minutes there
            reach(engine, ray.util.get_node_ip_address(), port)
        try:
            ray.init(address=f"{host}:{port}", log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"engine must be the head of a Ray cluster that this machine belongs to. Got {engine}, which cannot be joined. "
                f"Run ray start --address={host}:{port} on this machine first."
            ) from error
    try:
        yield _Ray(ray)
    finally:
        if ours:
            ray.shutdown()


class _Ray:
    def __init__(self, ray: Any) -> None:
        self._ray = ray

    @property
    def workers(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def on_each(self, work: Callable[[Any], _Result], piece: Any) -> Sequence[_Result]:
        """What `work` returns on every machine of the cluster."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self._ray.remote(num_cpus=0)(work)
        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        pinned = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
        return list(self._ray.get([task.options(scheduling_strategy=strategy).remote(piece) for strategy in pinned]))

    def results(
        self, work: Callable[[Any, Any], _Result], shared: Any, pieces: Mapping[int, Any], jobs: int, threads: int
    ) -> Iterator[tuple[int, _Result]]:
        task = self._ray.remote(num_cpus=max(1, threads), max_retries=_RETRIES)(placed)
        kept, waiting, flying = self._ray.put(shared), iter(pieces.items()), list[Any]()
        at_once = jobs or max(1, self.workers // max(1, threads))
        try:
            while True:
                flying += [task.remote(work, kept, *own, threads) for own in islice(waiting, at_once - len(flying))]
                if not flying:
                    return
                done, flying = self._ray.wait(flying, num_returns=1)
                yield self._result(done[0])
        finally:
            for reference in flying:
                self._ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> tuple[int, Any]:
        from ray.exceptions import RayTaskError, WorkerCrashedError

        try:
            found: tuple[int, Any] = self._ray.get(reference)
        except RayTaskError as error:
            raise error.cause from error
        except WorkerCrashedError as error:
            raise ResourceError(
                f"a Ray worker must live until its work is done. Got {_RETRIES + 1} dead ones for one piece. "
                "The machine may be short of memory: give fewer --jobs."
            ) from error
        return found
