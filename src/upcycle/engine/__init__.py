"""Where independent pieces of work are done: in processes of this machine, on a Ray cluster, or by the workers of Dask."""

from upcycle.engine._engine import LOCAL, check_engine, fan_out, remote, workers_of

__all__ = ["LOCAL", "check_engine", "fan_out", "remote", "workers_of"]
