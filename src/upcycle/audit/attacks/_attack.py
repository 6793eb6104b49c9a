"""An attack is a value: its name, what it is, what it needs, and the function that scores records."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

import numpy as np

Score = Callable[..., np.ndarray]


class ThreatModel(StrEnum):
    """The weakest adversary who can run an attack: what it takes. From T2 on, the things before it are there too."""

    LABELS = "T0"  # the student's labels
    LOGITS = "T1"  # its logits
    ELSEWHERE = "T1+"  # its logits at images of the attacker's choice
    IMAGES = "T2"  # the synthetic images
    SOFT_LABELS = "T3"  # their soft labels
    GENERATOR = "T4"  # the generator's weights, and what trained them where the card says so
    TEACHER = "T5"  # the teacher's logits


class Needs(Enum):
    """What an attack's `score` is called with, and gives; every score is higher for a member, NaN where it does not judge."""

    ANSWERS = "ANSWERS"
    """(Answered) -> float (pipelines, records); of any answers, also of those made from a released set."""
    SHADOWS = "SHADOWS"
    """(ShadowSet, target) -> float (records,); of any answers, every pipeline a target in turn. Compares densities, and is not
    run where two pipelines gave equal answers."""
    CLASSIFIER = "CLASSIFIER"
    """(Answered) -> float (pipelines, records); of a classifier's own answers only."""
    IMAGES = "IMAGES"
    """(Released) -> float (records,), of one pipeline's synthetic images; compared raw and calibrated by other pipelines."""
    SOFT_LABELS = "SOFT_LABELS"
    """As IMAGES, of a released set with soft labels. A result (records, views, classes) counts as a classifier's answers."""
    STUDENT = "STUDENT"
    """As SOFT_LABELS, of a released set, soft labels or not, and the student that leaves with it."""
    SEARCH = "SEARCH"
    """(predict, images, labels, classes, seed) -> float (records,): a search for every record, asked of a few
    (AuditPlan.searched)."""
    GENERATOR = "GENERATOR"
    """The pipeline runs it: its `generator_scores` or `searched_scores` under the attack's name."""

    @property
    def at_once(self) -> bool:
        """Is it run while a pipeline's parts are there, and not on kept answers?"""
        return self in (Needs.IMAGES, Needs.SOFT_LABELS, Needs.STUDENT, Needs.SEARCH)


@dataclass(frozen=True)
class AttackCard:
    """The description of an attack that accompanies its numbers.

    Attributes:
        name: as in rows.
        paper: where it comes from.
        access: what the attacker must have.
        assumption: when it means something.
        threat_model: the weakest adversary who can run it.
        population: the records on which it says something.
    """

    name: str
    paper: str
    access: str
    assumption: str
    threat_model: ThreatModel = ThreatModel.LOGITS
    population: str = "clean, outlier, canary"


@dataclass(frozen=True)
class Attack:
    """One attack. A new one is a file with such a value, and a line in the CATALOGUE.

    Attributes:
        card: its name, and what is said about it.
        needs: what `score` is called with.
        score: the function.
        fewest: pipelines below which it cannot be run.
        most: pipelines above which it is not run, because shadow pipelines tell more; None: no limit.
        views: queries per record that it takes at least on one pipeline.
        common: does a score mean the same for every record, so that one threshold serves all of them.
    """

    card: AttackCard
    needs: Needs
    score: Score
    fewest: int = 1
    most: int | None = None
    views: int = 1
    common: bool = False

    def __repr__(self) -> str:
        return f"Attack({self.name!r})"

    @property
    def name(self) -> str:
        """As in plans, rows and cards."""
        return self.card.name

    def fits(self, pipelines: int, views: int) -> bool:
        """Can it be run in an audit of this many pipelines and views?"""
        return self.fewest <= pipelines <= (self.most or pipelines) and (pipelines > 1 or views >= self.views)
