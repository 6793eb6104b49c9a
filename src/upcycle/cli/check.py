"""upcycle check"""

from pathlib import Path

import click

from upcycle.cli._options import json_option, print_json
from upcycle.cli._say import say


@click.command()
@click.argument("data")
@click.option("--groups", type=click.Path(path_type=Path), help="CSV: image, patient.")
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings; only data.* is used.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change one setting; repeatable.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the splits that are made.")
@json_option
def check(data: str, groups: Path | None, config: Path | None, overrides: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Show how DATA was understood: counts, size, channels, duplicates, groups, problems. Writes nothing.

    DATA is as for `upcycle run`; see docs/data.md.
    """
    from upcycle._settings import resolve
    from upcycle.data import check as inspect
    from upcycle.data import survey

    settings = resolve(None, config_file=config, overrides=overrides)
    report = inspect(survey(data, config=settings.data, seed=seed, groups_csv=groups))
    if as_json:
        print_json({"schema_version": 1, "kind": "check", **report.to_json()})
    else:
        for line in report.lines():
            say(line)
