"""What is said before an audit must be what it can show."""

from __future__ import annotations

import numpy as np
import pytest

from tests.audit.pipelines.test_canaries import pool
from upcycle.audit import AuditInputError, forecast_pipelines, forecast_run, plan_for
from upcycle.audit.pipeline_audit._forecast import smallest_limit
from upcycle.audit.statistics import Scores, tpr_at_fpr
from upcycle.data import ImageSet


def patients(count: int, each: int, classes: int = 2) -> ImageSet:
    return pool(count * each, classes, groups=np.arange(count * each) // each)


def test_the_smallest_limit_is_reached_in_four_of_five_audits_that_know_nothing() -> None:
    for pairs in (560, 1700):
        limit = smallest_limit(pairs)
        assert limit is not None
        rng, reached = np.random.default_rng(pairs), 0
        for _ in range(200):
            found = tpr_at_fpr(Scores(rng.normal(size=2 * pairs), np.arange(2 * pairs) < pairs), 0.01)
            reached += found.high < limit  # type: ignore[union-attr]
        assert reached >= 200 * 0.8 - 3 * (200 * 0.8 * 0.2) ** 0.5
    assert smallest_limit(100) is None


def test_enough_records_make_no_leak_found_possible_and_few_do_not() -> None:
    assert forecast_run(pool(2000), pool(600)).no_leak_found == "within reach"
    few = forecast_run(pool(400), pool(60))
    assert few.no_leak_found == "out of reach"
    assert few.smallest_auc > 0.6
    assert "524 records" in few.changes[0]


def test_patients_are_what_counts_where_there_are_patients() -> None:
    found = forecast_run(patients(21, 200), patients(6, 200))
    assert (found.members, found.non_members, found.counted_in) == (21, 6, "patients")
    assert found.no_leak_found == "out of reach"
    assert "rests on 21 patients given and 6 kept away" in found.rests_on


def test_shadow_pipelines_say_their_canaries_and_what_more_would_do() -> None:
    found = forecast_pipelines(pool(900), plan_for("standard", seed=1))
    assert found.canaries["mislabelled"] == 60
    assert found.observed == 60 * 16
    assert found.no_leak_found == "perhaps"  # 960 pairs, of 60 canaries only
    assert "  NO LEAK FOUND is perhaps within reach" in list(found.lines())
    assert found.limit == 0.03
    few = forecast_pipelines(pool(900), plan_for("standard", seed=1, pipelines=8))
    assert few.no_leak_found == "out of reach" or few.observed > 700
    assert few.no_leak_found != "out of reach" or any("pairs of a pipeline and a canary" in change for change in few.changes)
    assert "60 planted ones" in found.changes[0]
    assert next(iter(found.lines())).startswith("32 shadow pipelines: rests on 900 records")
    one = forecast_pipelines(pool(900), plan_for("quick", seed=1))
    assert one.limit is None
    assert one.no_leak_found == "out of reach"


@pytest.mark.parametrize(("count", "able"), [(3, False), (5, True), (9, True), (14, True), (42, True)])
def test_few_patients_are_told_before_the_work(count: int, able: bool) -> None:
    plan = plan_for("standard", seed=1)
    if able:
        assert forecast_pipelines(patients(count, 200), plan).counted_in == "patients"
    else:
        with pytest.raises(AuditInputError, match=f"patients must number at least 4 .* Got {count}"):
            forecast_pipelines(patients(count, 200), plan)


def test_a_class_of_one_patient_is_told_before_the_work() -> None:
    data = patients(12, 20)
    with pytest.raises(AuditInputError, match="every class must have two patients"):
        forecast_pipelines(ImageSet(data.images, (np.arange(240) < 20).astype(np.int64), data.groups), plan_for("standard"))
