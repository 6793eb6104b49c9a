"""Shared by all tests: one thread, and tiny data whose classes are easy to tell apart."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def blobs(n: int = 240, size: int = 8, classes: int = 3, seed: int = 0) -> Arrays:
    """uint8 images (n, size, size) with a bright bar whose place tells the class, and labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = rng.integers(0, 60, (n, size, size))
    width = size // classes
    for k, label in enumerate(labels):
        images[k, :, label * width : (label + 1) * width] += 150
    return images.astype(np.uint8), labels.astype(np.int64)


@pytest.fixture
def tiny_arrays() -> Arrays:
    return blobs()


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[..., Path]:
    """Writes arrays to an .npz and returns its path."""

    def write(name: str = "data.npz", **arrays: np.ndarray) -> Path:
        path = tmp_path / name
        np.savez(path, **arrays)
        return path

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real image sets; UPCYCLE_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("UPCYCLE_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real image sets are not here; set UPCYCLE_DATA to their folder")
    return folder
