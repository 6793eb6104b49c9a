"""False alarms of every bound and of the verdict on audits where nothing leaks: python -m benchmarks.calibration.

`n` is the number of members and of non-members. `declared` is the error that the statistic promises; `excess_p` the
probability of that many alarms, or more, were it kept exactly; `simulation_error` the standard error of the share, were it
kept exactly. Audits of whole pipelines (--pipelines 1, 4, 6 or 8) take seconds each: --jobs does several side by side,
--minutes stops them, --more goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import binom

from benchmarks._null_pipelines import pipeline_audit
from benchmarks._results import MEASURED, RESULTS, write
from upcycle.audit import AttackScores, Endpoint, TargetScores, audit_scores
from upcycle.audit.statistics import (
    Rate,
    Scores,
    auc_interval,
    auc_p_value,
    epsilon_from_counts,
    epsilon_simultaneous,
    epsilon_split,
    gaussian_bound,
    label_permutation,
    one_run_at_threshold,
    one_run_bound,
    one_run_gaussian,
    tpr_at_fpr,
    tpr_p_value,
)

Alarm = tuple[str, float, bool]
Audit = Callable[[int, int], Iterator[Alarm]]
CLASSES, CANARIES, PER_GROUP = 10, 200, 4
_BLOCK = 50  # audits between two writes of the file, which a run that is cut off leaves behind


def null_audit(n: int, seed: int) -> Iterator[tuple[str, float, bool]]:
    """(statistic, declared error, false alarm) of one audit of scores that know nothing."""
    rng = np.random.default_rng([seed, n])
    members = rng.permutation(np.arange(2 * n) < n)
    scores = rng.normal(size=2 * n)
    area = auc_interval(Scores(scores, members))
    yield "AUC, p < 0.05", 0.05, auc_p_value(Scores(scores, members)) < 0.05
    yield "AUC, 95 % interval without 0.5", 0.05, not area.low <= 0.5 <= area.high
    for fpr in (0.01, 0.02) if n >= 300 else (0.02,):
        rate = tpr_at_fpr(Scores(scores, members), fpr)
        assert isinstance(rate, Rate)
        yield f"TPR at {fpr:g} FPR, p < 0.05", 0.05, tpr_p_value(Scores(scores, members), fpr) < 0.05
        yield f"TPR at {fpr:g} FPR, lower limit above it", 0.025, rate.low > fpr
        yield f"TPR at {fpr:g} FPR, upper limit below it", 0.025, rate.high < fpr
    yield "epsilon, split threshold", 0.05, epsilon_split(Scores(scores, members), seed=seed).low > 0
    yield "epsilon, simultaneous thresholds", 0.05, epsilon_simultaneous(Scores(scores, members)).low > 0
    yield "mu of Gaussian DP, simultaneous thresholds", 0.05, gaussian_bound(Scores(scores, members)).mu > 0
    coins, m = rng.random(2 * n) < 0.5, 2 * n
    yield "epsilon in one run, all guesses", 0.05, one_run_bound(Scores(scores, coins), seed=seed).low > 0
    yield (
        "epsilon in one run, three numbers of guesses",
        0.05,
        one_run_bound(Scores(scores, coins), guesses=(m, m // 2, m // 10)).low > 0,
    )
    yield "mu of Gaussian DP in one run", 0.05, one_run_gaussian(Scores(scores, coins), guesses=m // 2, seed=seed).mu > 0
    yield from _with_structure(n, rng, seed)
    yield from _verdicts(scores, members, rng, seed)


def _with_structure(n: int, rng: np.random.Generator, seed: int) -> Iterator[tuple[str, float, bool]]:
    """Patients, pipelines and canaries."""
    count = 2 * n // PER_GROUP
    groups = np.repeat(np.arange(count), PER_GROUP)
    members = np.repeat(rng.permutation(np.arange(count) < count // 2), PER_GROUP)
    scores = np.repeat(rng.normal(size=count), PER_GROUP) + 0.3 * rng.normal(size=len(groups))
    yield "AUC by patient, p < 0.05", 0.05, auc_p_value(Scores(scores, members, groups)) < 0.05
    rate = tpr_at_fpr(Scores(scores, members, groups), 0.05)
    if isinstance(rate, Rate):
        yield "TPR at 0.05 FPR by patient, lower limit above it", 0.025, rate.low > 0.05
    yield "epsilon by patient, split threshold", 0.05, epsilon_split(Scores(scores, members, groups), seed=seed).low > 0
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
        yield f"verdict INVALID, primary endpoint {name}", 0.003, result.verdict == "INVALID"


def learned_audit(n: int, seed: int) -> Iterator[tuple[str, float, bool]]:
    """The five attacks of the package on logits that know nothing."""
    rng = np.random.default_rng([seed, n, 5])
    labels, members = rng.integers(3, size=2 * n), rng.permutation(np.arange(2 * n) < n)
    logits = rng.normal(size=(2 * n, 3)) + 2 * np.eye(3)[labels]
    result = audit_scores({"student": TargetScores(logits, labels, members)}, seed=seed)
    yield "verdict LEAKS, five attacks on logits", 0.05, result.verdict == "LEAKS"
    yield "verdict INVALID, five attacks on logits", 0.003, result.verdict == "INVALID"


def hard_audit(n: int, seed: int) -> Iterator[Alarm]:
    """Verdicts where normal tails and equal groups are no help: ten members to one non-member, ten images a patient, one patient
    with a third of a side's images, and scores of two values or of mostly one."""
    rng = np.random.default_rng([seed, n, 13])
    few = max(n // 10, 16)
    uneven = np.arange(n + few) < n
    yield from _verdict("ten members to one non-member", {"a": rng.normal(size=n + few), "b": rng.normal(size=n + few)}, uneven)
    patients = max(n // 10, 8)
    sizes = np.full(2 * patients, 10)
    yield from _verdict("ten images a patient", *_patients(rng, sizes))
    sizes[[0, patients]] = 5 * (patients - 1)
    yield from _verdict("one patient with a third of the images", *_patients(rng, sizes))
    members = rng.permutation(np.arange(2 * n) < n)
    rare = (rng.permutation(2 * n) < max(n // 30, 4)).astype(np.float64)
    yield from _verdict("two values, one of them rare", {"a": rare}, members)
    yield from _verdict("two values, ten non-members to one member", {"a": rare}, np.arange(2 * n) < max(2 * n // 11, 16))
    mostly = rng.normal(size=2 * n) * (rng.random(2 * n) < 0.1)
    yield from _verdict("nine in ten at one value", {"a": mostly, "b": np.round(rng.normal(size=2 * n))}, members)


def _patients(rng: np.random.Generator, sizes: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Three attacks that are alike within patients, by 0.9; the first half of the patients are members."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    scores = {
        name: math.sqrt(0.9) * rng.normal(size=len(sizes))[groups] + math.sqrt(0.1) * rng.normal(size=len(groups))
        for name in ("a", "b", "c")
    }
    return scores, groups < len(sizes) // 2, groups


def _verdict(
    case: str, scores: dict[str, np.ndarray], members: np.ndarray, groups: np.ndarray | None = None
) -> Iterator[Alarm]:
    found = audit_scores({"student": AttackScores(scores, members, groups)})
    yield f"verdict LEAKS, {case}", 0.05, found.verdict == "LEAKS"
    yield f"verdict INVALID, {case}", 0.003, found.verdict == "INVALID"


def fixed_audit(n: int, seed: int) -> Iterator[Alarm]:
    """Bounds for a threshold or counts fixed beforehand: half of the records of either side are called members, and a tenth."""
    rng = np.random.default_rng([seed, n, 11])
    for share in (0.5, 0.1):
        found, false = (int(count) for count in rng.binomial(n, share, size=2))
        called = f"{share:g} of the records called members"
        yield f"epsilon from counts, {called}", 0.05, epsilon_from_counts(found, n, false, n) > 0
        scores, coins = rng.random(2 * n), rng.random(2 * n) < 0.5
        bound = one_run_at_threshold(Scores(scores, coins), 1 - share)
        yield f"epsilon in one run, threshold fixed beforehand, {called}", 0.05, bound.low > 0


def before(n: int, kind: str) -> dict[str, tuple[int, int]]:
    """(audits, false alarms) of every statistic of this `kind` and n that the file has already."""
    path = RESULTS / "calibration.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return {row["statistic"]: (row["audits"], row["false_alarms"]) for row in rows if row["n"] == n and row.get("kind") == kind}


def calibrate(
    n: int,
    audits: int,
    one: Audit,
    *,
    kind: str = "",
    minutes: float = math.inf,
    jobs: int = 1,
    done: Mapping[str, tuple[int, int]] | None = None,
) -> Iterator[list[dict[str, object]]]:
    """A row per statistic after every _BLOCK audits, up to `audits` in all, or fewer where the `minutes` are over; `done` are
    those of before."""
    seed = max((count for count, _ in (done or {}).values()), default=0)
    alarms = {name: count for name, (_, count) in (done or {}).items()}
    declared: dict[str, float] = {}
    end = time.perf_counter() + 60 * minutes
    with Parallel(n_jobs=jobs) as parallel:
        while seed < audits and time.perf_counter() < end:
            block = range(seed, min(seed + _BLOCK, audits))
            for name, error, alarm in chain.from_iterable(parallel(delayed(_listed)(one, n, k) for k in block)):
                alarms[name] = alarms.get(name, 0) + bool(alarm)
                declared[name] = error
            seed = block.stop
            yield [_row(name, kind, n, seed, alarms[name], error) for name, error in declared.items()]


def _listed(one: Audit, n: int, seed: int) -> list[Alarm]:
    return list(one(n, seed))


def _row(name: str, kind: str, n: int, audits: int, alarms: int, error: float) -> dict[str, object]:
    return {
        "statistic": name,
        **({"kind": kind} if kind else {}),
        "n": n,
        "audits": audits,
        "false_alarms": alarms,
        "share": alarms / audits,
        "declared": error,
        "simulation_error": math.sqrt(error * (1 - error) / audits),
        "excess_p": float(binom.sf(alarms - 1, audits, error)),
        "commit": MEASURED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[200, 1000, 5000])
    parser.add_argument("--audits", type=int, default=500)
    parser.add_argument("--learned", action="store_true", help="the five attacks on logits instead: seconds per audit")
    parser.add_argument("--fixed", action="store_true", help="bounds with a threshold fixed beforehand instead: milliseconds")
    parser.add_argument("--hard", action="store_true", help="uneven sides, patients and ties instead: a tenth of a second")
    parser.add_argument(
        "--pipelines", type=int, choices=(1, 4, 6, 8), help="audits of whole pipelines instead: seconds per audit"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="for each n")
    parser.add_argument("--jobs", type=int, default=1, help="audits side by side")
    parser.add_argument("--more", action="store_true", help="add to the audits of pipelines that the file has, up to --audits")
    options = parser.parse_args()
    named = {"learned": learned_audit, "fixed": fixed_audit, "hard": hard_audit}
    one, kind = next((audit for name, audit in named.items() if getattr(options, name)), null_audit), ""
    if options.pipelines:
        one, kind = partial(pipeline_audit, options.pipelines), f"pipelines {options.pipelines}"
    for n in options.n:
        done, rows = before(n, kind) if options.more and kind else {}, list[dict[str, object]]()
        for rows in calibrate(n, options.audits, one, kind=kind, minutes=options.minutes, jobs=options.jobs, done=done):
            write("calibration.json", rows, same=("statistic", "n"))
        for row in rows:
            mark = "  <-- above what is declared" if float(str(row["excess_p"])) < 0.001 else ""
            print(f"{row['share']:.3f} of {row['declared']}  {row['statistic']}, n = {n}{mark}", flush=True)


if __name__ == "__main__":
    main()
