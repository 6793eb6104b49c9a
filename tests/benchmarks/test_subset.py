"""Subsets for benchmarks keep what they name."""

import numpy as np

from benchmarks.subset import stratified, thinned


def test_of_the_rare_classes_only_the_given_number_stays_and_of_the_others_all() -> None:
    labels = np.array([0, 1, 2, 1, 0, 2, 1, 2])
    assert thinned(labels, 1, (1, 2)).tolist() == [0, 1, 2, 4]
    assert thinned(labels, 0, ()).tolist() == list(range(8))


def test_a_stratified_subset_has_every_class_in_its_share() -> None:
    labels = np.repeat([0, 1], [300, 100])
    assert np.bincount(labels[stratified(labels, 40, seed=0)]).tolist() == [30, 10]
