"""Controls of a pipeline audit: what must contain 0.5 whatever the pipeline does, and what an audit that works must see.

A new control is a function here and a line in `pipeline_controls`; a new positive control that verdicts rest on, a role in
`POSITIVE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle.audit.attacks import (
    ESTIMATORS,
    EXCESS,
    LOSS,
    NEAREST,
    POSTERIOR,
    RATIO,
    blind_features,
    fitting_folds,
    forward_fit,
)
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipeline_audit._rows import judgeable
from upcycle.audit.pipelines import COPYING, PLANTED, PLANTED_FLAG, Shadows
from upcycle.audit.statistics import Scores, auc_interval
from upcycle.audit.verdict import (
    LEAST_ON_A_SIDE,
    Control,
    Endpoint,
    Role,
    Row,
    Rule,
    Wanted,
    halves,
    negative,
    positive,
    shuffled,
)

POSITIVE: Final = (Role.CONTROL, Role.TEACHER)  # the first of these parts that is there is what an audit must have seen
_FOLDS: Final = 3  # of the blind control


def pipeline_controls(
    shadows: Shadows, done: Sequence[AttackResult], endpoint: Endpoint, rule: Rule, seed: int
) -> tuple[Control, ...]:
    """All controls, the negative ones first. The positive one is there only if the pipeline has such a part."""
    read = [a for a in done if a.attack in (EXCESS.name, RATIO.name, LOSS.name) and a.threat_model is a.part.access]
    return (
        *_coins(shadows, read, rule, seed),
        *_blind(shadows, rule, seed),
        _copying(shadows),
        _planted(shadows),
        *_positive(shadows, done, endpoint),
    )


def positive_row(rows: Sequence[Row]) -> Row | None:
    """The primary row of the positive control."""
    primary = [row for row in rows if row.primary]
    return next((row for role in POSITIVE for row in primary if row.part.role is role), None)


def _coins(shadows: Shadows, read: Sequence[AttackResult], rule: Rule, seed: int) -> list[Control]:
    """Among non-members, half are called members, where they are enough; and coins drawn again, after the fact."""
    found = []
    for kind, drawn in (("non-members vs non-members", halves), ("shuffled membership", shuffled)):
        for a in read:
            if (s := drawn(_whole(a.scores, shadows), seed)) is not None:
                found.append(negative(kind, a.part.name, a.attack, s, rule, among=len(read)))
    return found


def _blind(shadows: Shadows, rule: Rule, seed: int) -> list[Control]:
    """An attack on the first pipeline's members by images and labels alone; none where patients fill no two folds."""
    design = shadows.design
    records, members = design.records, design.members[0]
    features = blind_features(records.labels, int(records.true_labels.max()) + 1, records.images)
    groups = None if len(distinct(design.units)) == len(members) else design.units
    pairs = fitting_folds(members, groups, _FOLDS, seed)
    if not pairs:
        return []
    scores = forward_fit(lambda: ESTIMATORS[POSTERIOR](seed), features, members, pairs)
    judged = ~np.isnan(scores)
    s = Scores(scores[judged], members[judged], design.units[judged])
    if min(s.sides) < LEAST_ON_A_SIDE:
        return []
    return [negative("blind, images and labels", "no model", POSTERIOR, s, rule, among=1)]


def _copying(shadows: Shadows) -> Control:
    """The nearest-image attack on a generator that returns half of the members as they are. Each is a copy by itself, whoever
    owns it."""
    design = shadows.design
    s = Scores.pooled(shadows.scores[COPYING], design.members, np.arange(len(design.units)), ~design.records.canary)
    return Control("positive: copying generator", "synthetic set", NEAREST.name, Wanted.LEAK, auc_interval(s))


def _planted(shadows: Shadows) -> Control:
    """The same attack on the real synthetic set with near-duplicates of a few members in it."""
    design, planted = shadows.design, shadows.scores[PLANTED_FLAG] > 0
    kept, runs = (planted | ~design.members).ravel(), np.repeat(np.arange(len(planted)), planted.shape[1])
    units = np.tile(np.arange(planted.shape[1]), len(planted))[kept]
    s = Scores(shadows.scores[PLANTED].ravel()[kept], planted.ravel()[kept], units, runs[kept])
    return Control("positive: planted near-duplicates", "synthetic set", NEAREST.name, Wanted.LEAK, auc_interval(s))


def _positive(shadows: Shadows, done: Sequence[AttackResult], endpoint: Endpoint) -> list[Control]:
    """The primary attack on the positive control's canaries (all its records where those are none or too few)."""
    for role in POSITIVE:
        for a in done:
            if a.part.role is role and a.attack == endpoint.attack:
                design = shadows.design
                s = judgeable(a.scores, design.members, design.units, design.records.canary)
                s = _whole(a.scores, shadows) if isinstance(s, str) else s
                return [positive(a.part, a.attack, auc_interval(s))]
    return []


def _whole(scores: np.ndarray, shadows: Shadows, used: np.ndarray | None = None) -> Scores:
    design = shadows.design
    return Scores.pooled(scores, design.members, design.units, np.ones(len(design.units), bool) if used is None else used)
