"""Options and the body that every command which works on a run shares."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upcycle.cli._say import say
from upcycle.errors import ConfigError

if TYPE_CHECKING:
    from upcycle.config import Config
    from upcycle.runs.watch import Display

Command = Callable[..., Any]


def json_option(command: Command) -> Command:
    """--json, for a command that prints facts."""
    return click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON (docs/json.md).")(command)


minutes_option = click.option("--minutes", is_flag=True, help="Also measure what a run takes on this machine: about a minute.")


def minutes_lines(training: float | None, settings: Config) -> list[str]:
    """Lines on the minutes of a run: of its `training`, None where not measured, and of its evidence."""
    from upcycle.runs import evidence_minutes

    if training is None:
        return ["minutes      not measured; --minutes does, in about a minute, and so does `upcycle run` before it trains"]
    evidence = settings.evidence, settings.evidence_networks
    return [f"minutes      about {training:.0f} for the run", f"{'':12} {evidence_minutes(training, *evidence)}"]


def view_options(command: Command) -> Command:
    """Options for the display and the form of the result."""
    options: list[Callable[[Command], Command]] = [
        json_option,
        click.option("--thumbnails", is_flag=True, help="Show synthetic images in the terminal while the generator learns."),
        click.option("--tensorboard", is_flag=True, help="Also write RUN/private/tensorboard; needs upcycle[tensorboard]."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """DATA, --out and the settings."""
    options: list[Callable[[Command], Command]] = [
        click.argument("data"),
        click.option("--out", type=click.Path(path_type=Path), required=True, help="Run folder; created or resumed."),
        click.option("--preset", help="Preset: quick, standard or best (default: quick)."),
        click.option("--privacy", help="usual, or strong: leave out records that a student would reveal (default: usual)."),
        click.option(
            "--objective",
            type=click.Choice(["accuracy", "balanced", "auroc"]),
            help="What models are chosen by: images that are right, the mean of that over classes, however rare, or the order "
            "of answers (area under the ROC curve).  [default: accuracy]",
        ),
        click.option("--minutes", type=float, help="Scale the work so that the run takes about this many minutes."),
        click.option("--device", help="auto, cpu, cuda, mps ... (default: auto)"),
        click.option("--seed", type=int, help="Seed of everything (default: 0)."),
        click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings."),
        click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change one setting; repeatable."),
        click.option("--groups", type=click.Path(path_type=Path), help="CSV of image and patient; keeps patients together."),
        click.option(
            "--evidence",
            type=click.Choice(["auto", "none", "quick", "standard", "full"]),
            help="Shadow pipelines with canaries before the release: 1 (quick), 32 or 64; auto: as many as take at most as "
            "long as the training took.  [default: auto]",
        ),
        click.option(
            "--networks",
            "evidence_networks",
            type=click.Choice(["small", "own"]),
            help="Networks and budgets of the shadow pipelines: small, or the run's own, with which each does the work of the "
            "training again.  [default: small]",
        ),
        view_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def run_until(
    until: str,
    data: str,
    out: Path,
    *,
    groups: Path | None = None,
    as_json: bool = False,
    thumbnails: bool = False,
    tensorboard: bool = False,
    **settings: Any,
) -> None:
    """Resolve the settings, run, and print the result. With JSON, standard output has nothing else: progress goes to
    standard error."""
    config = _resolved(**settings)

    from upcycle.runs import read_run, run

    with contextlib.closing(_display(out, as_json, thumbnails, tensorboard)) as display:
        summary = run(data, out, config, until=until, groups_csv=groups, display=display)
    if as_json:
        print_json(read_run(out).to_json())
        return
    click.echo()
    for line in summary.lines():
        say(line)


def _resolved(
    preset: str | None, overrides: tuple[str, ...], config: Path | None = None, **direct: float | str | None
) -> Config:
    from upcycle._settings import resolve

    settings = resolve(preset, config_file=config, overrides=overrides, **direct)
    if preset and settings.preset != preset:
        raise ConfigError(
            f"preset must be named once. Got --preset {preset} and {settings.preset!r} among the other settings. Leave one out."
        )
    return settings


def _display(out: Path, as_json: bool, thumbnails: bool, tensorboard: bool) -> Display:
    from upcycle.runs.watch import make_display

    display = make_display(sys.stderr if as_json else sys.stdout, thumbnails=thumbnails)
    if not tensorboard:
        return display
    from upcycle.runs.watch import TensorBoardDisplay

    return TensorBoardDisplay(display, out / "private" / "tensorboard")


def print_json(facts: dict[str, Any]) -> None:
    """One JSON object on standard output, and nothing else."""
    from upcycle._files import json_text

    click.echo(json_text(facts))


engine_option = click.option(
    "--engine",
    default="local",
    metavar="ENGINE",
    help="Who works: local, ray://HOST:PORT or dask://HOST:PORT.  [default: local]",
)
