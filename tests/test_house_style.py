"""The house style that a linter does not know: sizes, one-way imports, no machine paths, docs that match the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "upcycle").rglob("*.py"))
ROOMS = (
    "data",
    "nets",
    "generators",
    "recycle",
    "dp",
    "audit",
    "report",
    "release",
    "runs",
    "cli",
)  # later rooms may import earlier ones


def function_lengths(path: Path) -> dict[str, int]:
    """Lines of every function body, docstring left out."""
    lengths = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = (body[-1].end_lineno or 0) - body[0].lineno + 1
    return lengths


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    too_long = {str(path.relative_to(ROOT)): n for path in SOURCES if (n := len(path.read_text().splitlines())) > 400}
    assert not too_long


def test_functions_are_small() -> None:
    lengths = {name: n for path in SOURCES for name, n in function_lengths(path).items()}
    assert not {name: n for name, n in lengths.items() if n > 60}
    assert np.median(list(lengths.values())) <= 10
    assert np.percentile(list(lengths.values()), 90) <= 35


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    later = ROOMS[ROOMS.index(room) + 1 :]
    pattern = re.compile(rf"^\s*(?:from|import) upcycle\.({'|'.join(later)})\b", re.MULTILINE) if later else None
    for path in (ROOT / "src" / "upcycle" / room).glob("*.py"):
        found = pattern.findall(path.read_text(encoding="utf-8")) if pattern else []
        assert not found, f"{path.relative_to(ROOT)} imports {found}"


STATISTICS = (
    "auc",
    "binomial",
    "bootstrap",
    "epsilon",
    "multiplicity",
    "normal",
    "one_run",
    "permutation",
    "power",
    "risk",
    "tpr",
)


@pytest.mark.parametrize("name", ["statistics", *STATISTICS])
def test_statistics_need_numpy_and_scipy_only(name: str) -> None:
    text = (ROOT / "src" / "upcycle" / "audit" / f"_{name}.py").read_text(encoding="utf-8")
    own = "|".join(("inputs", *STATISTICS))
    assert not re.search(
        rf"^\s*(?:from|import) (?!upcycle\.(?:errors|audit\._(?:{own})) |numpy|scipy|math|__future__|dataclasses|typing|collections)",
        text,
        re.MULTILINE,
    )


def test_no_path_of_somebodys_machine_is_in_the_tree() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/(?:home|root|Users|work)/\w")
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".json", ".txt", ".yaml", ""} and path.is_file() and path != Path(__file__):
            assert not pattern.search(path.read_text(encoding="utf-8", errors="ignore")), name


def test_help_and_settings_in_the_docs_are_those_of_the_code() -> None:
    result = subprocess.run([sys.executable, "scripts/render_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
