"""Kills, power cuts, damaged files, stops, long soaks and hostile files: what must never lose, mix or let pass anything.

    python -m benchmarks.reliability                    (a few minutes: a sample of the points of every harness)
    python -m benchmarks.reliability --full             (hours: every point)
    python -m benchmarks.reliability kill damage        (some harnesses)
    python -m benchmarks.reliability --full memory      (hostile small files of every loader: some twenty minutes)

Rows go to results/reliability.json: harness, case, points, survived (finished with the same bits), named (one line with the
file or the cause, and a remedy that works), silent (finished with other bits), tracebacks. Of memory a row is a kind of file:
megabytes (2^20 bytes) at the peak, above what the process has after its imports (those in `_memory.LIBRARIES`), and their bound.
"""
