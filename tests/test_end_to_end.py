"""The whole road through the real entry point, on real digits; and what its run folder promises."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests import fakes
from tests.conftest import DIGITS, DIGITS_SETTINGS

COMMAND = [sys.executable, "-m", "upcycle", "run", *DIGITS]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}


def upcycle(*arguments: str, env: dict[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=env, timeout=300)


@pytest.fixture(scope="module")
def finished(digits_run: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy: these tests run the command in it again, while other workers copy the first."""
    return Path(shutil.copytree(digits_run[0], tmp_path_factory.mktemp("finished") / "run")), digits_run[1]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_one_command_ends_with_three_numbers_and_the_reports(finished: tuple[Path, str]) -> None:
    out, text = finished
    for words in ("student accuracy", "gap", "leakage", "verdict", "report.html"):
        assert words in text
    assert "expected" in text, "the plan must be said before the work"
    for name in ("config.yaml", "environment.json", "log.txt", "metrics.jsonl", "private/report.html", "release/report.html"):
        assert (out / name).stat().st_size > 0, name


def test_release_holds_student_synthetic_set_and_audit(finished: tuple[Path, str]) -> None:
    release = finished[0] / "release"
    assert load_file(release / "student" / "model.safetensors")["head.weight"].shape[0] == 10
    saved = np.load(release / "synthetic" / "synthetic.npz", allow_pickle=False)
    assert saved["train_images"].shape == (100, 8, 8) and saved["train_images"].dtype == np.uint8
    assert saved["train_soft_labels"].astype(float).sum(1) == pytest.approx(np.ones(100), abs=0.01)
    audit = json.loads((release / "audit.json").read_text())
    assert {row["target"] for row in audit["rows"]} == {"student", "baseline", "teacher", "positive control"}
    assert len({row["attack"] for row in audit["rows"]}) >= 5
    assert "seed" not in audit["plan"], "the seed repeats the coin flips"


def test_released_student_loads_alone_and_answers_as_the_evaluated_one_did(finished: tuple[Path, str]) -> None:
    import torch

    import upcycle as package

    out = finished[0]
    student = package.load_student(out / "release" / "student")
    images = np.load(out / "private" / "store" / "test_images.npy")
    with torch.inference_mode():
        logits = student(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1).numpy()
    saved = np.load(out / "private" / "evaluation" / "predictions.npz", allow_pickle=False)
    assert logits == pytest.approx(saved["student"], abs=1e-3)
    assert json.loads((out / "release" / "student" / "config.json").read_text())["class_names"] == [str(k) for k in range(10)]
    with pytest.raises(package.UpcycleError, match="release/student"):
        package.load_student(out)


def test_no_private_image_is_in_the_release(finished: tuple[Path, str]) -> None:
    from sklearn.datasets import load_digits

    real = {row.tobytes() for row in np.round(load_digits().images * (255 / 16)).astype(np.uint8)}
    saved = np.load(finished[0] / "release" / "synthetic" / "synthetic.npz", allow_pickle=False)
    assert not any(image.tobytes() in real for image in saved["train_images"])
    whole = b"".join(path.read_bytes() for path in sorted((finished[0] / "release").rglob("*")) if path.is_file())
    assert not any(image in whole for image in real)


def test_same_command_again_finds_everything_finished(finished: tuple[Path, str]) -> None:
    before = digest(finished[0] / "release" / "student" / "model.safetensors")
    start = time.monotonic()
    result = upcycle(str(finished[0]))
    assert result.returncode == 0 and "finished before" in result.stdout
    assert time.monotonic() - start < 30
    assert digest(finished[0] / "release" / "student" / "model.safetensors") == before


def test_changed_setting_under_the_old_folder_ends_in_lines_and_code_2(finished: tuple[Path, str]) -> None:
    result = fakes.upcycle("run", *DIGITS, finished[0], "--seed", "7")
    assert result.returncode == 2
    assert "seed: 0 -> 7" in result.stderr and "Traceback" not in result.stderr


def test_killed_run_resumes_to_the_same_student_bit_for_bit(
    finished: tuple[Path, str], tmp_path: Path, without_onnx: dict[str, str]
) -> None:
    out, lean = tmp_path / "run", {**ENVIRONMENT, **without_onnx}
    process = subprocess.Popen([*COMMAND, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=lean)
    while process.poll() is None and not (out / "private" / "generator" / "class_counts.json").exists():
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "release" / "student").exists()
    assert upcycle(str(out), env=lean).returncode == 0
    for name in ("release/student/model.safetensors", "private/baseline/model.safetensors"):
        assert digest(out / name) == digest(finished[0] / name)


def test_synthetic_set_was_checked_for_copies(finished: tuple[Path, str]) -> None:
    found = json.loads((finished[0] / "private" / "copies" / "copies.json").read_text())
    assert found["images"] == 100 and found["identical"] == 0
    assert 0 < found["closer_null_low"] < 0.5 < found["closer_null_high"] < 1 and 0 < found["closer_p_value"] <= 1
    assert len(found["closest"]) == 10 and found["closest"][0] > 0
    assert "Copies of private images" in (finished[0] / "release" / "report.html").read_text()


def test_test_split_was_read_for_the_evaluation_only(finished: tuple[Path, str]) -> None:
    mark = json.loads((finished[0] / "private" / "store" / "test_read.json").read_text())
    assert mark["purpose"] == "evaluation"


def test_shuffled_test_labels_change_no_weight_and_no_choice(finished: tuple[Path, str], tmp_path: Path) -> None:
    from upcycle._settings import resolve
    from upcycle.data import Dataset, ImageSet, read
    from upcycle.runs import run_dataset

    config = resolve("smoke", config_file=None, overrides=DIGITS_SETTINGS)
    dataset = read("digits", config=config.data, seed=0)
    shuffled = ImageSet(dataset.test.images, np.roll(dataset.test.labels, 1))
    changed = Dataset(dataset.name, dataset.train, dataset.validation, shuffled, dataset.class_names, dataset.notes)
    run_dataset(changed, tmp_path / "run", config, until="student")
    for stage in ("teacher", "student"):
        name = f"private/{stage}/model.safetensors"
        assert digest(tmp_path / "run" / name) == digest(finished[0] / name)
