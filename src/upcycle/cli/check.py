"""upcycle check"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("data")
@click.option("--groups", type=click.Path(path_type=Path), help="CSV: image, patient.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the splits that are made.")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def check(data: str, groups: Path | None, seed: int, as_json: bool) -> None:
    """Say what was understood of DATA: counts, size, channels, duplicates, groups, problems. Writes nothing."""
    from upcycle.config import DataConfig
    from upcycle.data import check as inspect
    from upcycle.data import read

    report = inspect(read(data, config=DataConfig(), seed=seed, groups_csv=groups))
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        for line in report.lines():
            click.echo(line)
