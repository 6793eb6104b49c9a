"""upcycle demo"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from upcycle.cli._options import run_until, view_options


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo-run"), show_default=True, help="Run folder.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting; may be repeated.")
@view_options
def demo(out: Path, **options: Any) -> None:
    """The whole job on scikit-learn's handwritten digits, which come with it: nothing is downloaded."""
    run_until("report", "digits", out, preset="demo", **options)
