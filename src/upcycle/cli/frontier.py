"""upcycle frontier"""

from pathlib import Path
from typing import Any

import click

from upcycle.cli._options import engine_option, json_option, print_json
from upcycle.cli._say import say


@click.command()
@click.argument("data")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder; made, or resumed.")
@click.option(
    "--bundle", "bundles", multiple=True, help="core (default), steps, small, support, floor, dp, formal; repeatable."
)
@click.option(
    "--epsilon", "epsilons", type=float, multiple=True, help="Of bundles dp and formal; repeatable (default: 8, 3, 1)."
)
@click.option("--pipelines", type=int, default=16, show_default=True, help="Runs of every recipe, an even number.")
@click.option("--jobs", type=int, default=0, help="Pipelines at a time; 0 = as many as the engine has cores.")
@engine_option
@click.option("--preset", help="Recipe that the others differ from: quick, standard or best (default: quick).")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of all recipes; may be repeated.")
@json_option
def frontier(
    data: str,
    out: Path,
    bundles: tuple[str, ...],
    preset: str | None,
    overrides: tuple[str, ...],
    epsilons: tuple[float, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Accuracy against audited leakage of several recipes on DATA: plain, screened, supported, under DP-SGD.

    Every recipe is run whole, on a small scale, on halves of the training split with planted records in it; stages that
    recipes share are run once. Finished pipelines are kept, and the same command goes on. Writes frontier.json and
    frontier.html.
    """
    from upcycle._files import read_json
    from upcycle._settings import resolve
    from upcycle.data import read
    from upcycle.runs.shadows import FrontierPlan, frontier

    base = resolve(preset, config_file=None, overrides=overrides)
    plan = FrontierPlan(bundles or ("core",), epsilons=epsilons or FrontierPlan.epsilons, **how)
    rows = frontier(read(data, config=base.data, seed=base.seed), out, base, plan, lambda line: say(line, err=as_json))
    if as_json:
        print_json({"privacy": read_json(out / "frontier.json")["privacy"], "rows": rows})
        return
    say(f"results {out / 'frontier.json'}, page {out / 'frontier.html'} (internal: {out / 'private'} holds private answers)")
