"""upcycle check"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upcycle.cli._options import json_option, minutes_lines, minutes_option, print_json
from upcycle.cli._say import say
from upcycle.errors import UpcycleError

if TYPE_CHECKING:
    from upcycle.config import Config
    from upcycle.data import Dataset


@click.command()
@click.argument("data")
@click.option("--groups", type=click.Path(path_type=Path), help="CSV: image, patient.")
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change one setting; repeatable.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of splits and coin flips.")
@minutes_option
@json_option
def check(
    data: str, groups: Path | None, config: Path | None, overrides: tuple[str, ...], seed: int, minutes: bool, as_json: bool
) -> None:
    """Show how DATA was understood, and which verdict its audits can end in. Writes nothing.

    Counts, size, channels, duplicates, groups, problems, and a forecast (docs/verdicts.md). DATA is as for `upcycle run`; see
    docs/data.md.
    """
    from upcycle._settings import resolve
    from upcycle.data import check as inspect
    from upcycle.data import survey
    from upcycle.runs import forecast_lines, measured_minutes, objective_lines

    settings = resolve(None, config_file=config, overrides=overrides, seed=seed)
    dataset = survey(data, config=settings.data, seed=seed, groups_csv=groups)
    report, (found, notes) = inspect(dataset), _forecasts(dataset, settings)
    expected = measured_minutes(dataset, settings) if minutes and found else None
    if as_json:
        outlook = {"forecasts": [forecast.to_json() for forecast in found], "not_forecast": notes, "minutes": expected}
        print_json({"schema_version": 1, "kind": "check", **report.to_json(), **outlook})
        return
    taken = minutes_lines(expected, settings) if found else []
    costs = objective_lines(dataset, settings.objective)
    for line in [*report.lines(), *costs, *forecast_lines(found, notes), *taken]:
        say(line)


def _forecasts(dataset: "Dataset", settings: "Config") -> tuple[list[Any], list[str]]:
    """The forecasts, and why there are none: a set that a run would refuse is still shown."""
    from upcycle.runs import forecasts

    try:
        return forecasts(dataset, settings)
    except UpcycleError as error:
        return [], [f"a run would refuse this set: {problem}" for problem in error.problems]
