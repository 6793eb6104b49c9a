"""The house style that a linter does not know: sizes, one-way imports, no machine paths, docs that match the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "upcycle").rglob("*.py"))

# Who may import whom. A room is a package; every room may use the ground it stands on: errors, settings, random numbers (`upcycle`).
MAY_IMPORT: dict[str, set[str]] = {
    "data.readers": set(),
    "data": {"data.readers"},
    "nets": set(),
    "generators": {"nets"},
    "engine": set(),
    "recycle": {"generators", "nets", "data", "engine"},
    "dp": {"recycle", "generators", "nets", "data"},
    "audit.statistics": set(),
    "audit.attacks": {"audit.statistics", "audit.copies"},
    "audit.copies": {"audit.statistics", "data"},
    "audit.pipelines": {"audit.attacks", "audit.copies", "data", "engine"},
    "audit.verdict": {"audit.statistics", "audit.attacks"},
    "audit.score_audit": {"audit.attacks", "audit.statistics", "audit.verdict"},
    "audit.pipeline_audit": {"audit.pipelines", "audit.attacks", "audit.statistics", "audit.verdict", "data"},
    "audit.documents": {"audit.score_audit", "audit.pipeline_audit", "audit.verdict", "audit.pipelines", "audit.attacks"},
    "release": {"audit", "audit.copies", "data", "nets"},
    "report": {"audit.statistics"},
    "runs.watch": set(),
    "runs.folder": {"audit", "audit.score_audit", "audit.statistics", "report", "data"},
    "runs.stages": {
        "runs.folder",
        "runs.watch",
        "engine",
        "audit",
        "dp",
        "release",
        "report",
        "recycle",
        "generators",
        "nets",
        "data",
    }
    | {"audit.attacks", "audit.copies", "audit.score_audit", "audit.statistics"},
    "runs.shadows": {"runs.stages", "runs.folder", "runs.watch", "audit", "dp", "release", "report", "recycle", "generators"}
    | {"nets", "data", "engine", "audit.attacks", "audit.pipelines", "audit.pipeline_audit"},
    "runs": {
        "runs.shadows",
        "runs.stages",
        "runs.folder",
        "runs.watch",
        "audit",
        "report",
        "generators",
        "nets",
        "data",
        "engine",
    }
    | {"audit.score_audit", "audit.statistics"},
    "cli": {"runs", "runs.shadows", "runs.watch", "audit", "dp", "release", "report", "data"},
}
FACES_OF_FACES = {"audit": "audit."}  # a face that only gathers the faces of the rooms inside it


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


def rooms_below(package: Path) -> set[str]:
    """Every package as `audit.statistics`, the outermost as the empty name."""
    return {".".join(path.parent.relative_to(package).parts) for path in package.rglob("__init__.py")}


def room_of(module: str, rooms: set[str]) -> str:
    """The innermost room that holds a module named from the outermost package on."""
    while module not in rooms:
        module = module.rpartition(".")[0]
    return module


def imported(path: Path) -> list[str]:
    """Modules of `upcycle` that a file imports anywhere in it, `from room import _file` as `room._file`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [
                f"{node.module}.{alias.name}" if is_file(node.module, alias.name) else node.module for alias in node.names
            ]
    return [name.partition(".")[2] for name in found if name.split(".")[0] == "upcycle"]


def is_file(module: str, name: str) -> bool:
    return (ROOT / "src" / Path(*module.split(".")) / f"{name}.py").is_file()


def forbidden(path: Path, here: str, rooms: set[str], table: dict[str, set[str]]) -> list[str]:
    """What a file of a room imports against the table, or past the face of another room."""
    problems = []
    for module in imported(path):
        room = room_of(module, rooms)
        if room in (here, "") or here == "" or (here in FACES_OF_FACES and room.startswith(FACES_OF_FACES[here])):
            allowed = True
        else:
            allowed = room in table[here]
        past_the_face = room not in (here, "") and module.rpartition(".")[2].startswith("_")
        if not allowed or past_the_face:
            problems.append(f"{path.name} of {here or 'upcycle'} imports {module}")
    return problems


def test_rooms_import_only_what_the_table_allows_and_only_faces() -> None:
    package = ROOT / "src" / "upcycle"
    rooms = rooms_below(package)
    assert rooms - {""} - set(FACES_OF_FACES) == set(MAY_IMPORT)
    found = [
        problem
        for path in SOURCES
        for problem in forbidden(path, ".".join(path.parent.relative_to(package).parts), rooms, MAY_IMPORT)
    ]
    assert not found


def test_the_table_in_the_design_page_is_this_table() -> None:
    rows = [
        f"| `{room}` | {', '.join(f'`{other}`' for other in sorted(allowed)) or '-'} |" for room, allowed in MAY_IMPORT.items()
    ]
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    shown = page.split("<!-- may-import:begin -->\n")[1].split("<!-- may-import:end -->")[0]
    assert shown.splitlines() == ["| room | may import |", "| --- | --- |", *rows]


