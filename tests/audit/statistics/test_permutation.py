"""The audit without shadows: exact under the null, decisive on remembered canaries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from upcycle.audit.statistics._permutation import label_permutation
from upcycle.errors import AuditInputError


def test_p_value_equals_the_enumeration_of_every_draw() -> None:
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=(5, 4)), 1)
    every = [label_permutation(scores, np.array(draw)) for draw in itertools.product(range(4), repeat=5)]
    p = np.array([result.p_value for result in every])
    for value in np.unique(np.round(p, 12)):  # p is the share of draws that are at least as extreme
        assert np.mean(p <= value + 1e-9) == pytest.approx(value, abs=1e-9)


@pytest.mark.slow
def test_p_values_of_excluded_canaries_are_uniform_over_redrawn_labels() -> None:
    from scipy.stats import kstest

    rng = np.random.default_rng(1)
    scores, true = rng.normal(size=(80, 10)), rng.integers(10, size=80)
    candidates = np.arange(10) != true[:, None]
    p = []
    for _ in range(300):
        drawn = (true + rng.integers(1, 10, size=80)) % 10
        p.append(label_permutation(scores, drawn, candidates).p_value)
    assert kstest(p, "uniform").pvalue > 1e-3
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_remembered_canaries_are_certain_from_fifty() -> None:
    rng = np.random.default_rng(2)
    scores, drawn = rng.normal(size=(50, 9)), rng.integers(9, size=50)
    hit = np.arange(50) < 37
    scores[hit, drawn[hit]] += 9
    result = label_permutation(scores, drawn)
    assert result.p_value < 1e-20
    assert result.first.value == pytest.approx(0.76, abs=0.04)
    assert result.first.low > result.chance == pytest.approx(1 / 9)
    assert result.mean_rank < 3
    assert label_permutation(-scores, drawn).p_value > 0.99


def test_an_overfit_teacher_gives_its_mislabelled_canaries_away_and_not_the_others() -> None:
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(3)
    images, true = rng.normal(size=(300, 10)), rng.integers(6, size=300)
    images[np.arange(300), true] += 3
    drawn = (true[:80] + rng.integers(1, 6, size=80)) % 6
    included = rng.random(80) < 0.5
    labels = np.concatenate([drawn, true[80:]])
    given = np.concatenate([included, np.ones(220, dtype=bool)])
    net = MLPClassifier((256,), solver="lbfgs", alpha=0, max_iter=500, random_state=0).fit(images[given], labels[given])
    scores = net.predict_proba(images[:80])
    candidates = np.arange(6) != true[:80, None]
    assert label_permutation(scores[included], drawn[included], candidates[included]).p_value < 1e-6
    assert label_permutation(scores[~included], drawn[~included], candidates[~included]).p_value > 1e-3


def test_labels_names_order_and_monotone_transforms_change_nothing() -> None:
    rng = np.random.default_rng(4)
    scores, drawn = rng.normal(size=(30, 7)), rng.integers(7, size=30)
    expected = label_permutation(scores, drawn).p_value
    names, order = rng.permutation(7), rng.permutation(30)
    renamed = scores[:, np.argsort(names)]
    assert label_permutation(renamed, names[drawn]).p_value == pytest.approx(expected)
    assert label_permutation(np.exp(scores)[order], drawn[order]).p_value == pytest.approx(expected)


def test_constant_scores_say_nothing() -> None:
    result = label_permutation(np.zeros((20, 5)), np.zeros(20, dtype=int))
    assert (result.p_value, result.mean_rank) == (1.0, 3.0)
    assert result.first.value == pytest.approx(result.chance)


def test_many_classes_and_canaries_take_no_time() -> None:
    rng = np.random.default_rng(5)
    result = label_permutation(rng.normal(size=(500, 1000)), rng.integers(1000, size=500))
    assert 0.001 < result.p_value < 0.999


SCORES, DRAWN = np.arange(12.0).reshape(3, 4), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("scores", "drawn", "candidates", "says"),
    [
        (np.arange(4.0), DRAWN, None, "canary scores must be numbers of shape"),
        (np.where(SCORES == 5, np.nan, SCORES), DRAWN, None, "finite for every candidate"),
        (SCORES, DRAWN[:2], None, "drawn labels must be integers"),
        (SCORES, DRAWN + 9, None, "drawn labels must be in 0..3"),
        (SCORES, DRAWN, np.ones((3, 3), dtype=bool), "candidates must be booleans of shape"),
        (SCORES, DRAWN, np.arange(4)[None] == DRAWN[:, None], "candidates must number at least 2"),
        (SCORES, DRAWN, np.arange(4)[None] != DRAWN[:, None], "drawn labels must be candidates"),
    ],
)
def test_unusable_canaries_are_named_errors(scores, drawn, candidates, says: str) -> None:
    with pytest.raises(AuditInputError, match=says):
        label_permutation(scores, drawn, candidates)
