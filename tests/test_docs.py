"""What the documents show works: commands parse, settings exist, links lead somewhere, Python compiles, names are described."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from upcycle._settings import resolve
from upcycle.cli import cli
from upcycle.errors import UpcycleError

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
ROOMS = ("", ".audit", ".data", ".generators", ".nets", ".recycle", ".report", ".runs", ".errors")


def blocks(text: str, *languages: str) -> list[str]:
    return [body for language, body in re.findall(r"(?ms)^ *```(\w*)\n(.*?)^ *```$", text) if language in languages]


def commands(text: str) -> Iterator[list[str]]:
    """Arguments of every `upcycle ...` in the shell blocks; continued lines are joined, comments dropped, variables are 0."""
    for block in blocks(text, "sh", "bash", "shell", "console"):
        for line in re.sub(r"\$\{?\w+\}?", "0", block.replace("\\\n", " ")).splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            starts = [k for k, word in enumerate(words) if word == "upcycle" or word.endswith("/upcycle")]
            if starts and (starts[0] == 0 or words[starts[0] - 1] in {"srun", "nice", "&&", "exec", "time"} or "=" in words[0]):
                rest = words[starts[0] + 1 :]
                yield rest[: next((k for k, word in enumerate(rest) if word in {"|", ">", "&&", ";", "2>", "||"}), len(rest))]


def parse(arguments: list[str]) -> click.Context:
    """The context of the command, made but not run. Raises ClickException where an argument is wrong."""
    outer = cli.make_context("upcycle", list(arguments))
    name, command, rest = cli.resolve_command(outer, [*outer._protected_args, *outer.args])
    assert command is not None and name is not None
    return command.make_context(name, rest, parent=outer)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shown_parses_and_its_settings_exist(name: str) -> None:
    for arguments in commands((ROOT / name).read_text(encoding="utf-8")):
        try:
            context = parse(arguments)
            resolve(None, config_file=None, overrides=context.params.get("overrides", ()))
        except click.exceptions.Exit:  # --help and --version
            continue
        except (click.ClickException, UpcycleError) as error:
            pytest.fail(f"{name}: upcycle {' '.join(arguments)}: {error}")


def test_the_check_of_commands_sees_commands_and_finds_mistakes() -> None:
    text = "```sh\n$ upcycle check DATA   # words\nexport X=1\nsrun upcycle run DATA \\\n  --out RUN-$X | tail\n```\n```python\nupcycle no\n```\n"
    assert list(commands(text)) == [["check", "DATA"], ["run", "DATA", "--out", "RUN-0"]]
    for wrong in (["chekc", "x"], ["run", "DATA"], ["check", "DATA", "--jsn"], ["show"]):
        with pytest.raises(click.ClickException):
            parse(wrong)
    assert sum(len(list(commands(page.read_text(encoding="utf-8")))) for page in PAGES) > 20


@pytest.mark.parametrize("name", NAMES)
def test_commands_named_in_the_text_exist(name: str) -> None:
    known = cli.list_commands(click.Context(cli))
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", (ROOT / name).read_text(encoding="utf-8"))
    for command in re.findall(r"`(?:\.venv/bin/)?upcycle ([a-z][a-z-]*)", text):
        assert command in known, f"{name} names upcycle {command}"


def anchors(path: Path) -> set[str]:
    """Anchors of the headings, as code hosts make them."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"(?m)^#+ (.*)$", text)}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), f"{name} links to {target}"
        assert not anchor or anchor in anchors(found), f"{name} links to {target}"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("api.md")])
def test_python_shown_compiles_and_imports_names_that_exist(name: str) -> None:
    for block in blocks((ROOT / name).read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "upcycle":
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, alias.name) for alias in node.names), f"{name}: {ast.unparse(node)}"


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_and_class_says_what_it_is(room: str) -> None:
    module = importlib.import_module(f"upcycle{room}")
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if inspect.isfunction(value) or (inspect.isclass(value) and value.__module__.startswith("upcycle")):
            assert value.__doc__ and not value.__doc__.startswith(f"{name}("), f"upcycle{room}.{name}"
