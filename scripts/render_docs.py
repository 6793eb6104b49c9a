"""Write docs/cli.md and docs/settings.md from the code; with --check, say whether they are up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from pydantic import BaseModel

from upcycle._presets import PRESETS
from upcycle.cli._group import cli
from upcycle.config import Config

DOCS = Path(__file__).parent.parent / "docs"
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


def main() -> int:
    stale = []
    for name, text in {"cli.md": command_help(), "settings.md": settings()}.items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        print(f"{', '.join(stale)} must match the code. Run: python scripts/render_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
