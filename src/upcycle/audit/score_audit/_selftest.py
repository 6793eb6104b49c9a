"""Answers that are known beforehand, to be run on any machine before an audit is believed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from upcycle._arguments import typed
from upcycle.audit.attacks import loss_signal
from upcycle.audit.score_audit._audit import audit_scores
from upcycle.audit.score_audit._targets import AttackScores, TargetScores
from upcycle.audit.statistics import (
    Rate,
    Scores,
    auc,
    auc_interval,
    epsilon_cap,
    epsilon_simultaneous,
    epsilon_split,
    gaussian_bound,
    label_permutation,
    one_run_at_threshold,
    one_run_epsilon,
    tpr_at_fpr,
    upper_limit,
)
from upcycle.audit.verdict import Endpoint
from upcycle.errors import AuditInputError


@dataclass(frozen=True)
class Check:
    """One known answer: what was expected, what came, and whether that will do."""

    name: str
    expected: str
    got: str
    passed: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@typed()
def selftest(seed: int = 0) -> tuple[Check, ...]:
    """All checks, in a fixed order. Takes seconds; simulated ones are judged with their simulation error."""
    parts: tuple[Callable[[np.random.Generator], Iterator[Check]], ...] = (
        _perfect_and_null,
        _gaussian_shift,
        _mean_release,
        _bound_tables,
        _randomised_response,
        _gaussian_mechanism,
        _null_bounds,
        _canaries,
        _overfit,
        _verdicts,
        _faults,
    )
    return tuple(check for k, part in enumerate(parts) for check in part(np.random.default_rng([seed, k])))


def _close(name: str, expected: float, got: float, tolerance: float) -> Check:
    return Check(name, f"{expected:.4g} +- {tolerance:.2g}", f"{got:.4g}", abs(got - expected) <= tolerance)


def _most(name: str, limit: float, got: float) -> Check:
    return Check(name, f"<= {limit:.3g}", f"{got:.3g}", got <= limit)


def _least(name: str, limit: float, got: float) -> Check:
    return Check(name, f">= {limit:.3g}", f"{got:.3g}", got >= limit)


def _halves(n: int) -> np.ndarray:
    return np.arange(2 * n) < n


def _perfect_and_null(rng: np.random.Generator) -> Iterator[Check]:
    members = _halves(3000)
    perfect = members + 0.5 * rng.random(6000)
    yield _close("separable scores: AUC", 1, auc(Scores(perfect, members)), 0)
    for fpr in (0.01, 0.001):
        yield _close(f"separable scores: TPR at {fpr:g} FPR", 1, _value(tpr_at_fpr(Scores(perfect, members), fpr)), 0)
    yield _close("constant scores: AUC", 0.5, auc(Scores(np.zeros(6000), members)), 0)
    yield _close("constant scores: TPR at 0.01 FPR", 0, _value(tpr_at_fpr(Scores(np.zeros(6000), members), 0.01)), 0)
    rates = [auc_interval(Scores(rng.normal(size=400), _halves(200))) for _ in range(400)]
    yield _least("ignorant scores: AUC interval holds 0.5", 0.93, float(np.mean([r.low <= 0.5 <= r.high for r in rates])))


def _value(rate: object) -> float:
    return rate.value if isinstance(rate, Rate) else math.nan


def _gaussian_shift(_: np.random.Generator) -> Iterator[Check]:
    from scipy.special import ndtri

    grid = ndtri((np.arange(20_000) + 0.5) / 20_000)
    for shift, area, tpr in ((0.5, 0.6382, 0.0339), (1.0, 0.7602, 0.0924), (2.0, 0.9214, 0.3721)):
        scores, members = np.concatenate([grid + shift, grid]), _halves(20_000)
        yield _close(f"Gaussian shift {shift:g}: AUC", area, auc(Scores(scores, members)), 1e-4)
        yield _close(f"Gaussian shift {shift:g}: TPR at 0.01 FPR", tpr, _value(tpr_at_fpr(Scores(scores, members), 0.01)), 1e-3)


def _mean_release(rng: np.random.Generator) -> Iterator[Check]:
    for d, fresh, pool in ((25, 0.638, 0.691), (100, 0.760, 0.841)):
        yield _close(f"mean of 100 records of {d} numbers released: AUC", fresh, mean_release(rng, d, 100, 40, False), 0.025)
        yield _close("same, halves of one pool: AUC of the likelihood ratio", pool, mean_release(rng, d, 100, 40, True), 0.025)


def mean_release(rng: np.random.Generator, d: int, n: int, releases: int, pool: bool) -> float:
    """Mean AUC of <x, released mean> over releases of the mean of n records of N(0, I_d). With `pool`, members are half
    of one pool of 2n records whose mean the attacker knows, as shadow models made of halves do, which doubles the squared
    signal."""
    areas = []
    for _ in range(releases):
        records = rng.normal(size=(2 * n, d))
        mean = records[:n].mean(axis=0)
        centre = records.mean(axis=0) if pool else np.zeros(d)
        areas.append(auc(Scores((records - centre) @ (mean - centre), _halves(n))))
    return float(np.mean(areas))


def _bound_tables(_: np.random.Generator) -> Iterator[Check]:
    yield _close("cap of epsilon: 500 + 500, 99 %", 4.54, epsilon_cap(500, 500, confidence=0.99), 0.005)
    for n, cap, one_run, zero in ((500, 4.9, 5.1, 0.00597), (1000, 5.6, 5.8, 0.00299), (5000, 7.2, 7.4, 0.0006)):
        yield _close(f"cap of epsilon: {n} + {n}, 95 %", cap, epsilon_cap(n, n), 0.05)
        yield _close(f"cap of epsilon in one run: {n} canaries", one_run, one_run_epsilon(n, n, n), 0.05)
        yield _close(f"upper limit of 0 of {n}", zero, upper_limit(0, n, 0.05), 5e-6)


def _randomised_response(rng: np.random.Generator) -> Iterator[Check]:
    for epsilon, mean in ((1, 0.88), (2, 1.84), (4, 3.63)):
        bounds = []
        for _ in range(200):
            members = rng.random(1000) < 0.5
            answers = members ^ (rng.random(1000) < 1 / (1 + math.exp(epsilon)))
            bounds.append(one_run_at_threshold(Scores(answers.astype(float), members), 0.5).low)
        yield _close(f"randomised response, epsilon {epsilon}: mean one-run bound", mean, float(np.mean(bounds)), 0.05)
        yield _least(f"randomised response, epsilon {epsilon}: bound holds", 0.93, float(np.mean(np.array(bounds) <= epsilon)))


def _gaussian_mechanism(rng: np.random.Generator) -> Iterator[Check]:
    for mu in (0.5, 1.0, 2.0):
        members = _halves(200_000)
        got = gaussian_bound(Scores(rng.normal(size=400_000) + mu * members, members)).mu
        yield Check(
            f"Gaussian mechanism: mu bound of {mu:g}", f"{0.95 * mu:.3g} to {mu:.3g}", f"{got:.4g}", 0.95 * mu <= got <= mu
        )


def _null_bounds(rng: np.random.Generator) -> Iterator[Check]:
    members, audits = _halves(500), 200
    slack = 0.05 + 3 * math.sqrt(0.05 * 0.95 / audits)
    scores = [rng.normal(size=1000) for _ in range(audits)]
    split = np.mean([epsilon_split(Scores(s, members), seed=k).low > 0 for k, s in enumerate(scores)])
    corrected = np.mean([epsilon_simultaneous(Scores(s, members)).low > 0 for s in scores])
    yield _most("ignorant scores: split bound on epsilon above 0", slack, float(split))
    yield _most("ignorant scores: corrected bound on epsilon above 0", slack, float(corrected))


def _canaries(rng: np.random.Generator) -> Iterator[Check]:
    scores, drawn = rng.normal(size=(50, 9)), rng.integers(9, size=50)
    excluded = [label_permutation(scores, rng.integers(9, size=50)).p_value for _ in range(200)]
    yield _close("label permutation, excluded canaries: mean p", 0.5, float(np.mean(excluded)), 0.07)
    remembered = np.flatnonzero(rng.random(50) < 0.74)
    scores[remembered, drawn[remembered]] += 8
    yield _most("label permutation, 74 % of 50 canaries remembered: p", 1e-6, label_permutation(scores, drawn).p_value)


def _overfit(rng: np.random.Generator) -> Iterator[Check]:
    from sklearn.neural_network import MLPClassifier

    images, labels, members = rng.normal(size=(400, 20)), rng.integers(20, size=400), _halves(200)
    net = MLPClassifier((64,), solver="lbfgs", alpha=0, max_iter=300, random_state=0).fit(images[members], labels[members])
    losses = loss_signal(np.log(np.clip(net.predict_proba(images), 1e-300, 1)), labels)
    yield _close("overfit net on random labels: training accuracy", 1, net.score(images[members], labels[members]), 0)
    yield _least("overfit net on random labels: AUC of the loss", 0.95, auc(Scores(losses, members)))
    yield _close(
        "same with swapped membership: sum of both AUCs", 1, auc(Scores(losses, members)) + auc(Scores(losses, ~members)), 1e-9
    )
    fresh = np.tanh(images @ rng.normal(size=(20, 64)) / 4) @ rng.normal(size=(64, 20)) / 8
    rate = auc_interval(Scores(loss_signal(fresh, labels), members))
    yield Check("net at initialisation: AUC interval holds 0.5", "0.5 inside", str(rate), rate.low <= 0.5 <= rate.high)


def _verdicts(rng: np.random.Generator) -> Iterator[Check]:
    members, plan = rng.permutation(_halves(1500)), Endpoint("TPR@1%FPR", "ratio", "canary")
    still, loud = (AttackScores({"ratio": rng.normal(size=3000) + d * members}, members) for d in (0.0, 2.0))
    few = AttackScores({"ratio": rng.normal(size=200)}, _halves(100))
    for expected, targets in (
        ("LEAKS", {"student": loud}),
        ("NO LEAK FOUND", {"student": still, "teacher": loud}),
        ("INCONCLUSIVE", {"student": few}),
        ("INVALID", {"student": still, "blind": loud}),
    ):
        got = audit_scores(targets, endpoint=plan).verdict
        yield Check(f"verdict {expected}", expected, got, got == expected)


def _faults(rng: np.random.Generator) -> Iterator[Check]:
    members, logits, labels = _halves(50), rng.normal(size=(100, 3)), np.arange(100) % 3
    broken = np.where(np.arange(100)[:, None] == 3, np.nan, logits)
    cases: dict[str, Callable[[], object]] = {
        "NaN logits": lambda: audit_scores({"student": TargetScores(broken, labels, members)}),
        "a record on both sides": lambda: audit_scores(
            {"student": TargetScores(logits, labels, members)}, ids=np.arange(100) % 60
        ),
        "members only": lambda: audit_scores({"student": TargetScores(logits, labels, np.ones(100, dtype=bool))}),
        "a ROC of one point": lambda: audit_scores({"student": AttackScores({"ratio": np.zeros(100)}, members)}),
    }
    for name, call in cases.items():
        try:
            call()
            got = "a number"
        except AuditInputError:
            got = "AuditInputError"
        yield Check(f"fault: {name}", "AuditInputError", got, got == "AuditInputError")
