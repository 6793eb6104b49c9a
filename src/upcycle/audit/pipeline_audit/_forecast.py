"""What an audit of a set can show, said before anything is trained, from counts of records, patients, canaries and runs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Final, Literal

import numpy as np

from upcycle._arguments import typed
from upcycle._distinct import distinct
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.pipelines import KINDS, LEAST_UNITS, AuditPlan
from upcycle.audit.statistics import detectable_auc, records_for_margin, records_needed, upper_limit
from upcycle.audit.verdict import FPR, MARGINS, Rule
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError

Reach = Literal["within reach", "perhaps", "out of reach"]
_DEPENDENT, _OF_MEMBERS = 1.5, 0.8  # design effect measured where nothing leaks; share of the error that the threshold leaves
_LEAST_PAIRS, _STEP = 30, 50
_LIMITS: Final = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Forecast:
    """What one audit can show.

    Attributes:
        audit: which one.
        members: independent records, or patients, given to a model; of shadow pipelines, in each.
        non_members: those kept away from it.
        counted_in: "records" or "patients".
        smallest_auc: AUC of an attack that is found in four of five audits, on records as they are; 1 where none is.
        canaries: planted records by kind, patients for the last kind; empty where none are.
        observed: pairs of a pipeline and a mislabelled canary that it was given.
        limit: smallest upper limit of the true positive rate at 1 % false positives that four of five audits bring where
            nothing leaks, if canaries scatter independently in every pipeline; None: it cannot be resolved.
        careful_limit: the same if a canary is found in all of its pipelines or in none.
        no_leak_found: can NO LEAK FOUND be the outcome where nothing leaks.
        rests_on: one sentence.
        changes: what would change it.
    """

    audit: str
    members: int
    non_members: int
    counted_in: str
    smallest_auc: float
    canaries: dict[str, int]
    observed: int
    limit: float | None
    careful_limit: float | None
    no_leak_found: Reach
    rests_on: str
    changes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield f"{self.audit}: {self.rests_on}"
        certain = f"finds an attack of AUC {self.smallest_auc:.3f} or more in four of five audits"
        yield f"  {certain if self.smallest_auc < 1 else 'no attack on records as they are is found for sure, however good'}"
        if self.canaries:
            yield f"  canaries {', '.join(f'{count} {kind}' for kind, count in self.canaries.items() if count)}"
            yield f"  {self._limits()}"
        yield f"  NO LEAK FOUND is {self.no_leak_found}{' within reach' if self.no_leak_found == 'perhaps' else ''}"
        yield from (f"  to change it: {change}" for change in self.changes)

    def _limits(self) -> str:
        if self.counted_in == "patients" and self.members + self.non_members < SMALL_CELL:
            return f"fewer than {SMALL_CELL} patients: no figure is shown, and exact tests of planted labels decide"
        if self.limit is None:
            pairs = f"{self.observed} pairs of a pipeline and a mislabelled canary"
            return f"{pairs}: too few to resolve the rate at 1 % false positives"
        careful = "none" if self.careful_limit is None else f"{self.careful_limit:.0%}"
        return (
            f"smallest upper limit of the rate at 1 % false positives: {self.limit:.0%} if canaries scatter independently, "
            f"{careful} if each is found always or never"
        )


@typed()
def forecast_run(members: ImageSet, non_members: ImageSet, confidence: float = 0.95) -> Forecast:
    """What the run's own audit of its student can show: an attack on average records, without canaries."""
    (inside, unit), (outside, _) = _counted(members), _counted(non_members)
    rule, few = Rule(confidence), min(inside, outside)
    margin = MARGINS["AUC"]
    needed = records_needed(margin - 0.5, confidence)
    smallest = detectable_auc(inside, outside, rule.level * rule.primary, rule.power) if few > 1 else 1.0
    reach: Reach = "out of reach" if few < 2 or _harmonic(inside, outside) < needed else "within reach"
    rests = f"rests on {inside:,} {unit} given and {outside:,} kept away"
    if reach == "within reach":
        return Forecast("the run's own audit", inside, outside, unit, smallest, {}, 0, None, None, reach, rests, ())
    change = f"about {needed:,} {unit} on each side (audit.non_member_share keeps more away), or shadow pipelines (--evidence)"
    return Forecast("the run's own audit", inside, outside, unit, smallest, {}, 0, None, None, reach, rests, (change,))


