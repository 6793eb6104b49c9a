"""upcycle audit-power"""

from pathlib import Path
from typing import Any

import click

from upcycle.cli._options import json_option, minutes_lines, minutes_option, print_json
from upcycle.cli._say import say


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
@minutes_option
@json_option
def audit_power(data: str | None, groups: Path | None, pipelines: int, minutes: bool, as_json: bool, **wanted: Any) -> None:
    """Say how many records, canaries and shadow pipelines a bound needs; with DATA also what audits of that set can show.
    Nothing is trained."""
    from upcycle.audit import power_table

    outlook, lines = (
        ({"forecasts": []}, []) if data is None else _outlook(data, groups, pipelines, minutes, wanted["confidence"])
    )
    needs = power_table(**wanted)
    if as_json:
        print_json({"needs": [need.to_json() for need in needs], **outlook})
        return
    for need in needs:
        number = "no number" if need.number is None else f"{need.number:,}"
        click.echo(f"{number:>12} {need.unit:<29} to {need.want}")
    for line in lines:
        say(line)


def _outlook(
    data: str, groups: Path | None, pipelines: int, minutes: bool, confidence: float
) -> tuple[dict[str, Any], list[str]]:
    """What audits of the set can show, as JSON and as lines."""
    from upcycle._settings import resolve
    from upcycle.audit import plan_for
    from upcycle.data import survey
    from upcycle.runs import forecast_lines, forecasts, measured_minutes

    settings = resolve(None, config_file=None, overrides=())
    dataset = survey(data, config=settings.data, seed=0, groups_csv=groups)
    plan = plan_for("standard", pipelines=pipelines + pipelines % 2 * (pipelines > 1), confidence=confidence)
    found, notes = forecasts(dataset, settings, plan)
    expected = measured_minutes(dataset, settings) if minutes else None
    facts = {"forecasts": [forecast.to_json() for forecast in found], "not_forecast": notes, "minutes": expected}
    return facts, [*forecast_lines(found, notes), *minutes_lines(expected, settings)]
