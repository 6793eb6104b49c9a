"""The sets of few patients are what their page says: real digits, 200 of each patient, every fourth with one class."""

import numpy as np

from benchmarks.patients import DIGITS, EACH, patients


def test_every_patient_has_as_many_images_and_every_fourth_one_class() -> None:
    made = patients(8)
    assert made["images"].shape == (8 * EACH, 8, 8) and made["images"].dtype == np.uint8
    classes = [np.unique(made["labels"][made["patient_ids"] == owner]) for owner in range(8)]
    assert [len(found) for found in classes] == [4, 4, 4, 1, 4, 4, 4, 1]
    assert set(made["labels"]) == set(range(len(DIGITS))) and (np.bincount(made["patient_ids"]) == EACH).all()
    assert len(np.unique(made["images"], axis=0)) == 8 * EACH, "no image is on two sides by being copied"
