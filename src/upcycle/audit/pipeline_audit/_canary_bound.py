"""What the canaries of a single run say about epsilon: the one-run bound on every classifier of a pipeline audit (Steinke et
al. 2023, arXiv:2305.08846)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle._random import derive_seed
from upcycle.audit.attacks import LOSS, AttackCard
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipelines import AuditPlan, Design
from upcycle.audit.statistics import Scores, one_run_bound, one_run_gaussian

LEAST: Final = 8  # guesses; fewer, all of them right, refute next to nothing


@dataclass(frozen=True)
class CanaryBound:
    """What guesses about canaries rule out. Each bound holds alone at the plan's confidence; the verdict uses neither (see
    `canary_bounds`).

    Attributes:
        target: whose answers were used.
        attack: that ranked the canaries.
        canaries: about which could be guessed.
        guesses: that were made.
        epsilon_low: the epsilon at delta 0 that is ruled out.
        epsilon_cap: the largest epsilon that as many right guesses could have ruled out.
        mu: the mu of Gaussian differential privacy that is ruled out.
    """

    target: str
    attack: str
    canaries: int
    guesses: int
    epsilon_low: float
    epsilon_cap: float
    mu: float


def canary_bounds(design: Design, done: Sequence[AttackResult], plan: AuditPlan) -> tuple[CanaryBound, ...]:
    """The bound by the loss threshold for every classifier of a single pipeline; none for several, or for few canaries.

    Repeated canaries are left out: a bound on their two copies is no bound on one record. Where a canary's patient has other
    records, they share its coin, and epsilon is that of the whole patient. It informs only. A verdict that used it would
    have to give it a share of the error, taken from the primary endpoint and the rows, which see the same canaries.
    """
    if len(design.members) != 1:
        return ()
    used = design.records.canary & (design.records.copies == 1)
    units = design.units[used]
    coins = len(distinct(units))
    guesses = round(plan.guessed * coins)
    if guesses < LEAST:
        return ()
    return tuple(_bound(a, design, used, guesses, plan) for a in done if a.attack == LOSS.name)


def _bound(a: AttackResult, design: Design, used: np.ndarray, guesses: int, plan: AuditPlan) -> CanaryBound:
    s, ties = Scores(a.scores[0, used], design.members[0, used], design.units[used]), derive_seed(plan.seed, "one-run ties")
    found = one_run_bound(s, guesses=guesses, seed=ties, confidence=plan.confidence)
    gaussian = one_run_gaussian(s, guesses=guesses, seed=ties, confidence=plan.confidence)
    return CanaryBound(a.part.name, a.attack, len(distinct(s.units)), guesses, found.low, found.cap, gaussian.mu)


ONE_RUN_CARD: Final = AttackCard(
    "one run",
    "Steinke et al. 2023, arXiv:2305.08846; mu: Mahloujifar et al. 2024, arXiv:2410.22235",
    "logits and label of each canary",
    "a separate fair coin decided about every canary; the number of guesses was fixed beforehand",
    population="canary",
)
