"""Label cleaning finds planted wrong labels, keeps groups together and never empties a class."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import stripes
from tests.recycle.test_training import CONFIG
from upcycle.data import ImageSet
from upcycle.nets import classifier_factory
from upcycle.recycle import Recipe, believed, out_of_fold
from upcycle.recycle._cleaning import fold_of


def test_planted_wrong_labels_are_left_out_and_right_ones_stay() -> None:
    clean = stripes(200)
    wrong = np.random.default_rng(1).permutation(200)[:10]
    labels = clean.labels.copy()
    labels[wrong] = 1 - labels[wrong]
    recipe = Recipe(classifier_factory(CONFIG), 2, CONFIG)
    noisy = ImageSet(clean.images, labels)
    probabilities = out_of_fold(noisy, fold_of(noisy, 2, seed=0), recipe, images=1_600, seed=0).probabilities
    kept = believed(probabilities, labels, threshold=0.1, most=0.2)
    assert (~kept)[wrong].mean() >= 0.9
    assert (~kept).sum() <= 14


def test_all_images_of_a_patient_are_in_one_fold() -> None:
    data = stripes(120)
    groups = np.arange(120) // 4
    which = fold_of(ImageSet(data.images, data.labels, groups), 3, seed=0)
    assert all(len(set(which[groups == g])) == 1 for g in np.unique(groups))
    assert set(which) == {0, 1, 2}


@given(seed=st.integers(0, 1000), most=st.floats(0.01, 0.5), threshold=st.floats(0.01, 0.9))
def test_no_class_loses_more_than_its_share_and_only_doubted_labels_go(seed: int, most: float, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    probabilities, labels = rng.dirichlet([0.3, 0.3, 0.3], 60), np.arange(60) % 3
    kept = believed(probabilities, labels, threshold=threshold, most=most)
    given_label = probabilities[np.arange(60), labels]
    assert (given_label[~kept] < threshold).all()
    for label in range(3):
        lost, inside = (~kept & (labels == label)).sum(), labels == label
        assert lost <= most * 20
        if lost:
            assert given_label[~kept & inside].max() <= given_label[kept & inside].min()
