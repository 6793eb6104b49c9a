"""Write docs/cli.md and docs/settings.md from the code; with --check, say whether they are up to date."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from upcycle._presets import PRESETS
from upcycle.cli._group import cli
from upcycle.config import Config

ROOT = Path(__file__).parent.parent
DOCS, RESULTS = ROOT / "docs", ROOT / "benchmarks" / "results"
_BEGIN, _END = "<!-- results:begin -->", "<!-- results:end -->"
_NOTICE = "<!-- Written by scripts/render_docs.py. Change the code, then run it. -->\n"


def command_help() -> str:
    """The help text of every command."""
    context = click.Context(
        cli, info_name="upcycle", terminal_width=100, max_content_width=100, help_option_names=["-h", "--help"]
    )
    parts = [f"# Command line\n\n{_NOTICE}\n```text\n{cli.get_help(context)}\n```\n"]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, terminal_width=100, max_content_width=100)
        parts.append(f"## upcycle {name}\n\n```text\n{command.get_help(inner)}\n```\n")
    return "\n".join(parts)


def settings() -> str:
    """Every setting with its values in the presets."""
    shown = [preset for preset in PRESETS if preset != "smoke"]
    rows = [f"| setting | {' | '.join(shown)} | meaning |", f"| --- |{' --- |' * len(shown)} --- |", *_rows(Config, "", shown)]
    head = "Override any with `--set name=value` or in a YAML file given with `--config`."
    return f"# Settings\n\n{_NOTICE}\n{head}\n\n" + "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str, shown: list[str]) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += _rows(inner, f"{prefix}{name}.", shown)
            continue
        values = []
        for preset in shown:
            value: object = PRESETS[preset]
            for part in f"{prefix}{name}".split("."):
                value = getattr(value, part)
            values.append(str(value))
        rows.append(f"| `{prefix}{name}` | {' | '.join(values)} | {field.description or ''} |")
    return rows


def readme() -> str:
    """README.md with the tables of benchmarks/results between its two marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    parts = [part for part in (_utility(), _speed(), _crash()) if part]
    return f"{before}{_BEGIN}\n" + "\n\n".join(parts) + f"\n{_END}{after}"


def _result(name: str) -> dict[str, Any] | None:
    path = RESULTS / name
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _source(result: dict[str, Any], name: str) -> str:
    machine = result["machine"]
    commits = sorted({str(row.get("commit", result["commit"])) for row in result["rows"]})
    return (
        f"From [{name}](benchmarks/results/{name}): `{result['command']}`, {result['date']}, commit {', '.join(commits)}, "
        f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}."
    )


def _utility() -> str:
    result = _result("utility.json")
    if result is None:
        return ""
    head = "| data | preset | seed | baseline | student | gap, points | test images | attack AUC, student | teacher | minutes |"
    rows = [head, "| --- |" + " --- |" * 9]
    for row in sorted(result["rows"], key=lambda r: (r["dataset"], r["preset"], r["seed"])):
        gap = f"{row['gap_points']:+.2f} [{row['gap_interval'][0]:+.2f}, {row['gap_interval'][1]:+.2f}]"
        leaks = [f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in (row["attack_auc"][t] for t in ("student", "teacher"))]
        rows.append(
            f"| {row['dataset']} | {row['preset']} | {row['seed']} "
            f"| {row['baseline_accuracy']:.3f} | {row['student_accuracy']:.3f} "
            f"| {gap} | {row['test_images']} | {leaks[0]} | {leaks[1]} | {row['minutes']:.0f} |"
        )
    note = (
        "Brackets are 95 % intervals over the test images. No audit here saw the teacher leak unless its interval excludes 0.5."
    )
    return "\n".join([*rows, "", f"{note} {_source(result, 'utility.json')}"])


def _speed() -> str:
    result = _result("speed.json")
    if result is None:
        return ""
    rows = ["| loop | preset | shape | images/s | bare 3x3 convolutions | share |", "| --- | --- | --- | --- | --- | --- |"]
    for row in result["rows"]:
        cells = [
            row["loop"],
            row["preset"],
            row["shape"],
            f"{row['images_per_second']:.0f}",
            f"{row['roof_images_per_second']:.0f}",
        ]
        rows.append(f"| {' | '.join(cells)} | {row['share']:.2f} |")
    return "\n".join([*rows, "", _source(result, "speed.json")])


def _crash() -> str:
    result = _result("crash.json")
    if result is None:
        return ""
    same = sum(bool(row["identical"]) for row in result["rows"])
    return (
        f"Killed with `kill -9` at {len(result['rows'])} random moments and resumed, the student was bit for bit that "
        f"of an uninterrupted run {same} times. {_source(result, 'crash.json')}"
    )


def main() -> int:
    stale = []
    pages = {DOCS / "cli.md": command_help(), DOCS / "settings.md": settings(), ROOT / "README.md": readme()}
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        print(f"{', '.join(stale)} must match the code and the results. Run: python scripts/render_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
