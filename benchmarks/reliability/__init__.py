"""Kills, power cuts, damaged files, stops and long soaks: what must never lose, mix or let pass anything.

    python -m benchmarks.reliability                    (a few minutes: a sample of the points of every harness)
    python -m benchmarks.reliability --full             (hours: every point)
    python -m benchmarks.reliability kill damage        (some harnesses)

Rows go to results/reliability.json: harness, case, points, survived (finished with the same bits), named (one line with the
file or the cause, and a remedy that works), silent (finished with other bits), tracebacks.
"""