@typed()
def forecast_pipelines(pool: ImageSet, plan: AuditPlan) -> Forecast:
    """What shadow pipelines by this plan can show on the members and non-members of a run together; reads labels and groups
    only. Raises AuditInputError, as the audit itself would, where they cannot be run."""
    units, unit = _counted(pool)
    _check_units(pool, units, unit)
    plan, few = plan.fitted(pool), units < SMALL_CELL
    counts, each = plan.canary_counts(pool), max(plan.pipelines // 2, 1)
    distinct = min(counts.mislabelled, units)
    pairs = distinct * each if plan.pipelines > 1 else distinct // 2
    smallest = common_limit if plan.pipelines > 1 else smallest_limit
    limit, careful = (None if few else smallest(count, plan.confidence) for count in (pairs, distinct // 2))
    margin, rule, half = MARGINS["TPR@1%FPR"], Rule(plan.confidence), max(units // 2, 1)
    reach: Reach = "out of reach"
    if limit is not None and limit <= margin:
        reach = "within reach" if careful is not None and careful <= margin else "perhaps"
    name = f"{plan.pipelines} shadow pipeline{'s' if plan.pipelines > 1 else ''}"
    rests = f"rests on {units:,} {unit}, half of them in each pipeline, and {distinct} {unit} with a mislabelled canary"
    area = detectable_auc(half, half, rule.level * rule.primary, rule.power)
    planted = dict(zip(KINDS, (*counts.single, counts.patient_patch), strict=True))
    changes = (f"{SMALL_CELL} {unit} or more",) if few else tuple(_changes(plan, distinct, reach, unit))
    return Forecast(name, half, units - half, unit, area, planted, pairs, limit, careful, reach, rests, changes)


def _check_units(pool: ImageSet, units: int, unit: str) -> None:
    problems = []
    if units < LEAST_UNITS:
        problems.append(f"{unit} must number at least {LEAST_UNITS} for shadow pipelines. Got {units}. Add {unit}.")
    owners = np.arange(len(pool)) if pool.groups is None else pool.groups
    lone = [int(label) for label in np.unique(pool.labels) if len(distinct(owners[pool.labels == label])) < 2]
    if lone:
        got = f"Got one for class {lone[0]}. Add {unit}."
        problems.append(f"every class must have two {unit} or more for shadow pipelines. {got}")
    if problems:
        raise AuditInputError(*problems)


def _changes(plan: AuditPlan, distinct: int, reach: Reach, unit: str) -> Iterator[str]:
    if reach == "within reach":
        return
    if reach == "perhaps":
        yield f"more {unit}: with {distinct} planted ones, a leak that shows in a few of a hundred may be missed"
        return
    margin = MARGINS["TPR@1%FPR"]
    needed = next((n for n in range(_STEP, 100 * _STEP, _STEP) if (common_limit(n, plan.confidence) or 1) <= margin), None)
    if needed is None:
        return
    pipelines = -(-2 * needed // max(distinct, 1)) // 2 * 2
    if plan.pipelines < pipelines <= 256:
        yield f"{pipelines} pipelines with these canaries, if canaries scatter independently in every pipeline"
    yield f"more {unit}: {needed:,} pairs of a pipeline and a canary bring the limit below {margin:.0%}"


@cache
def common_limit(pairs: int, confidence: float = 0.95) -> float | None:
    """The same of shadow pipelines, where all non-members place one threshold (`tpr_at_common_fpr`): the binomial limit over
    this many pairs of a pipeline and a canary, _DEPENDENT times fewer where none leaks; None for fewer than 30."""
    from scipy.stats import binom

    trials = pairs / _DEPENDENT
    if pairs < _LEAST_PAIRS:
        return None
    usual, error = float(binom.ppf(0.8, round(trials), FPR)), (1 - confidence) / 2 * _OF_MEMBERS
    return next((margin for margin in _LIMITS if upper_limit(usual, trials, error) <= margin), None)


@cache
def smallest_limit(pairs: int, confidence: float = 0.95) -> float | None:
    """Smallest of some round upper limits of the TPR at 1 % that four of five audits bring, with this many independent members
    and non-members that know nothing; None where the rate cannot be resolved."""
    for margin in _LIMITS:
        needed = records_for_margin(margin, FPR, confidence)
        if needed is not None and needed <= pairs:
            return margin
    return None


def _counted(data: ImageSet) -> tuple[int, str]:
    """Independent units, and what they are."""
    if not _grouped(data):
        return len(data), "records"
    assert data.groups is not None
    return len(distinct(data.groups)), "patients"


def _grouped(data: ImageSet) -> bool:
    return data.groups is not None and len(distinct(data.groups)) < len(data)


def _harmonic(inside: int, outside: int) -> float:
    """Records on each side of an even audit that sees as much."""
    return 2 * inside * outside / (inside + outside)
