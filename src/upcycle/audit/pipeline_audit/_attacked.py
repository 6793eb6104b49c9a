"""Which answers an adversary reads under which threat model, and the attacks on them: scores (pipelines, records), every
pipeline a target in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from upcycle.audit.attacks import (
    CATALOGUE,
    RATIO,
    Answered,
    Attack,
    AttackCard,
    Audited,
    Needs,
    ThreatModel,
    calibrated,
    named,
    twins,
)
from upcycle.audit.pipelines import CONTROLS, DISTILLED, AuditPlan, Design, RunFacts, Shadows
from upcycle.audit.verdict import Part, Role


@dataclass(frozen=True, eq=False)
class AttackResult:
    """One attack on one part under one threat model: `scores` float64 (pipelines, records), NaN for a record that it does
    not judge; `common`: one threshold serves all records."""

    part: Part
    threat_model: ThreatModel
    attack: str
    scores: np.ndarray
    common: bool = False


@dataclass(frozen=True)
class Source:
    """Whose answers logits are: the part that they betray, what it takes to get them, and the attack on a release that made
    them out of it; None for a classifier's own."""

    part: Part
    access: ThreatModel
    made_by: Attack | None = None

    def threat(self, attack: Attack) -> ThreatModel:
        """What it takes to run an attack on them."""
        return ThreatModel.LABELS if attack.card.threat_model is ThreatModel.LABELS else self.access


def source(name: str, facts: Sequence[RunFacts], catalogue: Sequence[Attack]) -> Source:
    """Where the answers called `name` come from."""
    attack = named(name, catalogue)
    if attack is not None:
        role = Role.STUDENT if attack.needs is Needs.STUDENT else Role.SYNTHETIC
        return Source(Part(role, role.value), attack.card.threat_model, attack)
    part = Part(Role.PRIVATE, name) if any(name in f.private for f in facts) else Part.named(name)
    return Source(part, part.access)


def attacked(shadows: Shadows, plan: AuditPlan, catalogue: Sequence[Attack] = CATALOGUE) -> Iterator[AttackResult]:
    """Every planned attack on every part that it can be run on."""
    planned, audited = plan.planned(catalogue), audited_records(shadows.design, plan.seed)
    for name, logits in shadows.logits.items():
        yield from _on_answers(Answered(logits, audited), source(name, shadows.facts, catalogue), planned)
    for name, values in shadows.scores.items():
        if name not in CONTROLS:
            yield from _on_scores(name, values.astype(np.float64), shadows.design.members, planned)


def audited_records(design: Design, seed: int) -> Audited:
    """The records of a design as attacks see them."""
    records = design.records
    classes = int(records.true_labels.max()) + 1
    return Audited(records.images, records.labels, classes, design.members, design.units, seed)


def _on_answers(answered: Answered, of: Source, planned: Sequence[Attack]) -> Iterator[AttackResult]:
    suffix, alike = "" if of.made_by is None else f", {of.made_by.name}", bool(twins(answered.logits))
    for attack in planned:
        scores = _scores(answered, of, attack, alike)
        if scores is not None and not np.isnan(scores).all():
            yield AttackResult(of.part, of.threat(attack), attack.name + suffix, scores, attack.common)


def _scores(answered: Answered, of: Source, attack: Attack, alike: bool) -> np.ndarray | None:
    """Scores (pipelines, records), or None where the attack does not read such answers."""
    if attack.needs is Needs.ANSWERS or (attack.needs is Needs.CLASSIFIER and of.made_by is None):
        return attack.score(answered)
    if attack.needs is Needs.SHADOWS and not alike:  # equal ones that are no fault; a note says so (see _refusals)
        return np.stack([attack.score(answered.shadows, target) for target in range(answered.pipelines)])
    return None


def _on_scores(name: str, values: np.ndarray, members: np.ndarray, planned: Sequence[Attack]) -> Iterator[AttackResult]:
    """Scores of an attack that was run in the pipelines, raw and calibrated by the others."""
    own = name.removeprefix(DISTILLED)
    attack = named(own, planned)
    part, threat = _DISTILLED if own != name else _GENERATOR if attack is None else _place(attack)
    yield AttackResult(part, threat, own, values)
    if RATIO in planned:
        yield AttackResult(part, threat, f"{own}, {RATIO.name}", calibrated(values, members))


_GENERATOR, _DISTILLED = ((Part(role, role.value), ThreatModel.GENERATOR) for role in (Role.GENERATOR, Role.DISTILLED))


def _place(attack: Attack) -> tuple[Part, ThreatModel]:
    roles = {Needs.SEARCH: Role.STUDENT, Needs.STUDENT: Role.STUDENT, Needs.GENERATOR: Role.GENERATOR}
    role = roles.get(attack.needs, Role.SYNTHETIC)
    return Part(role, role.value), attack.card.threat_model


def cards(plan: AuditPlan, catalogue: Sequence[Attack]) -> tuple[AttackCard, ...]:
    """What each planned attack is, where it comes from, what it needs and assumes."""
    return tuple(a.card for a in plan.planned(catalogue) if plan.searched or a.needs is not Needs.SEARCH)


def seconds_of_attacks(
    logits: Mapping[str, np.ndarray], design: Design, plan: AuditPlan, catalogue: Sequence[Attack] = CATALOGUE
) -> float:
    """Seconds that `attacked` will take on this machine. `logits` float32 (records, views, classes) by classifier are those of
    one pipeline, whose first classifier is attacked as if every pipeline of `design` had left it, but for a little noise:
    equal answers are a fault. Attacks on scores, bounds and controls, which take seconds, are not counted."""
    classifiers = [name for name in logits if named(name, catalogue) is None]
    first, pipelines = classifiers[0], len(design.members)
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(pipelines, *logits[first].shape)).astype(np.float32)
    made_up, audited = np.nan_to_num(logits[first]) + noise, audited_records(design, plan.seed)
    start, counts = time.monotonic(), [1, len(logits if pipelines > 1 else classifiers)]
    of, planned = source(first, (), catalogue), plan.planned(catalogue)
    list(_on_answers(Answered(made_up[:, :, :1] if pipelines == 1 else made_up, audited), of, planned))
    return counts[1] * (time.monotonic() - start)
