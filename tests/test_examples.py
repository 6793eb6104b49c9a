"""The examples run as a reader would run them, and say what they promise."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *args: str | Path, env: Mapping[str, str] = os.environ) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, args)],
        capture_output=True,
        text=True,
        env={**env, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_arrays_become_a_student_and_an_audit(tmp_path: Path, without_onnx: dict[str, str]) -> None:
    text = run("arrays_to_student.py", tmp_path / "run", env=without_onnx)
    for words in ("on images it never met:", "synthetic images: (20, 8, 8, 1) uint8", "verdict: ", "released student: "):
        assert words in text
    assert (tmp_path / "run" / "release" / "report.html").exists()


def test_audit_of_a_foreign_model_finds_the_leak_of_a_forest_and_none_in_a_model_that_cannot_remember() -> None:
    forest, linear = [line for line in run("audit_sklearn_model.py").splitlines() if ", attack AUC " in line]
    assert forest.startswith("random forest: LEAKS") and ": NO LEAK FOUND" in linear


def test_every_example_is_run_by_some_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    assert [path.name for path in sorted(EXAMPLES.glob("*.py")) if path.name not in tests] == []
