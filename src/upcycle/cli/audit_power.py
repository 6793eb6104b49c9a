"""upcycle audit-power"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upcycle.cli._options import json_option, print_json

if TYPE_CHECKING:
    from upcycle.audit import Forecast


@click.command(name="audit-power")
@click.argument("data", required=False)
@click.option("--groups", type=click.Path(path_type=Path), help="CSV: image, patient, for DATA.")
@click.option("--pipelines", type=click.IntRange(min=1), default=32, show_default=True, help="Shadow pipelines, for DATA.")
@click.option("--auc", type=float, default=0.55, show_default=True, help="AUC that must not be missed.")
@click.option("--fpr", type=float, default=0.01, show_default=True, help="False positive rate of the TPR.")
@click.option("--margin", type=float, default=0.03, show_default=True, help="TPR that the upper limit must stay below.")
@click.option(
    "--epsilon", type=float, default=2.0, show_default=True, help="Lower bound on epsilon that the audit must be able to show."
)
@click.option("--canaries", type=int, default=100, show_default=True, help="Canaries per pipeline.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--power", type=float, default=0.8, show_default=True, help="Share of audits that must succeed.")
@json_option
def audit_power(data: str | None, groups: Path | None, pipelines: int, as_json: bool, **wanted: Any) -> None:
    """Say how many records, canaries and shadow pipelines a bound needs; with DATA also what audits of that set can show.
    Nothing is trained."""
    from upcycle.audit import power_table

    forecasts = [] if data is None else _forecasts(data, groups, pipelines, wanted["confidence"])

    needs = power_table(**wanted)
    if as_json:
        print_json({"needs": [need.to_json() for need in needs], "forecasts": [found.to_json() for found in forecasts]})
        return
    for need in needs:
        number = "no number" if need.number is None else f"{need.number:,}"
        click.echo(f"{number:>12} {need.unit:<29} to {need.want}")
    for found in forecasts:
        for line in found.lines():
            click.echo(line)


def _forecasts(data: str, groups: Path | None, pipelines: int, confidence: float) -> "list[Forecast]":
    from upcycle._settings import resolve
    from upcycle.audit import plan_for
    from upcycle.data import survey
    from upcycle.runs import forecasts

    settings = resolve(None, config_file=None, overrides=())
    dataset = survey(data, config=settings.data, seed=0, groups_csv=groups)
    plan = plan_for("standard", pipelines=pipelines + pipelines % 2 * (pipelines > 1), confidence=confidence)
    found, notes = forecasts(dataset, settings, plan)
    for note in notes:
        click.echo(note, err=True)
    return found
