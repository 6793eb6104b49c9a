"""Who is in which pipeline: balance, complements, groups, independence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.pipelines.test_canaries import pool
from upcycle.audit.pipelines._canaries import CanaryCounts
from upcycle.audit.pipelines._design import make_design
from upcycle.audit.pipelines._plan import plan_for
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError


@given(seed=st.integers(0, 2**40), pairs=st.integers(1, 6), grouped=st.booleans())
@settings(max_examples=30, deadline=None)
def test_every_record_is_in_exactly_half_of_the_pipelines_and_groups_stay_whole(seed: int, pairs: int, grouped: bool) -> None:
    groups = np.random.default_rng(seed).integers(0, 60, 200) if grouped else None
    design = make_design(
        pool(groups=groups), plan_for("standard", pipelines=2 * pairs, seed=seed, canaries=CanaryCounts(10, 4, 3))
    )
    assert (design.members.sum(0) == pairs).all()
    assert (design.members[::2] == ~design.members[1::2]).all()
    for group in np.unique(groups) if groups is not None else ():
        mine = design.members[:, groups == group]
        assert (mine == mine[:, :1]).all()
    if not grouped:
        real = ~design.records.canary
        assert (np.abs(design.members[:, real].sum(1) - real.sum() / 2) <= 0.5).all()


def test_canaries_are_flipped_by_coins_of_their_own() -> None:
    counts = CanaryCounts(mislabelled=100)
    inside = [make_design(pool(400), plan_for("standard", pipelines=2, seed=seed, canaries=counts)) for seed in range(80)]
    share = np.array([d.members[0][d.records.canary].sum() for d in inside])
    assert abs(share.mean() - 50) < 3.5  # six standard errors
    assert 12 < share.var() < 42  # binomial: 25; a balanced split would give 0


def test_byte_identical_records_share_a_coin() -> None:
    data = pool()
    images = data.images.copy()
    images[100] = images[0]
    design = make_design(ImageSet(images, data.labels), plan_for("smoke", pipelines=8, seed=1))
    assert (design.members[:, 0] == design.members[:, 100]).all()


def test_pairs_are_independent_and_the_secret_decides() -> None:
    plan = plan_for("smoke", pipelines=8, seed=5)
    a, b = make_design(pool(1000), plan), make_design(pool(1000), plan_for("smoke", pipelines=8, seed=6))
    assert (a.members == make_design(pool(1000), plan).members).all()
    agreement = (a.members[::2, None] == a.members[None, ::2]).mean(-1)[np.triu_indices(4, 1)]
    assert (np.abs(agreement - 0.5) < 0.08).all()  # five standard errors
    assert abs((a.members == b.members).mean() - 0.5) < 0.06
    assert len(set(a.seeds)) == 8


def test_one_pipeline_has_one_half() -> None:
    design = make_design(pool(), plan_for("smoke", seed=1))
    assert design.members.shape == (1, 200)
    assert design.members.sum() == 100


def test_every_class_is_on_both_sides() -> None:
    labels = np.zeros(200, np.int64)
    labels[:4] = 1
    for seed in range(20):
        design = make_design(ImageSet(pool().images, labels), plan_for("smoke", pipelines=4, seed=seed))
        assert all(len(np.unique(labels[half])) == 2 for half in design.members)


def test_data_and_plans_that_cannot_be_audited_are_refused_with_all_problems_at_once() -> None:
    bad = ImageSet(np.zeros((40, 8, 8), np.float32), np.full(40, 3))
    with pytest.raises(AuditInputError) as caught:
        make_design(bad, plan_for("smoke", pipelines=3))
    assert len(caught.value.problems) == 3
    with pytest.raises(AuditInputError, match="both halves"):
        make_design(ImageSet(pool().images, np.where(np.arange(200) < 1, 1, 0)), plan_for("smoke"))
    with pytest.raises(AuditInputError, match="records must number"):
        make_design(pool(20), plan_for("smoke"))
    with pytest.raises(AuditInputError, match="budget must be one of"):
        plan_for("huge")
