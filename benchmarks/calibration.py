"""False alarms of every bound and of the verdict on audits where nothing leaks: python -m benchmarks.calibration.

`n` is the number of members and of non-members. `declared` is the error that the statistic promises; `excess_p` the
probability of so many alarms, or more, were it kept exactly.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import binom

from benchmarks._results import write
from upcycle.audit import (
    AttackScores,
    Endpoint,
    Rate,
    auc_p_value,
    audit_scores,
    delong_interval,
    epsilon_simultaneous,
    epsilon_split,
    gaussian_bound,
    label_permutation,
    one_run_bound,
    one_run_gaussian,
    split_rates,
    tpr_at_fpr,
    tpr_p_value,
    two_way_interval,
)

PIPELINES, CLASSES, CANARIES, PER_GROUP = 8, 10, 200, 4


def null_audit(n: int, seed: int) -> Iterator[tuple[str, float, bool]]:
    """(statistic, declared error, false alarm) of one audit of scores that know nothing."""
    rng = np.random.default_rng([seed, n])
    members = rng.permutation(np.arange(2 * n) < n)
    scores = rng.normal(size=2 * n)
    area = delong_interval(scores, members)
    yield "AUC, p < 0.05", 0.05, auc_p_value(scores, members) < 0.05
    yield "AUC, 95 % interval without 0.5", 0.05, not area.low <= 0.5 <= area.high
    for fpr in (0.01, 0.02) if n >= 300 else (0.02,):
        rate = tpr_at_fpr(scores, members, fpr)
        assert isinstance(rate, Rate)
        yield f"TPR at {fpr:g} FPR, p < 0.05", 0.05, tpr_p_value(scores, members, fpr) < 0.05
        yield f"TPR at {fpr:g} FPR, lower limit above it", 0.025, rate.low > fpr
        yield f"TPR at {fpr:g} FPR, upper limit below it", 0.025, rate.high < fpr
    halves = split_rates(scores, members, 0.05, seed=seed)
    yield "TPR and FPR by a split threshold, limits apart", 0.05, halves.tpr.low > halves.fpr.high
    yield "epsilon, split threshold", 0.05, epsilon_split(scores, members, seed=seed).low > 0
    yield "epsilon, simultaneous thresholds", 0.05, epsilon_simultaneous(scores, members).low > 0
    yield "mu of Gaussian DP, simultaneous thresholds", 0.05, gaussian_bound(scores, members).mu > 0
    coins, m = rng.random(2 * n) < 0.5, 2 * n
    yield "epsilon in one run, all guesses", 0.05, one_run_bound(scores, coins, seed=seed).low > 0
    yield (
        "epsilon in one run, three numbers of guesses",
        0.05,
        one_run_bound(scores, coins, guesses=(m, m // 2, m // 10)).low > 0,
    )
    yield "mu of Gaussian DP in one run", 0.05, one_run_gaussian(scores, coins, guesses=m // 2, seed=seed).mu > 0
    yield from _with_structure(n, rng, seed)
    yield from _verdicts(scores, members, rng, seed)


def _with_structure(n: int, rng: np.random.Generator, seed: int) -> Iterator[tuple[str, float, bool]]:
    """Patients, pipelines and canaries."""
    count = 2 * n // PER_GROUP
    groups = np.repeat(np.arange(count), PER_GROUP)
    members = np.repeat(rng.permutation(np.arange(count) < count // 2), PER_GROUP)
    scores = np.repeat(rng.normal(size=count), PER_GROUP) + 0.3 * rng.normal(size=len(groups))
    yield "AUC by patient, p < 0.05", 0.05, auc_p_value(scores, members, groups) < 0.05
    rate = tpr_at_fpr(scores, members, 0.05, groups=groups)
    if isinstance(rate, Rate):
        yield "TPR at 0.05 FPR by patient, lower limit above it", 0.025, rate.low > 0.05
    yield "epsilon by patient, split threshold", 0.05, epsilon_split(scores, members, seed=seed, groups=groups).low > 0
    records = max(2 * n // PIPELINES, 50)
    shared = rng.normal(size=records) + 0.3 * rng.normal(size=(PIPELINES, records))
    both = two_way_interval(shared, rng.random(shared.shape) < 0.5, seed=seed, resamples=200)
    assert isinstance(both, Rate)
    yield f"AUC over {PIPELINES} pipelines, two-way 95 % interval without 0.5", 0.05, not both.low <= 0.5 <= both.high
    canary_scores, drawn = rng.normal(size=(min(n, CANARIES), CLASSES)), rng.integers(CLASSES, size=min(n, CANARIES))
    yield "label permutation, p < 0.05", 0.05, label_permutation(canary_scores, drawn).p_value < 0.05


def _verdicts(
    scores: np.ndarray, members: np.ndarray, rng: np.random.Generator, seed: int
) -> Iterator[tuple[str, float, bool]]:
    """Five ignorant attacks, two of them alike, under either endpoint; the teacher leaks."""
    more = {f"attack {k}": rng.normal(size=len(scores)) for k in range(3)}
    student = AttackScores({"primary": scores, "near": scores + 0.5 * rng.normal(size=len(scores)), **more}, members)
    loud = {name: rng.normal(size=len(scores)) + 2 * members for name in student.scores}
    for name, endpoint in (("AUC", Endpoint("AUC", "primary")), ("TPR", Endpoint("TPR@1%FPR", "primary"))):
        result = audit_scores({"student": student, "teacher": AttackScores(loud, members)}, endpoint=endpoint, seed=seed)
        yield f"verdict LEAKS, primary endpoint {name}", 0.05, result.verdict == "LEAKS"
        yield f"verdict INVALID, primary endpoint {name}", 0.002, result.verdict == "INVALID"


def learned_audit(n: int, seed: int) -> Iterator[tuple[str, float, bool]]:
    """The five attacks of the package on logits that know nothing."""
    from upcycle.audit import TargetScores

    rng = np.random.default_rng([seed, n, 5])
    labels, members = rng.integers(3, size=2 * n), rng.permutation(np.arange(2 * n) < n)
    logits = rng.normal(size=(2 * n, 3)) + 2 * np.eye(3)[labels]
    result = audit_scores({"student": TargetScores(logits, labels, members)}, seed=seed)
    yield "verdict LEAKS, five attacks on logits", 0.05, result.verdict == "LEAKS"
    yield "verdict INVALID, five attacks on logits", 0.003, result.verdict == "INVALID"


def calibrate(n: int, audits: int, one: Callable[[int, int], Iterator[tuple[str, float, bool]]]) -> list[dict[str, object]]:
    """A row per statistic."""
    alarms: dict[str, int] = {}
    declared: dict[str, float] = {}
    start = time.perf_counter()
    for seed in range(audits):
        for name, error, alarm in one(n, seed):
            alarms[name] = alarms.get(name, 0) + bool(alarm)
            declared[name] = error
    print(f"n = {n}: {audits} audits in {time.perf_counter() - start:.0f} s", flush=True)
    return [
        {
            "statistic": name,
            "n": n,
            "audits": audits,
            "false_alarms": count,
            "share": count / audits,
            "declared": declared[name],
            "excess_p": float(binom.sf(count - 1, audits, declared[name])),
        }
        for name, count in alarms.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[200, 1000, 5000])
    parser.add_argument("--audits", type=int, default=500)
    parser.add_argument("--learned", action="store_true", help="the five attacks on logits instead: seconds per audit")
    options = parser.parse_args()
    for n in options.n:
        rows = calibrate(n, options.audits, learned_audit if options.learned else null_audit)
        write("calibration.json", rows, same=("statistic", "n"))
        for row in rows:
            mark = "  <-- above what is declared" if float(str(row["excess_p"])) < 0.001 else ""
            print(f"{row['share']:.3f} of {row['declared']}  {row['statistic']}, n = {n}{mark}")


if __name__ == "__main__":
    main()