def test_the_table_has_no_circle() -> None:
    order = TopologicalSorter({room: {other for other in allowed if other != "audit"} for room, allowed in MAY_IMPORT.items()})
    order.prepare()


@pytest.mark.parametrize("line", ["from upcycle.recycle import Bank", "from upcycle.audit.attacks._lira import lira_online"])
def test_a_forbidden_import_planted_in_a_sub_folder_is_found(line: str, tmp_path: Path) -> None:
    planted = tmp_path / "_planted.py"
    planted.write_text(f"def late():\n    {line}\n")
    assert forbidden(planted, "audit.statistics", rooms_below(ROOT / "src" / "upcycle"), MAY_IMPORT)


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "scripts", "examples"])
def test_outside_a_room_only_its_face_is_imported(folder: str) -> None:
    rooms = rooms_below(ROOT / "src" / "upcycle")
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for module in imported(path)
        if module.rpartition(".")[2].startswith("_")
        and room_of(module, rooms) not in ("", ".".join(path.parent.relative_to(ROOT / folder).parts))
    ]
    assert not found


@pytest.mark.parametrize("room", ["audit", "runs"])
def test_a_room_shows_its_road_at_the_top(room: str) -> None:
    entries = [path for path in (ROOT / "src" / "upcycle" / room).iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 12


def test_statistics_need_numpy_and_scipy_only() -> None:
    foreign = re.compile(
        r"^\s*(?:from|import) (?!upcycle\.(?:errors|_distinct|audit\.statistics)[ .]|numpy|scipy|math|__future__|dataclasses|typing|collections|functools)",
        re.MULTILINE,
    )
    for path in (ROOT / "src" / "upcycle" / "audit" / "statistics").glob("*.py"):
        assert not foreign.search(path.read_text(encoding="utf-8")), path.name


def undocumented(structure: ast.ClassDef, lines: list[str]) -> list[str]:
    """Fields of a structure of more than six without any words: a comment behind them, a description, a line of
    Attributes, or settings that are documented where they are defined."""
    fields = [
        node for node in structure.body if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)
    ]
    said = ast.get_docstring(structure) or ""

    def is_said(field: ast.AnnAssign) -> bool:
        kind, text = ast.unparse(field.annotation), ast.unparse(field)
        commented = "  # " in re.sub(r"  # type: ignore\S*", "", lines[(field.end_lineno or 0) - 1])
        listed = re.search(rf"(?m)^    {ast.unparse(field.target)}: ", said)
        return bool(commented or listed or "description=" in text or "Annotated[" in kind or kind.endswith("Config"))

    return [ast.unparse(field.target) for field in fields if len(fields) > 6 and not is_said(field)]


def structures(tree: ast.Module) -> list[ast.ClassDef]:
    """Dataclasses, named tuples and pydantic models."""
    bases = re.compile(r"NamedTuple|BaseModel|Section|_Part|Sizes|_.*Config")
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any("dataclass" in ast.unparse(d) or bases.fullmatch(ast.unparse(d)) for d in [*node.decorator_list, *node.bases])
    ]


def test_large_structures_document_each_field_on_its_own_line() -> None:
    found = {}
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for node in structures(ast.parse(text)):
            if missing := undocumented(node, text.splitlines()):
                found[f"{path.relative_to(ROOT)}:{node.name}"] = missing
    assert not found


def test_a_field_without_words_is_noticed() -> None:
    source = "@dataclass\nclass A:\n" + "".join(f"    f{k}: int{'  # words' * (k > 0)}\n" for k in range(7))
    assert undocumented(structures(ast.parse(source))[0], source.splitlines()) == ["f0"]


# Phrases that a native technical writer would not use, and what to write instead.
FOREIGN = {
    r"\bbeside\b": "next to, besides, compared with",
    r"\banew\b": "again",
    r"\bof (?:its|their) own\b": "its own ..., separate, another",
    r"\bin small\b": "on a small scale",
    r"\bso many\b": "that many, this many",
    r"\bleave (?:\w+ ){1,3}away\b": "leave ... out",
    r"\b(?:other than|otherwise than) before\b": "differently",
}


def prose() -> dict[str, str]:
    """Every text that people read, by its path: sources, templates, documentation, benchmarks. Lines are joined."""
    kinds = ("src/**/*.py", "src/**/*.j2", "docs/**/*.md", "benchmarks/**/*.py", "scripts/*.py", "examples/*.py", "*.md")
    paths = [path for kind in kinds for path in sorted(ROOT.glob(kind))]
    return {str(path.relative_to(ROOT)): " ".join(path.read_text(encoding="utf-8").split()) for path in paths}


def test_nobody_writes_phrases_that_are_not_english() -> None:
    found = [
        f"{name}: ...{text[max(0, hit.start() - 40) : hit.end() + 20]}... (better: {better})"
        for name, text in prose().items()
        for phrase, better in FOREIGN.items()
        for hit in re.finditer(phrase, text, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


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
