"""The worst record: how well membership of any single record, or patient, can be told from a classifier's answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from upcycle._distinct import distinct
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.attacks import LOSS
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipelines import Design
from upcycle.audit.statistics import worst_by_luck, worst_of
from upcycle.audit.verdict import Role

_JUDGED = (Role.STUDENT, Role.CONTROL)


@dataclass(frozen=True)
class WorstRecord:
    """Of two pipelines one of which was given a record, and the other not: how often an attacker who sees both says which.

    The attack compares how sure of the record's label each is, beyond its median record. What another attack calibrates per
    record cancels here, so that it would order the two in the same way. Over real records; canaries are left out.

    Attributes:
        target: the classifier.
        records: compared, or patients where several records share a coin.
        counted_in: "records" or "patients".
        pairs: of pipelines, independent ones.
        value: largest share of right guesses on a record, 0..1; a half is guessing.
        low: its lower limit; Bonferroni over the records.
        high: upper limit over all records at once: no record's membership is told better, by this attack.
        high_by_luck: what `high` is in every second such audit of a model that tells nothing.
    """

    target: str
    records: int
    counted_in: str
    pairs: int
    value: float
    low: float
    high: float
    high_by_luck: float


def worst_records(done: Sequence[AttackResult], design: Design, confidence: float) -> tuple[WorstRecord, ...]:
    """Of the student and the positive control; nothing for a single pipeline, or fewer than ten records or patients."""
    clean = ~design.records.canary
    if len(design.members) < 2 or len(distinct(design.units[clean])) < SMALL_CELL:
        return ()
    read = [a for a in done if a.part.role in _JUDGED and a.threat_model is a.part.access and a.attack == LOSS.name]
    return tuple(_worst(a, design, clean, confidence) for a in read)


def _worst(a: AttackResult, design: Design, clean: np.ndarray, confidence: float) -> WorstRecord:
    """Every pair of complementary pipelines tosses one coin per unit, so that its comparisons are independent of all others."""
    units, index = np.unique(design.units[clean], return_inverse=True)
    signs = np.stack(list(_signs(a.scores[:, clean], design.members[:, clean], design.pairs, index)))
    wins, ties = (signs > 0).sum(0), (signs == 0).sum(0)
    rate = worst_of(wins, len(signs), confidence, ties)
    counted = "patients" if len(units) < len(index) else "records"
    luck = worst_by_luck(len(units), len(signs), confidence)
    return WorstRecord(a.part.name, len(units), counted, len(signs), rate.value, rate.low, rate.high, luck)


def _signs(scores: np.ndarray, members: np.ndarray, pairs: np.ndarray, index: np.ndarray) -> Iterator[np.ndarray]:
    """Per pair and unit: above 0 where the mean score of its records is higher in the pipeline that was given them."""
    for pair in np.unique(pairs):
        first, second = np.flatnonzero(pairs == pair)
        gain = (scores[first] - np.median(scores[first])) - (scores[second] - np.median(scores[second]))
        yield np.sign(np.bincount(index, gain * np.where(members[first], 1, -1)))
