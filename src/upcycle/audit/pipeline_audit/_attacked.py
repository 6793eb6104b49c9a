"""Which answers an adversary reads under which threat model, and the attacks on them: scores (pipelines, records), every
pipeline a target in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

import upcycle.audit.attacks as names
from upcycle.audit.attacks import (
    ADVERSARIAL_CARDS,
    DENOISER_CARDS,
    DIFFICULTY_CARDS,
    HEAD_CARDS,
    LABEL_ONLY_CARDS,
    LIRA_CARDS,
    QUANTILE_CARDS,
    RMIA_CARDS,
    SET_CARDS,
    STUDENT_T_CARDS,
    AttackCard,
    ShadowAttack,
    calibrated_ratio,
    learned_cards,
    record_statistic,
    twins,
)
from upcycle.audit.pipeline_audit._single import GAP_CARD, ONE_RUN_CARD, Alone, prepare, scores_alone
from upcycle.audit.pipelines import (
    BOUNDARY,
    CONTROLS,
    DENSITY,
    LABEL_MASS,
    NEAREST,
    NEIGHBOURS,
    PROBE,
    AuditPlan,
    Design,
    Shadows,
)

SYNTHETIC: Final = "synthetic set"


GENERATOR: Final = "generator"


_OWN_VARIANCE: Final = (names.LIRA, names.LIRA_DENSITY, names.LIRA_ONE_SIDED)


_LEAST: Final = dict.fromkeys(_OWN_VARIANCE, 6)  # pipelines: every record's own variance takes two references on a side


_CLASSIFIERS: Final = ("T1", "T5", "T1 baseline")


_PLACES: Final = {  # target and threat model of scores that are not the generator's
    NEAREST: (SYNTHETIC, "T2"),
    DENSITY: (SYNTHETIC, "T2"),
    LABEL_MASS: (SYNTHETIC, "T3"),
    BOUNDARY: ("student", "T0"),
}


@dataclass(frozen=True, eq=False)
class Attacked:
    """One attack on one target under one threat model: `scores` float64 (pipelines, records), NaN for a record that it does
    not judge."""

    target: str
    threat_model: str
    attack: str
    scores: np.ndarray


def attacked(shadows: Shadows, plan: AuditPlan, extra: dict[str, ShadowAttack]) -> Iterator[Attacked]:
    """Every planned attack on every target. `extra` are attacks on a ShadowSet by name, run where their name is planned.

    The gap, learned and quantile attacks are run on the classifiers of a single pipeline. Several pipelines calibrate every
    record by the others, which tells more; those attacks are then left out, though they be planned.
    """
    attacks = plan.attacks
    alone = prepare(shadows.design, plan) if len(shadows.design.members) == 1 else None
    for name in shadows.logits:
        target, threat = place(name)
        yield from _on_logits(shadows, name, target, threat, attacks, extra)
        if alone is not None and threat in _CLASSIFIERS:
            yield from _on_its_own(alone, shadows.logits[name][0, :, 0], target, threat, plan)
    for name, values in shadows.scores.items():
        if name in CONTROLS:
            continue
        target, threat = _PLACES.get(name, (GENERATOR, "T4"))
        if names.RAW in attacks:
            yield Attacked(target, threat, name, values.astype(np.float64))
        if names.RATIO in attacks and _enough(shadows):
            yield Attacked(target, threat, f"{name}, {names.RATIO}", _calibrated_where_asked(values, shadows.design.members))


def seconds_of_attacks(
    logits: Mapping[str, np.ndarray], design: Design, plan: AuditPlan, extra: Mapping[str, ShadowAttack]
) -> float:
    """Seconds that `attacked` will take on this machine. `logits` float32 (records, views, classes) by classifier are those of
    one pipeline, whose first classifier is attacked as if every pipeline of `design` had left it, but for a little noise:
    equal answers are a fault. Attacks on scores, bounds and controls, which take seconds, are not counted."""
    classifiers = [name for name in logits if place(name)[1] in _CLASSIFIERS]
    first, pipelines = classifiers[0], len(design.members)
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(pipelines, *logits[first].shape)).astype(np.float32)
    made_up = Shadows(design, {first: np.nan_to_num(logits[first]) + noise}, {}, {}, np.zeros(pipelines))
    start = time.monotonic()
    if pipelines == 1:
        alone, prepared = prepare(design, plan), time.monotonic()
        list(scores_alone(alone, made_up.logits[first][0, :, 0], plan))
        return prepared - start + len(classifiers) * (time.monotonic() - prepared)
    list(_on_logits(made_up, first, *place(first), plan.attacks, dict(extra)))
    return len(logits) * (time.monotonic() - start)


def place(name: str) -> tuple[str, str]:
    """Target and threat model of a classifier's answers, by their name among `Shadows.logits`."""
    fixed = {"teacher": "T5", "baseline": "T1 baseline", PROBE: "T3", NEIGHBOURS: "T1+"}
    return {PROBE: SYNTHETIC, NEIGHBOURS: "student"}.get(name, name), fixed.get(name, "T1")


