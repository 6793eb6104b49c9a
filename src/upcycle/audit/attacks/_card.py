"""What is said about an attack wherever its number stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOSS: Final = "loss threshold"

RATIO: Final = "shrunk Student-t ratio"

LIRA: Final = "LiRA online"

RMIA: Final = "RMIA online"

LIRA_DENSITY: Final = "LiRA offline, density"

LIRA_ONE_SIDED: Final = "LiRA offline, one-sided"

RMIA_OFFLINE: Final = "RMIA offline"

DIFFICULTY: Final = "difficulty calibration"

OFFLINE: Final = (LIRA_DENSITY, LIRA_ONE_SIDED, RMIA_OFFLINE, DIFFICULTY)  # by pipelines without the record alone

LABELS: Final = "label votes"

PERMUTATION: Final = "label permutation"

RAW: Final = "raw score"

GAP: Final = "gap"

LEARNED: Final = ("logistic regression", "random forest", "k nearest neighbours", "multilayer perceptron")

QUANTILE: Final = "quantile regression"

HEADS: Final = "RMIA offline, ridge heads"

ONE_RUN: Final = "one run"

ALONE: Final = (GAP, *LEARNED, QUANTILE, HEADS, ONE_RUN)  # what is run on one pipeline only

WITHOUT_SHADOWS = (LOSS, RAW, *ALONE[:-1])

WITH_SHADOWS = (LOSS, RATIO, LIRA, RMIA, *OFFLINE, LABELS, RAW)


@dataclass(frozen=True)
class AttackCard:
    """What an attack is, where it comes from, what it needs, and when it means something.

    `threat_model` is the weakest adversary who can run it: T0 labels of the student, T1 its logits, T2 the synthetic
    images too, T3 their soft labels too, T4 the generator's weights too (and what trained them, where the card
    says so), T5 the teacher. `population` names the records (clean,
    outlier, canary) on which it says something.
    """

    name: str
    paper: str
    access: str
    assumption: str
    threat_model: str = "T1"
    population: str = "clean, outlier, canary"
