"""What is said of uneven classes before the work."""

import numpy as np

from upcycle.data import Dataset, ImageSet
from upcycle.runs import objective_lines


def uneven(*counts: int) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = ImageSet(np.zeros((len(labels), 8, 8, 1), np.uint8), labels)
    return Dataset("spots", images, images, images, tuple("abcdefg"[: len(counts)]))


def test_uneven_classes_are_told_with_what_every_objective_costs_and_even_ones_are_not() -> None:
    assert objective_lines(uneven(60, 20), "accuracy") == []
    lines = objective_lines(uneven(150, 40, 10), "balanced")
    assert lines[0] == "objective    a is 75.0 % of the training images, c 5.0 %"
    assert "never answering c costs 5.0 points of accuracy, but 33.3 of balanced accuracy" in lines[1]
    assert lines[-1].endswith("chosen: balanced (--objective)")
