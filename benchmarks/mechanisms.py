"""Mechanisms of known epsilon: how often the audit's lower bounds exceed the truth, and how near they come.

python -m benchmarks.mechanisms: an attack that sees the mechanism's own output on every record's membership, the strongest there
is. `share_above` must be at most the declared 5 %. The Gaussian mechanism has no finite epsilon at delta 0, at which rows of an audit
state theirs; its truth is the epsilon at `delta`, and bounds at delta 0 are compared with that, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks._results import write
from upcycle.audit.statistics import (
    Scores,
    epsilon_bound,
    epsilon_simultaneous,
    gaussian_bound,
    gaussian_epsilon,
    one_run_bound,
)

FPR, DELTA = 0.01, 1e-5
Mechanism = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Bound = Callable[[Scores, int], float]


def randomised_response(epsilon: float) -> Mechanism:
    """The bit, turned round with probability 1 / (1 + e^epsilon): exactly epsilon."""
    flip = 1 / (1 + np.exp(epsilon))
    return lambda members, rng: (members ^ (rng.random(len(members)) < flip)).astype(float)


def gaussian(mu: float) -> Mechanism:
    """The bit plus normal noise of standard deviation 1 / mu: exactly mu-GDP."""
    return lambda members, rng: members + rng.normal(scale=1 / mu, size=len(members))


BOUNDS: dict[str, Bound] = {
    "as a row of an audit reports it": lambda s, seed: epsilon_bound(s, FPR, seed=seed).low,
    "simultaneous thresholds": lambda s, _: epsilon_simultaneous(s).low,
    "one run, a quarter guessed": lambda s, seed: one_run_bound(s, guesses=len(s.values) // 4, seed=seed).low,
    "by mu of Gaussian privacy": lambda s, _: gaussian_epsilon(gaussian_bound(s).mu, DELTA),
}
CASES: tuple[tuple[str, float, float, Mechanism], ...] = (
    *((f"randomised response, epsilon {e:g}", e, 0.0, randomised_response(e)) for e in (0.5, 1.0, 2.0, 4.0)),
    *((f"Gaussian, mu {mu:g}", gaussian_epsilon(mu, DELTA), DELTA, gaussian(mu)) for mu in (0.5, 1.0, 2.0, 3.0)),
)


def found(mechanism: Mechanism, bound: Bound, n: int, repetitions: int) -> np.ndarray:
    """The bound in each repetition: 2 n records, and a fair coin for every one."""
    values = []
    for seed in range(repetitions):
        rng = np.random.default_rng([seed, n])
        members = rng.random(2 * n) < 0.5
        values.append(bound(Scores(mechanism(members, rng), members), seed))
    return np.array(values)


def rows(n: int, repetitions: int) -> Iterator[dict[str, Any]]:
    """A row for every mechanism and bound that speaks of it."""
    for name, truth, delta, mechanism in CASES:
        for label, bound in BOUNDS.items():
            if "Gaussian" in label and not delta:
                continue  # randomised response is not Gaussian
            bounds = found(mechanism, bound, n, repetitions)
            above = int((bounds > truth).sum())
            yield {
                "mechanism": name,
                "epsilon": truth,
                "delta": delta,
                "bound": label,
                "records": 2 * n,
                "repetitions": repetitions,
                "above": above,
                "share_above": above / repetitions,
                "median": float(np.median(bounds)),
                "median_share": float(np.median(bounds)) / truth,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000, help="half the number of records")
    parser.add_argument("--repetitions", type=int, default=200)
    asked = parser.parse_args()
    table = []
    for row in rows(asked.n, asked.repetitions):
        table.append(row)
        print(
            f"{row['mechanism']:32} {row['bound']:34} {row['share_above']:.3f} {row['median']:.2f} of {row['epsilon']:.2f}",
            flush=True,
        )
    write("mechanisms.json", table)


if __name__ == "__main__":
    main()
