"""upcycle audit: the audit stage of a run, or with --budget shadow pipelines of its recipe."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from upcycle.cli._options import engine_option, print_json, run_options, run_until
from upcycle.cli._say import say as say_line
from upcycle.errors import ConfigError

if TYPE_CHECKING:
    from upcycle.audit import PipelineAudit
    from upcycle.dp import DpSettings

BUDGETS = ("smoke", "quick", "standard", "full")


_HEEDED: Final = frozenset(  # with --budget
    {"data", "budget", "jobs", "engine", "early_look", "dp", "dp_clip", "as_json", "evidence_networks"}
)


@click.command()
@run_options
@click.option("--budget", type=click.Choice(BUDGETS), help="Audit the finished run DATA by shadow pipelines with canaries.")
@click.option("--jobs", type=int, default=0, help="Pipelines at a time with --budget (default: the cores of the engine).")
@engine_option
@click.option("--early-look", is_flag=True, help="With --budget: stop half-way if the student leaks by then.")
@click.option("--dp/--no-dp", default=None, help="With --budget: compare with DP-SGD classifiers.  [default: full only]")
@click.option("--dp-clip", type=click.FloatRange(0, min_open=True), help="Largest gradient norm of a record.  [default: 1]")
@click.pass_context
def audit(
    context: click.Context,
    /,
    budget: str | None,
    jobs: int,
    engine: str,
    early_look: bool,
    data: str,
    out: Path | None,
    **options: Any,
) -> None:
    """Run up to the audit: membership inference on student, baseline and teacher.

    Finished stages are skipped; arguments are those of `upcycle run`. With --budget, DATA is the folder of a run: its
    recipe is run again, on a smaller scale unless --networks own, on secret halves of its records with canaries among them,
    and everything it releases is attacked. It states its cost before it starts; the same command resumes. It writes a page,
    RUN/private/audit/pipeline.html, and the run's reports again. Exit code 3 if a control failed.
    """
    comparator = dp_settings(budget, options.pop("dp"), options.pop("dp_clip"))
    if early_look and budget not in ("standard", "full"):
        raise ConfigError(f"--early-look needs --budget standard or full. Got {budget or 'none'}. Drop it or change --budget.")
    if budget is None:
        for name, value, usual in (("--engine", engine, "local"), ("--jobs", jobs, 0)):
            if value != usual:
                raise ConfigError(
                    f"{name} must stand next to --budget. Got {value} without it. Give --budget standard or full."
                )
        if out is None:
            raise click.UsageError("Missing option '--out'.", context)
        run_until("audit", data, out, **options)
        return
    if given := _of_a_run(context):
        raise ConfigError(f"--budget must come with a run folder only. Got {' '.join(given)}. The run's own settings are used.")
    from upcycle.runs import audit_run
    from upcycle.runs.shadows import PAGE

    as_json, networks = bool(options.get("as_json")), options["evidence_networks"]
    say = partial(say_line, err=as_json)
    how: dict[str, Any] = {"jobs": jobs, "engine": engine, "early_look": early_look, "dp": comparator, "networks": networks}
    found = audit_run(Path(data), budget, **how, say=say)
    if as_json:
        print_json(found.to_json())
    else:
        for line in summary_lines(found):
            say(line)
    say(f"page     {Path(data) / 'private' / 'audit' / PAGE} (internal)")
    context.exit(found.exit_code)


def _of_a_run(context: click.Context) -> list[str]:
    """The options given that make a run, and that an audit of a finished one would not heed."""
    given = [p for p in context.command.params if context.get_parameter_source(p.name or "") is ParameterSource.COMMANDLINE]
    return [option.opts[0] for option in given if option.name not in _HEEDED]


def dp_settings(budget: str | None, wanted: bool | None, clip: float | None) -> DpSettings | None:
    """The comparator's settings; None if there is no comparator."""
    if budget is None and (wanted or clip is not None):
        raise ConfigError("--dp needs --budget. Got none. Add --budget standard or full.")
    if wanted is False or (wanted is None and clip is None and budget != "full"):
        return None
    from upcycle.dp import DpSettings

    return DpSettings() if clip is None else DpSettings(clip=clip)


def summary_lines(found: PipelineAudit) -> list[str]:
    """The verdict on every part, and the primary attack on every population of it."""
    lines = [""]
    for verdict in found.verdicts:
        lines.append(f"{verdict.target:28} {verdict.line}")
        mine = found.select(target=verdict.target)
        primary = next((row for row in mine if row.primary), None)
        for row in mine:
            if primary is not None and (row.attack, row.threat_model) == (primary.attack, primary.threat_model):
                lines.append(f"  {row.population:26} AUC {row.auc}   TPR at 1 % {row.tpr_at_1pct}")
    facts = found.to_json()
    if facts["dp_comparator"] is not None:
        lines += ["", f"DP-SGD   {facts['dp_comparator']['sentence']}"]
    if len(found.facts.code) > 1:
        lines += ["", f"code     kept runs of {len(found.facts.code)} code versions are mixed; the page says which"]
    return [*lines, "", f"verdict  {found.verdict}: {found.sentence}"]


for _parameter in audit.params:
    if _parameter.name == "out":
        _parameter.required = False  # with --budget the run folder is DATA
