"""A consumer needs nothing of ours: onnxruntime alone serves the student, scikit-learn alone learns the released set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import upcycle
from tests.release.conftest import light
from upcycle._settings import resolve
from upcycle.release import ReleaseOptions
from upcycle.runs import release_run

EXAMPLES = Path(__file__).parents[2] / "examples"
WITHOUT = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in BLOCKED:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def alone(script: Path, *arguments: Path, blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The script in a process in which the `blocked` packages cannot be imported."""
    command = [sys.executable, "-c", f"BLOCKED = {blocked!r}\n{WITHOUT}", str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_blocked_packages_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import torch")
    result = alone(tmp_path / "script.py", blocked=("torch",))
    assert result.returncode == 1 and "ModuleNotFoundError: torch" in result.stderr


def test_onnxruntime_alone_reproduces_the_test_accuracy(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="extra onnx is not installed")
    release_run(run, ReleaseOptions(images=0, onnx=True))
    (run / "release").rename(tmp_path / "elsewhere")
    saved = np.load(run / "private" / "evaluation" / "predictions.npz", allow_pickle=False)
    images = np.load(run / "private" / "store" / "test_images.npy", allow_pickle=False)
    np.savez(tmp_path / "test.npz", images=images, labels=saved["labels"])
    blocked = ("torch", "upcycle", "onnx", "sklearn", "scipy")
    result = alone(EXAMPLES / "serve_onnx.py", tmp_path / "elsewhere" / "student", tmp_path / "test.npz", blocked=blocked)
    assert result.returncode == 0, result.stderr
    expected = json.loads((run / "private" / "evaluation" / "manifest.json").read_text())["facts"]["accuracy"]["student"][0]
    assert float(result.stdout.split()[-1]) == pytest.approx(expected, abs=0.001)


def test_onnx_example_answers_an_image_file(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="extra onnx is not installed")
    release_run(run, ReleaseOptions(images=1, formats=("folders",), onnx=True))
    (picture,) = (run / "release" / "synthetic" / "folders").rglob("*.png")
    result = alone(EXAMPLES / "serve_onnx.py", run / "release" / "student", picture, blocked=("torch", "upcycle"))
    assert result.returncode == 0 and result.stdout.startswith("00000000.png: "), result.stderr


@pytest.mark.slow
def test_released_set_trains_a_classifier_in_plain_scikit_learn(tmp_path: Path) -> None:
    run = tmp_path / "run"
    upcycle.run(
        "digits", run, resolve("smoke", config_file=None, overrides=("threads=1", "audit.folds=2", "augment.flip=none"))
    )
    release_run(run, light(images=1_000))
    path = run / "release" / "synthetic" / "synthetic.npz"
    result = alone(EXAMPLES / "train_on_release.py", path, blocked=("torch", "upcycle"))
    assert result.returncode == 0, result.stderr
    assert "trained on 1000 synthetic images" in result.stdout
    assert float(result.stdout.split()[-1]) > 0.3, "three times chance, from a generator that trained for a second"
