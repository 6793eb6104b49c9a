"""Controls of a pipeline audit: what must contain 0.5 whatever the pipeline does, and what an audit that works must see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from upcycle._random import numpy_rng
from upcycle.audit.attacks import LOSS, POSTERIOR, RATIO, blind_features, forward_fit, learned_attacks, membership_folds
from upcycle.audit.pipeline_audit._attacked import Attacked
from upcycle.audit.pipelines import COPYING, NEAREST, PLANTED, PLANTED_FLAG, Shadows
from upcycle.audit.statistics import Rate, delong_interval, pool, pooled_auc, unjudgeable
from upcycle.audit.verdict import Control

ERROR: Final = 0.001  # a kind of negative control fails by chance once in so many audits


TEACHER: Final = "positive: teacher"


def pipeline_controls(shadows: Shadows, done: Sequence[Attacked], seed: int) -> tuple[Control, ...]:
    """All controls, the negative ones first. The teacher's is there only if the pipeline has a teacher."""
    primary = [a for a in done if a.attack in (RATIO, LOSS) and a.threat_model in ("T1", "T5", "T1 baseline")]
    negative = [
        *_halves(shadows, primary, seed),
        *_shuffled(shadows, primary, seed),
        _blind(shadows, seed),
    ]
    return (*negative, _copying(shadows), _planted(shadows), *_teacher(shadows, primary))


def failed(controls: Sequence[Control]) -> tuple[Control, ...]:
    """The controls whose failure makes an audit invalid. A teacher that does not leak only takes the audit's power away."""
    return tuple(c for c in controls if not c.passed and c.control != TEACHER)


def _halves(shadows: Shadows, done: Sequence[Attacked], seed: int) -> list[Control]:
    """Among the non-members of each pipeline, half are called members: nothing may tell them apart."""
    design = shadows.design
    rng = numpy_rng(seed, "control-halves")
    coin = np.stack([_half(design.units, design.units[~members], rng) for members in design.members])
    controls = []
    for a in done:
        pooled = pool(a.scores, coin, design.units, design.pairs, np.ones(len(design.units), bool))
        outside = ~design.members.ravel()
        controls.append(_holds("non-members vs non-members", a, pooled_auc(pooled.take(outside), 1 - ERROR / len(done))[0]))
    return controls


def _shuffled(shadows: Shadows, done: Sequence[Attacked], seed: int) -> list[Control]:
    """Coins drawn anew, after the fact."""
    design = shadows.design
    rng = numpy_rng(seed, "control-shuffle")
    coins = [_half(design.units, design.units, rng) for _ in range(int(design.pairs.max()) + 1)]
    members = np.stack([coins[pair] ^ bool(k % 2) for k, pair in enumerate(design.pairs)])
    everyone = np.ones(len(design.units), bool)
    return [
        _holds(
            "shuffled membership",
            a,
            pooled_auc(pool(a.scores, members, design.units, design.pairs, everyone), 1 - ERROR / len(done))[0],
        )
        for a in done
    ]


def _half(units: np.ndarray, among: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """bool (records,): a random half of the units in `among`, so that neither half is ever a single patient."""
    return np.isin(units, rng.permutation(np.unique(among))[::2])


def _blind(shadows: Shadows, seed: int) -> Control:
    """An attack on the first pipeline's members by images and labels alone."""
    design = shadows.design
    records, members = design.records, design.members[0]
    folds = 3
    features = blind_features(records.labels, int(records.true_labels.max()) + 1, records.images)
    groups = None if len(np.unique(design.units)) == len(members) else design.units
    pairs = membership_folds(members, groups, folds, seed)
    scores = forward_fit(lambda: learned_attacks()[POSTERIOR](seed), features, members, pairs)
    judged = ~np.isnan(scores)
    rate = delong_interval(scores[judged], members[judged], 1 - ERROR, None if groups is None else groups[judged])
    return _control("blind, images and labels", "no model", POSTERIOR, rate, rate.low <= 0.5 <= rate.high)


def _copying(shadows: Shadows) -> Control:
    """The nearest-image attack on a generator that returns half of the members as they are."""
    plain = ~shadows.design.records.canary
    rate, _ = pooled_auc(
        pool(shadows.scores[COPYING], shadows.design.members, shadows.design.units, shadows.design.pairs, plain)
    )
    return _control("positive: copying generator", "synthetic set", NEAREST, rate, rate.low > 0.5)


def _planted(shadows: Shadows) -> Control:
    """The same attack on the real synthetic set with near-duplicates of a few members in it."""
    design = shadows.design
    planted = shadows.scores[PLANTED_FLAG] > 0
    everyone = np.ones(len(design.units), bool)
    whole = pool(shadows.scores[PLANTED], planted, design.units, design.pairs, everyone)
    kept = (planted | ~design.members).ravel()
    rate, _ = pooled_auc(whole.take(kept))
    return _control("positive: planted near-duplicates", "synthetic set", NEAREST, rate, rate.low > 0.5)


def _teacher(shadows: Shadows, done: Sequence[Attacked]) -> list[Control]:
    """The strongest planned attack on the teacher's canaries (all its records where those are none or too few)."""
    found = [a for a in done if a.target == "teacher"]
    if not found:
        return []
    best, design = found[-1], shadows.design
    canaries = pool(best.scores, design.members, design.units, design.pairs, design.records.canary)
    everyone = pool(best.scores, design.members, design.units, design.pairs, np.ones(len(design.units), bool))
    rate, _ = pooled_auc(everyone if unjudgeable(canaries) else canaries)
    return [_control(TEACHER, "teacher", best.attack, rate, rate.low > 0.5)]


def _holds(control: str, a: Attacked, rate: Rate) -> Control:
    return _control(control, a.target, a.attack, rate, rate.low <= 0.5 <= rate.high)


def _control(control: str, target: str, attack: str, rate: Rate, passed: bool) -> Control:
    return Control(control, target, attack, rate.value, rate.low, rate.high, bool(passed))
