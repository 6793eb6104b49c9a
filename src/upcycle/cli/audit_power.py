"""upcycle audit-power"""

import click

from upcycle.cli._options import json_option, print_json


@click.command(name="audit-power")
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
def audit_power(
    auc: float, fpr: float, margin: float, epsilon: float, canaries: int, confidence: float, power: float, as_json: bool
) -> None:
    """Say how many records, canaries and shadow pipelines a bound needs. Nothing is trained."""
    from upcycle.audit import power_table

    needs = power_table(auc=auc, fpr=fpr, margin=margin, epsilon=epsilon, canaries=canaries, confidence=confidence, power=power)
    if as_json:
        print_json({"needs": [need.to_json() for need in needs]})
        return
    for need in needs:
        number = "no number" if need.number is None else f"{need.number:,}"
        click.echo(f"{number:>12} {need.unit:<29} to {need.want}")
