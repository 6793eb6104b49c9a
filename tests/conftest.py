"""Shared by all tests: one thread, and tiny data whose classes are easy to tell apart."""

from __future__ import annotations

import importlib.abc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock


class _NoTorch(importlib.abc.MetaPathFinder):
    """Refuses torch, so that a test of `make quick` that begins to need it fails here and not on a machine without torch."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torch":
            raise ModuleNotFoundError("torch is blocked in `make quick`", name="torch")


if os.environ.get("UPCYCLE_TORCH") == "blocked":
    sys.meta_path.insert(0, _NoTorch())

from upcycle._telemetry import silence  # noqa: E402  # torch is hidden first

silence()  # before any test imports onnxruntime

_SLOW_FIXTURES = {"digits_run"}  # whole runs: a test that asks for one is slow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def _one_thread_and_subnormals() -> None:
    """One thread per process. A run in this process flushes subnormal numbers to 0, and hypothesis refuses to draw floats then."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.set_flush_denormal(False)


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
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generators draw 32 images at a time instead of 256, since a batch is filled up however few are asked for."""
    for module in ("_stored", "_edm"):
        monkeypatch.setattr(f"upcycle.generators.{module}.SAMPLE_BATCH", 32)


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


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished smoke run on scikit-learn's digits through the real entry point, and what it printed. Copy it to change it.

    The workers of pytest-xdist share one: the first that asks makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "digits"
    folder.mkdir(exist_ok=True)
    out, printed = folder / "run", folder / "printed.txt"
    with FileLock(folder / "lock"):
        if not printed.exists():
            printed.write_text(_smoke_run(out), encoding="utf-8")
    return out, printed.read_text(encoding="utf-8")


def _smoke_run(out: Path) -> str:
    command = [sys.executable, "-m", "upcycle", "run", "digits", "--preset", "smoke", "--set", "threads=1", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
