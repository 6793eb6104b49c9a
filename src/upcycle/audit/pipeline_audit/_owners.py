"""What many records of one owner reveal in a pipeline audit: patients as the units of an attack, and how many records of one
owner an attack needs (dataset inference: Maini et al. 2021, arXiv:2104.10706)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks import SetDetection, patient_scores, set_detection
from upcycle.audit.pipeline_audit._attacked import AttackResult
from upcycle.audit.pipelines import Design
from upcycle.audit.statistics import Rate, Scores, lower_limit, upper_limit
from upcycle.audit.verdict import Role

PATIENT: Final = "patient"


_PIPELINES, _SETS, _DRAWS = 4, 20, 299  # enough for a share; the time stays within seconds


@dataclass(frozen=True)
class SetShare:
    """The `share` of random sets of `size` members that a permutation test at 1 % tells from non-members, with limits."""

    target: str
    size: int
    share: float
    low: float
    high: float


def has_patients(design: Design) -> bool:
    """Are there groups, and does one of them hold several records?"""
    return design.records.groups is not None and len(distinct(design.units)) < len(design.units)


def clean_patients(design: Design) -> np.ndarray:
    """bool (records,): the real records of patients without a canary; of all patients, where fewer than half are without."""
    records, units = design.records, design.units
    free = ~np.isin(units, units[records.canary])
    enough = 2 * len(distinct(units[free])) >= len(distinct(units))
    return np.asarray(free if enough else ~records.canary)


def patient_scores_of(a: AttackResult, design: Design, among: np.ndarray) -> Scores | None:
    """`patient_scores` of every pipeline over the patients of the records `among` bool (records,) that the attack judged, by
    those records alone, of all pipelines but those that have none of these patients, or all; None for an attack on anything but
    a classifier, and of no pipeline."""
    used = among & ~np.isnan(a.scores).any(0)
    runs = np.flatnonzero(design.members[:, used].any(1) & ~design.members[:, used].all(1))
    if a.part.role in (Role.SYNTHETIC, Role.GENERATOR, Role.DISTILLED) or not len(runs):
        return None
    units = distinct(design.units[used])
    found = [patient_scores(Scores(a.scores[run, used], design.members[run, used], design.units[used])) for run in runs]
    scores, members = (np.stack(part) for part in zip(*found, strict=True))
    return Scores.pooled(scores, members, units, np.ones(len(units), bool), runs)


def set_shares(done: Sequence[AttackResult], design: Design, attack: str, seed: int, confidence: float) -> tuple[SetShare, ...]:
    """How often sets of 10 to 500 clean members are told from non-members by `attack` on student, teacher and baseline.

    Means over the first of each of at most four pairs of pipelines, at most 20 disjoint sets a size in each. Records of one
    patient are no independent draws, so of each patient one record counts. The limits take the pipelines' sets as if they were
    the same ones, seen several times, and fewer still where pipelines scatter more than that; a single pipeline's limits are
    about that pipeline.
    """
    plain = np.flatnonzero(~design.records.canary)
    order = numpy_rng(seed, "one record per unit").permutation(plain)
    used = order[np.unique(design.units[order], return_index=True)[1]]
    runs = np.arange(0, len(design.members), 2)[:_PIPELINES]
    found = []
    for a in done:
        if a.attack == attack and a.part.role in (Role.STUDENT, Role.TEACHER, Role.BASELINE):
            seeds = [derive_seed(seed, "sets of one owner", a.part.name, int(run)) for run in runs]
            per_run = [
                set_detection(Scores(a.scores[run, used], design.members[run, used]), draws=_DRAWS, most=_SETS, seed=own)
                for run, own in zip(runs, seeds, strict=True)
            ]
            found += [share for of_size in zip(*per_run, strict=True) for share in _share(a.part.name, of_size, confidence)]
    return tuple(found)


def _share(target: str, found: Sequence[SetDetection], confidence: float) -> Iterator[SetShare]:
    """The mean over pipelines of what they found for one size; nothing where one of them had too few members."""
    rates = [d.detected.value for d in found if isinstance(d.detected, Rate)]
    if len(rates) < len(found):
        return
    share, trials = float(np.mean(rates)), float(min(d.sets for d in found))
    if (scatter := float(np.var(rates, ddof=1)) / len(rates) if len(rates) > 1 else 0.0) > 0:
        trials = min(max(share * (1 - share) / scatter, 1.0), trials)
    error = (1 - confidence) / 2
    limits = lower_limit(share * trials, trials, error), upper_limit(share * trials, trials, error)
    yield SetShare(target, found[0].size, share, *limits)
