"""Any mixture of quirks gives exactly what was written, or a problem or note that names each difference."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.readers.mixtures import WRITERS, judge


@pytest.mark.parametrize("reader", WRITERS)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(random=st.randoms(use_true_random=False))
def test_no_mixture_is_read_as_anything_else_without_a_word(reader: str, random: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        root.mkdir()
        judge(WRITERS[reader](random, root))
