"""Options and the body that every command which works on a run shares."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from upcycle.errors import ConfigError

Command = Callable[..., Any]


def run_options(command: Command) -> Command:
    """DATA, --out and the settings."""
    options = [
        click.argument("data"),
        click.option("--out", type=click.Path(path_type=Path), required=True, help="Run folder; made, or resumed."),
        click.option("--preset", help="Quality: quick, standard or best (default: quick)."),
        click.option("--minutes", type=float, help="Scale the work so that the run takes about so long."),
        click.option("--device", help="auto, cpu, cuda, mps ... (default: auto)"),
        click.option("--seed", type=int, help="Seed of everything (default: 0)."),
        click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings."),
        click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting; may be repeated."),
        click.option("--groups", type=click.Path(path_type=Path), help="CSV: image, patient. Keeps patients together."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def run_until(
    until: str,
    data: str,
    out: Path,
    preset: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    groups: Path | None,
    **direct: Any,
) -> None:
    """Resolve the settings, run, and print what came out."""
    from upcycle._settings import resolve

    settings = resolve(preset, config_file=config, overrides=overrides, **direct)
    if preset and settings.preset != preset:
        raise ConfigError(
            f"preset must be named once. Got --preset {preset} and {settings.preset!r} among the other settings. Leave one out."
        )

    from upcycle.runs import run
    from upcycle.runs._display import make_display

    with contextlib.closing(make_display(sys.stdout)) as display:
        summary = run(data, out, settings, until=until, groups_csv=groups, display=display)
    click.echo()
    for line in summary.lines():
        click.echo(line)
