"""The different values among many, as NumPy gives them."""

from __future__ import annotations

import numpy as np
import pytest

from upcycle._distinct import distinct


@pytest.mark.parametrize(
    "values", [np.array([3, 1, 3, -2]), np.arange(0), np.array([b"b", b"a", b"b"]), np.full(5, 7, np.uint8)]
)
def test_distinct_values_are_those_of_numpy_and_of_their_type(values: np.ndarray) -> None:
    found = distinct(values)
    assert np.array_equal(found, np.unique(values)) and found.dtype == values.dtype
