"""Who is a member of which shadow pipeline: complementary halves by secret coin flips, whole groups together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from upcycle._distinct import distinct
from upcycle._random import derive_seed, numpy_rng
from upcycle._small_cell import SMALL_CELL
from upcycle.audit.copies import near_copies
from upcycle.audit.pipelines._canaries import NEAR_PAIR, PATIENT_PATCH, Records, natural_outliers, plant, without_canaries
from upcycle.audit.pipelines._plan import AuditPlan
from upcycle.data import ImageSet
from upcycle.data import units as connected_units
from upcycle.errors import AuditInputError

_ATTEMPTS = 200


_OUTLIER_SHARE = 0.05


_CANARY_SHARE = 0.02  # above, canaries may cost accuracy


_LEAST_ON_A_SIDE = 6  # units: two for each of the blind control's three folds
LEAST_RECORDS, LEAST_UNITS = 32, 4  # two units a side; of fewer than SMALL_CELL only the exact tests of canaries speak


@dataclass(frozen=True, eq=False)
class Design:
    """`members` bool (pipelines, records); rows 2k and 2k + 1 are complements, so every record is in exactly half of the
    pipelines. `units` int64 (records,): records with equal numbers share their coin. `seeds`: one per pipeline. `near`: the
    share of the records that have a near copy in another unit. `plain`: the records as they were before canaries took the
    places of some; None where there is no canary."""

    records: Records
    members: np.ndarray
    units: np.ndarray
    seeds: tuple[int, ...]
    near: float = 0.0
    plain: Records | None = None

    @property
    def pairs(self) -> np.ndarray:
        """int64 (pipelines,): the number of each pipeline's complementary pair."""
        return np.arange(len(self.members)) // 2

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes the audit differ from the released pipeline or see less than it could, or nothing."""
        canary, found = self.records.canary, []
        single = canary & (self.records.kind != PATIENT_PATCH)
        canaries, owners = int(canary.sum()), len(distinct(self.units[single]))
        if canaries > _CANARY_SHARE * len(self.records):
            found.append(
                f"canaries: {canaries} of {len(self.records)} records, more than {_CANARY_SHARE:.0%}; the accuracies here may "
                "lie below those without canaries."
            )
        if owners < single.sum():
            found.append(
                f"canaries: {single.sum()} of only {owners} patients. Those of one patient share its coin, so limits count "
                "patients and are wider than those of as many independent canaries."
            )
        if self.near:
            found.append(
                f"near-duplicates: {self.near:.1%} of the records have a near copy with its own coin; such non-members "
                "are as good as members, and leaks show less. Give near copies one group."
            )
        return tuple(found)


def make_design(data: ImageSet, plan: AuditPlan) -> Design:
    """Canaries, natural outliers and coin flips of an audit; everything follows from the data and the plan's secret seed.

    Raises AuditInputError for data and plans that cannot be audited.
    """
    _check(data, plan)
    records = plant(data, plan.canary_counts(data), seed=plan.canary_seed, fewer=plan.canaries is None)
    outlier, next_layer = natural_outliers(records.images, ~records.canary, _OUTLIER_SHARE)
    records = replace(records, outlier=outlier, next_layer=next_layer)
    unit = np.unique(connected_units(ImageSet(records.images, records.labels, records.groups)), return_inverse=True)[1]
    if unit.max() + 1 < LEAST_UNITS:
        raise AuditInputError(
            f"patients, or sets of equal images, must number at least {LEAST_UNITS}. Got {unit.max() + 1}. Add patients, or "
            "drop the groups if the records are independent."
        )
    members = complementary_halves(unit, records, plan.pipelines, plan.seed)
    seeds = tuple(derive_seed(plan.seed, "pipeline", k) for k in range(plan.pipelines))
    plain = without_canaries(data) if records.canary.any() else None
    real = records.kind != NEAR_PAIR  # near copies on purpose
    return Design(records, members, unit, seeds, near_copies(records.images[real], unit[real]), plain)


def complementary_halves(unit: np.ndarray, records: Records, pipelines: int, seed: int) -> np.ndarray:
    """bool (pipelines, n). Units without a canary are split into equally many; units with one by an independent fair coin.

    One pipeline has one half. A split that leaves a class out of a half, or fewer than six of 16 or more units in it, is drawn
    again; so is, of so few units that it may well come up, one that a pair before it has. AuditInputError if none is found.
    """
    with_canary = np.zeros(int(unit.max()) + 1, bool)
    with_canary[unit[records.canary]] = True
    halves = list[np.ndarray]()
    for pair in range((pipelines + 1) // 2):
        half = _half(unit, with_canary, records, seed, pair, halves if len(with_canary) < SMALL_CELL else ())
        halves += [half, ~half]
    return np.stack(halves[:pipelines])


def _half(
    unit: np.ndarray, with_canary: np.ndarray, records: Records, seed: int, pair: int, taken: Sequence[np.ndarray]
) -> np.ndarray:
    classes = np.unique(records.labels)
    plain = np.flatnonzero(~with_canary)
    for attempt in range(_ATTEMPTS):
        rng = numpy_rng(seed, "halves", pair, attempt)
        inside = rng.random(len(with_canary)) < 0.5
        inside[plain] = False
        inside[rng.permutation(plain)[: (len(plain) + int(rng.integers(2))) // 2]] = True
        half = np.asarray(inside[unit])
        if min(inside.sum(), (~inside).sum()) < max(min(_LEAST_ON_A_SIDE, len(inside) // 3), 2):
            continue
        if any((half == other).all() for other in taken):
            continue
        if all(np.isin(classes, records.labels[side & ~records.canary]).all() for side in (half, ~half)):
            return half
    raise AuditInputError(
        f"every class must have records in both halves. Got none in {_ATTEMPTS} draws. Leave out classes of one patient."
    )


def _check(data: ImageSet, plan: AuditPlan) -> None:
    problems = []
    if data.images.ndim != 4 or data.images.dtype != np.uint8 or len(data.images) != len(data.labels):
        problems.append(
            f"images must be uint8 (n, height, width, channels), one per label. Got {data.images.dtype} {data.images.shape} "
            f"for {len(data.labels)} labels. Convert them."
        )
    if data.labels.dtype.kind not in "iu" or (len(data.labels) and data.labels.min() < 0):
        problems.append(f"labels must be whole numbers from 0. Got {data.labels.dtype}. Number the classes.")
    elif len(data.labels) < LEAST_RECORDS:
        problems.append(f"records must number at least {LEAST_RECORDS}. Got {len(data.labels)}. Give more.")
    elif len(np.unique(data.labels)) != int(data.labels.max()) + 1 or data.labels.max() < 1:
        problems.append("labels must be 0..classes-1 with two or more classes, all present. Got others. Renumber the classes.")
    if plan.pipelines != 1 and plan.pipelines % 2:
        problems.append(f"pipelines must be 1 or even, being complementary pairs. Got {plan.pipelines}. Add one.")
    if not 0 <= plan.without_canaries <= plan.pipelines:
        problems.append(
            f"without_canaries must be from 0 to the {plan.pipelines} pipelines. Got {plan.without_canaries}. Two tell enough."
        )
    if problems:
        raise AuditInputError(*problems)
