"""upcycle study: the table of many data sets and seeds."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upcycle.cli._options import engine_option
from upcycle.cli._say import say

if TYPE_CHECKING:
    from upcycle.config import Config
    from upcycle.runs.watch import Display


def _seeds(_: click.Context, __: click.Parameter, value: str) -> range:
    """N for the seeds 0 to N - 1, or FIRST-LAST."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)", value)
    first, end = (0, 0) if found is None else (int(found[1] or 0), int(found[2]) + (found[1] is not None))
    if first >= end:
        raise click.BadParameter(f"seeds must be a number from 1, or FIRST-LAST. Got {value}. Give 3 for 0 to 2, or 1-2.")
    return range(first, end)


@click.command()
@click.argument("datasets", nargs=-1, required=True, metavar="DATA...")
@click.option(
    "--seeds",
    callback=_seeds,
    default="3",
    show_default=True,
    metavar="N|FIRST-LAST",
    help="Seeds of each set; 3 means 0 to 2.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Runs at a time, each on its share of the cores.  [default: 1; another engine: all]",
)
@engine_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the runs, study.json and study.md.")
@click.option("--preset", help="quick, standard or best.  [default: quick]")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file of settings for all runs.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change one setting of all runs; repeatable.")
@click.option("--limit", type=float, metavar="MINUTES", help="Do less in runs that would take longer than this.")
@click.option("--json", "as_json", is_flag=True, help="Print study.json at the end.")
def study(
    datasets: tuple[str, ...], seeds: range, jobs: int | None, engine: str, out: Path, as_json: bool, **settings: Any
) -> None:
    """Make the paper's table: baseline accuracy, plain CAS, student, gap, leakage and minutes per data set, over several seeds.

    Every row is a separate run in OUT/runs; the same command resumes. OUT/study.json and OUT/study.md are updated after each.
    Seeds may be run apart, also on several machines that share OUT; a last call with all of them gathers their rows.
    Small networks use two runs of one thread better than one run of two: --jobs 2 on two cores.
    """
    from upcycle.runs import study as walk

    config_of = partial(_config, **settings)
    for row in walk(datasets, out, config_of, seeds, jobs=jobs, engine=engine, display_of=_named_lines):
        line = f"{row['dataset']} seed {row['seed']}: gap {row['gap_points']:+.2f} points, {row['minutes']:.1f} min"
        say(line, err=True)
    for line in (out / ("study.json" if as_json else "study.md")).read_text(encoding="utf-8").splitlines():
        say(line)


def _config(
    seed: int, *, preset: str | None, config_file: Path | None, overrides: Sequence[str], limit: float | None
) -> Config:
    from upcycle._settings import resolve

    given = ["plain=true", *overrides, *([] if limit is None else [f"minutes_limit={limit}"])]
    return resolve(preset, config_file=config_file, overrides=given, seed=seed)


def _named_lines(name: str) -> Display:
    """Lines on standard error that begin with the name of their run, since several runs may be at work."""
    from upcycle.runs.watch import PlainDisplay

    return PlainDisplay(sys.stderr, prefix=f"{name}  ")
