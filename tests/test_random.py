"""Seeds and streams: what makes a killed run resume on the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from upcycle._files import seal
from upcycle._random import derive_seed, indexed_normal
from upcycle._training import Checkpoint, stream


def test_seed_is_the_same_on_every_machine_and_depends_on_every_key() -> None:
    assert derive_seed(0, "a", 1) == 5640247956467711177
    assert len({derive_seed(0, "a", 1), derive_seed(1, "a", 1), derive_seed(0, "b", 1), derive_seed(0, "a", 2)}) == 4
    assert derive_seed(0, "a", 11) != derive_seed(0, "a1", 1)


def test_noise_of_a_sample_depends_on_its_index_only_and_is_standard_normal() -> None:
    whole = indexed_normal(3, np.arange(4_000), (5,))
    assert np.array_equal(whole[[17, 2]], indexed_normal(3, np.array([17, 2]), (5,)))
    assert abs(whole.mean()) < 0.03 and abs(whole.std() - 1) < 0.03
    neighbours = np.corrcoef(whole[:-1, 0], whole[1:, 0])[0, 1]
    assert abs(neighbours) < 0.06


@given(n=st.integers(1, 50), start=st.integers(0, 500), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_stream_does_not_depend_on_batch_size_and_every_pass_holds_every_record(n: int, start: int, sizes: list[int]) -> None:
    at, parts = start, []
    for size in sizes:
        parts.append(stream(n, 1, "x", at, size))
        at += size
    assert np.array_equal(np.concatenate(parts), stream(n, 1, "x", start, sum(sizes)))
    assert sorted(stream(n, 1, "x", 3 * n, n)) == list(range(n))


def test_checkpoint_keeps_tensors_and_refuses_code(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "resume.pt", seconds=0)
    assert checkpoint.load() is None and checkpoint.due()
    checkpoint.save({"w": torch.ones(2), "seen": 3})
    assert checkpoint.load()["seen"] == 3  # type: ignore[index]
    torch.save({"evil": Path("x")}, tmp_path / "resume.pt")
    seal(tmp_path / "resume.pt")
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        checkpoint.load()
    checkpoint.remove()
    assert checkpoint.load() is None
    Checkpoint(None).save({})
