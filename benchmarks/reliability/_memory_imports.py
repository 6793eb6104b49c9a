"""Imported once by the server from which the processes of the harness are forked: they begin with these libraries, and nothing else."""

from benchmarks.reliability._memory import preload

preload()
