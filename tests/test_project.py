"""What stands around the code agrees with it: supported Pythons, lowest versions, closed versions, the tests of `make quick`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d", text)]


def requirements(wanted: str) -> list[str]:
    command = [sys.executable, "scripts/requirements.py", wanted]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_every_supported_python_is_tested_with_the_lowest_and_the_newest_dependencies() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS and {"lowest", "newest"} <= set(matrix["deps"])
    local = (ROOT / ".ci" / "matrix").read_text(encoding="utf-8")
    assert " ".join(PYTHONS) in local and "lowest newest" in local, "one local command runs the same combinations"
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


def test_the_lowest_versions_are_the_declared_bounds() -> None:
    declared = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    bounds = {re.sub(r">=([\d.]+).*", r"==\1", one.replace(" ", "")) for one in declared}
    assert set(requirements("lowest")) == bounds


def test_what_make_quick_installs_has_hashes_and_no_torch() -> None:
    """Versions without hashes would take whatever an index hands out."""
    command = [sys.executable, "scripts/requirements.py", "quick"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    blocks = re.split(r"\n(?=\S)", text.strip())
    names = [block.partition("==")[0] for block in blocks]
    assert all("--hash=sha256:" in block for block in blocks) and len(names) == len(set(names))
    assert set(requirements("without-torch")) <= set(names) and "torch" not in names


def test_the_locks_hold_every_declared_dependency() -> None:
    """Nothing but the locks is installed: what they miss ends the first command with an ImportError."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for lock, wanted in (
        ("requirements.lock", PROJECT["dependencies"]),
        ("requirements-dev.lock", declared["dependency-groups"]["dev"]),
    ):
        locked = {name.lower() for name in re.findall(r"(?m)^([\w.-]+)==", (ROOT / lock).read_text(encoding="utf-8"))}
        names = {re.split(r"[><=;\[ ]", one)[0].lower() for one in wanted} - {"torch"}
        assert names <= locked, f"{lock} lacks {sorted(names - locked)}: run make lock"


def test_a_list_nobody_knows_is_one_line() -> None:
    command = [sys.executable, "scripts/requirements.py", "oldest"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (
        result.returncode == 1 and result.stderr == "list must be lowest, quick, without-torch or without-gpu. Got 'oldest'.\n"
    )


def test_the_citation_names_the_newest_closed_version_and_the_package_is_past_it() -> None:
    closed = re.findall(r"(?m)^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], str(citation["date-released"])) == closed[0]
    assert PROJECT["version"].split(".dev")[0] >= closed[0][0]


@pytest.mark.parametrize("target", ["demo", "test", "quick", "matrix", "check", "format", "docs"])
def test_commands_of_the_makefile_are_explained(target: str) -> None:
    pages = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    assert f"make {target}" in pages
    assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"))


SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{22,}|\bglpat-[\w-]{20}",
    r"\bxox[abprs]-[\w-]{10,}|\bhf_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9]{20,}|\bpypi-[\w-]{50,}",
    r"(?i)\b(?:password|passwd|secret|api[_-]?key|access[_-]?token)\b\s*[:=]\s*[\"'][^\"'\s{}$<>]{12,}[\"']",
)


def secrets_in(text: str) -> list[str]:
    return [match.group()[:20] for pattern in SECRETS for match in re.finditer(pattern, text)]


def test_no_file_of_the_repository_holds_a_secret() -> None:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    files = [ROOT / name for name in names if name] or [p for p in ROOT.rglob("*.*") if p.is_file() and ".venv" not in p.parts]
    found = {str(path): secrets_in(path.read_text("utf-8", "replace")) for path in files if path.is_file()}
    assert len(found) > 100 and {path: hits for path, hits in found.items() if hits} == {}


@pytest.mark.parametrize(
    "text", ["AKIA" + "Q" * 16, "ghp_" + "a1" * 18, "-----BEGIN RSA " + "PRIVATE KEY-----", "api_key = '" + "x9" * 8 + "'"]
)
def test_the_search_for_secrets_finds_one(text: str) -> None:
    assert secrets_in(f"a\n{text}\nb")


def test_paths_of_make_quick_exist() -> None:
    listed = re.search(r"(?m)^QUICK := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert listed
    paths = listed[1].replace("\\\n", " ").split()
    assert len(paths) > 5 and all((ROOT / path).exists() for path in paths)