def _on_logits(
    shadows: Shadows, name: str, target: str, threat: str, attacks: tuple[str, ...], extra: dict[str, ShadowAttack]
) -> Iterator[Attacked]:
    logits, labels, members = shadows.logits[name], shadows.design.records.labels, shadows.design.members
    suffix = "" if name in (target, "teacher", "baseline") else f", {name}"
    if names.LOSS in attacks:
        loss = record_statistic(logits[:, :, :1], labels, "loss")[..., 0]
        yield Attacked(target, threat, names.LOSS + suffix, loss)
    statistic = record_statistic(logits, labels)
    if names.RATIO in attacks and _enough(shadows):
        yield Attacked(target, threat, names.RATIO + suffix, calibrated(statistic, members))
    if names.LABELS in attacks and threat in _CLASSIFIERS:
        votes = (logits.argmax(-1) == labels[:, None]).mean(-1)
        scores = calibrated(votes, members) if names.RATIO in attacks and _enough(shadows) else votes
        yield Attacked(target, _labels_only(target, threat), names.LABELS, scores)
    if _enough(shadows) and not twins(logits):  # equal ones that are no fault; a note says so (see _refusals)
        answers = shadows.shadow_set(name)
        for attack, score in extra.items():
            if attack in attacks and len(logits) >= _LEAST.get(attack, 4):
                yield Attacked(target, threat, attack + suffix, np.stack([score(answers, k) for k in range(len(logits))]))


def _on_its_own(alone: Alone, logits: np.ndarray, target: str, threat: str, plan: AuditPlan) -> Iterator[Attacked]:
    for attack, scores in scores_alone(alone, logits, plan):
        yield Attacked(target, _labels_only(target, threat) if attack == names.GAP else threat, attack, scores[None])


def _labels_only(target: str, threat: str) -> str:
    return "T0" if threat == "T1" else f"T0 {target}"


def _enough(shadows: Shadows) -> bool:
    """Are there references besides the target and its complement?"""
    return len(shadows.design.members) >= 4


def calibrated(statistics: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Log likelihood ratios float64 (pipelines, records) of statistics (pipelines, records[, queries]), each pipeline
    against the others without its complement."""
    return np.stack([calibrated_ratio(statistics, members, target) for target in range(len(statistics))])


def _calibrated_where_asked(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """`calibrated` scores (pipelines, records) of the records that have values, NaN for the others."""
    asked = ~np.isnan(values).any(0)
    found = np.full(values.shape, np.nan)
    found[:, asked] = calibrated(values[:, asked], members[:, asked])
    return found


def cards(plan: AuditPlan) -> tuple[AttackCard, ...]:
    """What each attack here is, where it comes from, what it needs and assumes; attacks on one pipeline where they are run."""
    coin = "members and non-members were drawn by one coin flip"
    both, images = "synthetic images and soft labels", "synthetic images"
    own = (
        AttackCard(names.LOSS, "Yeom et al. 2018, arXiv:1709.01604", "logits and label", f"members have lower loss; {coin}"),
        AttackCard(names.LABELS, "Choquette-Choo et al. 2021, arXiv:2007.14321", "labels of views", coin, "T0"),
        AttackCard(NEIGHBOURS, "Jagielski et al. 2023, arXiv:2303.03446", f"logits at {images}", coin, "T1"),
        AttackCard(NEAREST, "Chen et al. 2020, arXiv:1909.03935", images, "copies lie near originals in pixels", "T2"),
        AttackCard(DENSITY, "van Breugel et al. 2023, arXiv:2302.12580", images, "denser than in shadows: overfitted", "T2"),
        AttackCard(PROBE, "Behrens & Zdeborova 2026, arXiv:2506.14457", both, "soft labels carry the teacher's memory", "T3"),
        AttackCard(LABEL_MASS, "as the probe", both, "a wrong label shows in the soft labels nearby", "T3"),
    )
    alone = (GAP_CARD, *learned_cards()[1:], *QUANTILE_CARDS, *HEAD_CARDS, ONE_RUN_CARD)
    planned = plan.attacks if plan.pipelines == 1 else ()
    shadow = (*STUDENT_T_CARDS, *LIRA_CARDS, *RMIA_CARDS, *DIFFICULTY_CARDS)
    weights = (*DENOISER_CARDS, *ADVERSARIAL_CARDS)
    few = tuple(card for card in LABEL_ONLY_CARDS if card.name == BOUNDARY and plan.searched)
    return (*own, *few, *shadow, *weights, *SET_CARDS, *(c for c in alone if c.name in planned))
