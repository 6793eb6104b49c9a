"""The label permutation test: exact where nothing was learned, sharp where labels were."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from tests.audit.pipelines.test_canaries import pool
from upcycle.audit.pipeline_audit._label_test import label_test
from upcycle.audit.pipelines import CanaryCounts, plant
from upcycle.data import ImageSet


def test_without_a_leak_the_p_value_is_uniform_over_label_draws() -> None:
    data, values = pool(300, 5), []
    logits = np.random.default_rng(0).normal(size=(1, 300, 5))  # one model that never saw a label
    for seed in range(300):
        records = plant(data, CanaryCounts(mislabelled=40), seed=seed)
        found = label_test("student", logits, np.ones((1, 300), bool), records)
        assert found is not None
        values.append(found.p_value)
    assert kstest(values, "uniform").pvalue > 1e-3
    assert np.mean(np.array(values) <= 0.05) < 0.09


def test_a_learned_label_is_seen_by_few_canaries_and_excluded_ones_do_not_count() -> None:
    data = pool(300, 5)
    records = plant(data, CanaryCounts(mislabelled=40), seed=1)
    members = np.random.default_rng(0).random((1, 300)) < 0.5
    logits = np.random.default_rng(1).normal(size=(1, 300, 5))
    logits[0, np.arange(300), records.labels] += 4 * members[0]
    found = label_test("student", logits, members, records)
    assert found is not None
    assert found.canaries == (members[0] & records.canary).sum()
    assert found.p_value < 1e-6
    assert found.ranked_first > 0.8 > found.chance == 0.25
    excluded = label_test("student", logits, ~members, records)
    assert excluded is not None
    assert excluded.p_value > 1e-3


def test_by_hand_two_canaries_of_three_classes() -> None:
    data = ImageSet(pool(40).images, np.arange(40) % 3)
    records = plant(data, CanaryCounts(mislabelled=2), seed=0)
    logits = np.zeros((1, 40, 3))
    logits[0, np.arange(40), records.labels] = 1.0
    found = label_test("student", logits, np.ones((1, 40), bool), records)
    assert found is not None
    assert np.isclose(found.p_value, 0.25)  # both first of two wrong labels
    tied = label_test("student", np.zeros((1, 40, 3)), np.ones((1, 40), bool), records)
    assert tied is not None
    assert tied.p_value == 1.0


def test_two_classes_leave_nothing_to_permute() -> None:
    data = ImageSet(pool(40).images, np.arange(40) % 2)
    records = plant(data, CanaryCounts(mislabelled=4), seed=0)
    assert label_test("student", np.zeros((1, 40, 2)), np.ones((1, 40), bool), records) is None
