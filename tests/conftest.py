"""Shared by all tests: one thread, and tiny data whose classes are easy to tell apart."""
# ruff: noqa: E402  # the number of threads comes before numpy, and torch is hidden before anything asks for it

from __future__ import annotations

import importlib.abc
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of several workers wait for one another, which costs more than they do

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

from upcycle._telemetry import silence

silence()  # before any test imports onnxruntime

_SLOW_FIXTURES = {"digits_run"}  # whole runs: a test that asks for one is slow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)  # a file of minutes that comes last keeps one worker waiting


Arrays = tuple[np.ndarray, np.ndarray]

SHORT = (  # with preset smoke: a whole run in seconds, for tests that look at something else than how good its models are
    *("threads=1", "augment.flip=none", "generator.images=256", "generator.channels=[8,8]", "teacher.width=4"),
    *("teacher.min_images=256", "teacher.max_images=256", "bank.min_images=128", "bank.max_images=128"),
    *("sampler.steps=2", "release.synthetic_images=20", "release.programs=false", "audit.folds=2"),
)
DIGITS_SETTINGS = (
    *("threads=1", "audit.folds=2", "teacher.min_images=2000", "teacher.max_images=2000"),
    *("generator.images=1500", "generator.channels=[8,8]", "sampler.steps=2", "bank.max_images=500"),
)
DIGITS = (  # what `digits_run` is made by
    *("digits", "--preset", "smoke"),
    *(word for setting in DIGITS_SETTINGS for word in ("--set", setting)),
    "--out",
)


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


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a data set for short runs."""
    path = tmp_path_factory.mktemp("bars") / "bars.npz"
    images, labels = blobs(300)
    np.savez(path, images=images, labels=labels)
    return path


@pytest.fixture(scope="module")
def plain_ends() -> Iterator[None]:
    """Runs end without what takes most of their time: for tests that look at something else."""
    with pytest.MonkeyPatch.context() as patch:
        end_plainly(patch)
        yield


def end_plainly(patch: pytest.MonkeyPatch) -> None:
    """Releases of runs have no programs, their reports no figures, and their audits forests of 10 trees."""
    from upcycle.release import ReleaseOptions

    left_out = {"onnx": False, "torch_export": False}
    patch.setattr("upcycle.runs.stages._release.ReleaseOptions", lambda **asked: ReleaseOptions(**{**left_out, **asked}))
    patch.setattr("upcycle.report._run_page._pictures", lambda *_: defaultdict(str))
    plant_few(patch)


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """Learned attacks have forests of 10 trees in place of 100, which are half the time of an audit of one pipeline: for tests
    of what audits say and refuse. How much each attack finds, tests/audit/attacks shows."""
    with pytest.MonkeyPatch.context() as patch:
        plant_few(patch)
        yield


def plant_few(patch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import RandomForestClassifier

    def small(trees: int, **how: object) -> RandomForestClassifier:
        return RandomForestClassifier(min(trees, 10), **how)

    patch.setattr("sklearn.ensemble.RandomForestClassifier", small)


@pytest.fixture(scope="session")
def without_onnx(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that lacks the extra onnx, so that its releases have no program in ONNX."""
    folder = tmp_path_factory.mktemp("lean")
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['onnx'] = None\n")
    places = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places)}


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
    """A finished smoke run on scikit-learn's digits through the real entry point, and what it printed. Copy it to change it."""
    folder, lock = between_workers(tmp_path_factory, "digits")
    out, printed = folder / "run", folder / "printed.txt"
    with lock:
        if not printed.exists():
            printed.write_text(_smoke_run(out), encoding="utf-8")
    return out, printed.read_text(encoding="utf-8")


def between_workers(factory: pytest.TempPathFactory, name: str) -> tuple[Path, FileLock]:
    """A folder that the workers of pytest-xdist share: the first that has the lock fills it, the others find it filled."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    return folder, FileLock(folder / "lock")


def _smoke_run(out: Path) -> str:
    command = [sys.executable, "-m", "upcycle", "run", *DIGITS, str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
