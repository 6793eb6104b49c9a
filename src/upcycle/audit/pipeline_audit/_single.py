"""Attacks on the only pipeline of an audit: right or wrong (Yeom et al. 2018), the four learned attacks of the toolkit,
quantile regression, and RMIA against ridge heads. With four or more pipelines none of them is run: shadow pipelines tell
better how hard a record is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

import upcycle.audit.attacks as names
from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks import (
    LEAST_UNITS,
    AttackCard,
    attack_features,
    blind_features,
    forward_fit,
    learned_attacks,
    log_odds_signal,
    membership_folds,
    quantile_attack,
    random_features,
    ridge_heads,
    rmia_by_heads,
)
from upcycle.audit.pipelines import AuditPlan, Design
from upcycle.errors import AuditInputError

LEAST_RECORDS: Final = 100  # below, a fifth of them is less than the 15 neighbours that the first fit needs


LEAST_KNOWN: Final = 50  # non-members on which quantiles are fitted


_FOLDS: Final = (5, 3)  # few, large groups may not fill five


GAP_CARD: Final = AttackCard(
    names.GAP,
    "Yeom et al. 2018, arXiv:1709.01604",
    "label that the model gives to each record",
    "members are right more often; members and non-members were drawn by one coin flip",
    "T0",
)


ONE_RUN_CARD: Final = AttackCard(
    names.ONE_RUN,
    "Steinke et al. 2023, arXiv:2305.08846; mu: Mahloujifar et al. 2024, arXiv:2410.22235",
    "logits and label of each canary",
    "every canary was included by a fair coin of its own; the number of guesses was fixed beforehand",
    population="canary",
)


@dataclass(frozen=True, eq=False)
class Alone:
    """What the attacks on one pipeline share over its classifiers, so that all meet the same records.

    `folds`: (train, held-out) index pairs, a unit never on both sides, none where the records are too few; `known` bool
    (records,): the non-members that the attacker is told of; `features` float64 (records, d): of image and label alone;
    `heads`: logits and members of `ridge_heads`, where they are planned and the units are enough.
    """

    labels: np.ndarray
    members: np.ndarray
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    known: np.ndarray
    features: np.ndarray
    heads: tuple[np.ndarray, np.ndarray] | None = None


def prepare(design: Design, plan: AuditPlan) -> Alone:
    """Folds, known non-members and features for the first pipeline of a design."""
    records, members, seed = design.records, design.members[0], plan.seed
    coin = numpy_rng(seed, "known non-members").random(int(design.units.max()) + 1) < 0.5
    features = blind_features(records.labels, int(records.true_labels.max()) + 1, records.images)
    folds = _folds(design, seed) if len(members) >= LEAST_RECORDS else ()
    heads = _heads(design, seed) if names.HEADS in plan.attacks else None
    return Alone(records.labels, members, folds, coin[design.units] & ~members, features, heads)


def scores_alone(alone: Alone, logits: np.ndarray, plan: AuditPlan) -> Iterator[tuple[str, np.ndarray]]:
    """(attack, scores float64 (records,)) of every planned attack on logits (records, classes); NaN where it does not judge.

    A learned attack does not judge the fold from which it first learns, quantile regression not the known non-members.
    An attack for which there are too few records is left out.
    """
    if names.GAP in plan.attacks:
        yield names.GAP, (logits.argmax(-1) == alone.labels).astype(np.float64)
    answers = attack_features(logits, alone.labels)
    for name, make in learned_attacks().items() if alone.folds else ():
        if name in plan.attacks:
            estimator = partial(make, derive_seed(plan.seed, "attack", name))
            yield name, forward_fit(estimator, answers, alone.members, list(alone.folds))
    if names.QUANTILE in plan.attacks and alone.known.sum() >= LEAST_KNOWN:
        yield names.QUANTILE, _quantile(alone, log_odds_signal(logits, alone.labels), plan.seed)
    if alone.heads is not None:
        yield names.HEADS, rmia_by_heads(logits, alone.labels, alone.members, alone.heads)


def _quantile(alone: Alone, odds: np.ndarray, seed: int) -> np.ndarray:
    known, scores = alone.known, np.full(len(odds), np.nan)
    state = derive_seed(seed, "attack", names.QUANTILE)
    features = alone.features
    scores[~known] = quantile_attack(odds[~known], features[~known], odds[known], features[known], seed=state)
    return scores


def _heads(design: Design, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    records, units = design.records, design.units
    if len(np.unique(units)) < LEAST_UNITS:
        return None
    classes = int(records.true_labels.max()) + 1
    return ridge_heads(random_features(records.images), records.labels, units, classes, seed=derive_seed(seed, "heads"))


def _folds(design: Design, seed: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """As many folds as the groups fill; none where they fill no number of them."""
    units = design.units
    groups = None if len(np.unique(units)) == len(units) else units
    for count in _FOLDS:
        try:
            return tuple(membership_folds(design.members[0], groups, count, derive_seed(seed, "attack folds")))
        except AuditInputError:
            continue
    return ()
