"""upcycle demo"""

from pathlib import Path
from typing import Any

import click

from upcycle.cli._options import run_until, view_options


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo-run"), show_default=True, help="Run folder.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change one setting; repeatable.")
@view_options
def demo(out: Path, **options: Any) -> None:
    """Do the whole job on scikit-learn's handwritten digits. Nothing is downloaded."""
    run_until("report", "digits", out, preset="demo", **options)
