"""How many canaries an audit plants by itself: enough to certify every kind, and never more than a small set can bear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from tests.audit.pipelines.test_canaries import pool
from upcycle.audit import AuditInputError, CanaryCounts, plan_for
from upcycle.audit.pipelines import fitted_counts, make_design
from upcycle.audit.pipelines._canary_counts import LEAST_OBSERVED
from upcycle.data import ImageSet


def patients(count: int, each: int, classes: int = 2) -> ImageSet:
    return pool(count * each, classes, groups=np.arange(count * each) // each)


def test_three_hundred_pairs_are_the_least_that_certify_three_per_cent_at_chance() -> None:
    def upper(observed: int) -> float:
        return float(beta.ppf(0.975, observed // 100 + 1, observed - observed // 100))

    assert upper(LEAST_OBSERVED) < 0.03
    assert upper(200) > 0.03
    assert float(beta.ppf(0.975, 2 + 1, 192 - 2)) > 0.03  # what 12 canaries in 32 pipelines, as planted before, leave


@pytest.mark.parametrize("records", [600, 900, 1300, 4708, 12_000])
@pytest.mark.parametrize("pipelines", [32, 64])
def test_every_kind_can_be_certified_at_standard_and_above(records: int, pipelines: int) -> None:
    counts = fitted_counts(pool(records), pipelines, seed=1)
    assert min(counts.single) * pipelines // 2 >= LEAST_OBSERVED
    assert counts.patient_patch == 0  # no patients are known


@pytest.mark.parametrize(("count", "each"), [(39, 200), (30, 40), (1000, 3)])
def test_patients_carry_enough_patches_too(count: int, each: int) -> None:
    counts = fitted_counts(patients(count, each), 32, seed=1)
    assert min(*counts.single, counts.patient_patch) * 16 >= LEAST_OBSERVED


@given(
    records=st.integers(32, 900),
    classes=st.integers(2, 6),
    pipelines=st.sampled_from([1, 2, 8, 16, 32, 64]),
    each=st.sampled_from([0, 1, 2, 7, 40]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=60, deadline=None)
def test_what_is_planted_by_default_fits_whatever_the_pool(
    records: int, classes: int, pipelines: int, each: int, seed: int
) -> None:
    groups = np.random.default_rng(seed).permutation(np.arange(records) // each) if each else None
    data = pool(records, classes, groups=groups)
    plan = plan_for("standard", pipelines=pipelines, seed=seed, without_canaries=0)
    counts = plan.canary_counts(data)
    if groups is not None and len(np.unique(groups)) < 12:
        return
    found = make_design(data, plan).records
    kinds = ("mislabelled", "patch", "repeated", "odd", "near pair")
    assert tuple(int((found.kind == kind).sum()) for kind in kinds) == counts.single
    assert counts.total <= records // 5
    assert (np.bincount(data.labels[found.canary], minlength=classes) <= np.bincount(data.labels) // 2).all()


def test_thirty_nine_patients_with_two_hundred_images_each_can_be_audited() -> None:
    data, plan = patients(39, 200), plan_for("standard", seed=4)
    design = make_design(data, plan)
    counted = [len(np.unique(data.groups[design.records.kind == kind])) for kind in ("mislabelled", "patch", "patient patch")]
    assert min(counted) * 16 >= LEAST_OBSERVED
    assert any("of only 39 patients" in note for note in design.notes)
    for patient in range(39):
        assert len(np.unique(design.members[:, data.groups == patient], axis=1).T) == 1


def test_canaries_of_independent_records_are_not_said_to_share_patients() -> None:
    assert not any("of only" in note for note in make_design(pool(900), plan_for("standard", seed=4)).notes)


def test_an_odd_number_of_near_pairs_is_refused() -> None:
    with pytest.raises(AuditInputError, match="near_pair must be even"):
        CanaryCounts(near_pair=3)
