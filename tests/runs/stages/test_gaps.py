"""How much better the student serves the objective than the baseline: closed form."""

import numpy as np
import pytest

from upcycle.runs.stages._gaps import gap_by


def test_the_gap_by_the_objective_counts_classes_and_its_interval_holds_it() -> None:
    """The student finds 30 of 40 of the small class, the baseline none; of the large class 80 and 100 of 100."""
    labels = np.repeat([0, 1], [100, 40])
    student, baseline = np.eye(2)[np.repeat([0, 1, 0, 1], [80, 20, 10, 30])], np.eye(2)[np.zeros(140, int)]
    gap, low, high = gap_by("balanced", student, baseline, labels, 0.95)
    assert gap == pytest.approx(100 * ((0.8 + 0.75) / 2 - 0.5))
    error = 100 * np.sqrt(0.8 * 0.2 / 100 + 0.75 * 0.25 / 40) / 2
    assert (low, high) == (pytest.approx(gap - 1.96 * error, abs=2), pytest.approx(gap + 1.96 * error, abs=2))
