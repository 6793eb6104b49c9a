"""Attacks that compare one number of a record with a threshold: its loss, whether it is right, how many of its views are."""

from typing import Final

import numpy as np

from upcycle.audit.attacks._answered import Answered
from upcycle.audit.attacks._attack import Attack, AttackCard, Needs, ThreatModel
from upcycle.audit.attacks._shadow_set import record_statistic
from upcycle.audit.attacks._student_t import calibrated


def _loss(answered: Answered) -> np.ndarray:
    return record_statistic(answered.logits[:, :, :1], answered.labels, "loss")[..., 0]


def _right(answered: Answered) -> np.ndarray:
    return np.asarray(answered.logits[:, :, 0].argmax(-1) == answered.labels, np.float64)


def _votes(answered: Answered) -> np.ndarray:
    votes = (answered.logits.argmax(-1) == answered.labels[:, None]).mean(-1)
    return calibrated(votes, answered.members) if answered.pipelines >= 4 else np.asarray(votes)


LOSS: Final = Attack(
    AttackCard(
        "loss threshold",
        "Yeom et al. 2018, arXiv:1709.01604",
        "logits and label of each record",
        "members have lower loss; members and non-members were drawn by one coin flip",
    ),
    Needs.ANSWERS,
    _loss,
)
GAP: Final = Attack(
    AttackCard(
        "gap",
        "Yeom et al. 2018, arXiv:1709.01604",
        "label that the model gives to each record",
        "members are right more often; members and non-members were drawn by one coin flip",
        ThreatModel.LABELS,
    ),
    Needs.CLASSIFIER,
    _right,
    most=1,
)
LABELS: Final = Attack(
    AttackCard(
        "label votes",
        "Choquette-Choo et al. 2021, arXiv:2007.14321",
        "labels that the model gives to views of each record",
        "members keep their label under shifts and mirrors; members and non-members were drawn by one coin flip",
        ThreatModel.LABELS,
    ),
    Needs.CLASSIFIER,
    _votes,
    views=2,  # on one view it is the gap attack, which runs on one pipeline
)
