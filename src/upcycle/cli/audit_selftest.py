"""upcycle audit-selftest"""

import click

from upcycle.cli._options import json_option, print_json


@click.command(name="audit-selftest")
@json_option
def audit_selftest(as_json: bool) -> None:
    """Check known answers of the audit's statistics and attacks, in less than a minute. Exit code 1 if one is wrong."""
    from upcycle.audit import selftest

    checks = selftest()
    if as_json:
        print_json({"checks": [check.to_json() for check in checks]})
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.name:<62} {check.got:<24} expected {check.expected}")
        click.echo(f"{sum(check.passed for check in checks)} of {len(checks)} known answers")
    if not all(check.passed for check in checks):
        click.get_current_context().exit(1)
