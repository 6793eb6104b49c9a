"""The lazy group, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import errno
import sys
from importlib import import_module, metadata
from typing import Any

import click

from upcycle.errors import UpcycleError

_COMMANDS = {
    "demo": "The whole job on a small real data set, in minutes.",
    "run": "From private images to an audited student.",
    "check": "Say what was understood of a data set, in seconds.",
    "train-teacher": "Run up to the teacher.",
    "train-generator": "Run up to the generator.",
    "distil": "Run up to the student.",
    "audit": "Run up to the audit.",
    "report": "Run up to the reports; on a finished run, find them.",
}
_MODULES = {
    "train-teacher": "stages",
    "train-generator": "stages",
    "distil": "stages",
    "audit": "stages",
    "report": "stages",
}


class LazyGroup(click.Group):
    """Knows every command's name and one line about it without importing it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"upcycle.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"upcycle {metadata.version('upcycle')}")
        ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def cli() -> None:
    """Private labelled images in; an audited student and a synthetic set out.

    Start with `upcycle demo`, then `upcycle run DATA --out RUN`. The same command resumes a run.
    """


def main(args: list[str] | None = None) -> None:
    """Entry point. User errors end in a line each and exit code 2; bugs keep their traceback."""
    try:
        sys.exit(cli.main(args, prog_name="upcycle", standalone_mode=False) or 0)
    except Exception as error:
        lines, code = _explain(error)
        if not lines:
            raise
        for line in lines:
            click.echo(f"upcycle: error: {line}", err=True)
        sys.exit(code)
    except KeyboardInterrupt:
        _stopped()


def _stopped() -> None:
    click.echo("upcycle: stopped. The same command resumes.", err=True)
    sys.exit(130)


def _explain(error: Any) -> tuple[list[str], int]:
    """The lines and the exit code for an error the user can mend; no lines for a bug."""
    if isinstance(error, UpcycleError):
        return list(error.problems), 2
    if isinstance(error, click.Abort):
        return ["stopped. The same command resumes."], 130
    if isinstance(error, click.ClickException):
        return [error.format_message()], 2
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ["disk must have room left. Got a full one. Free some space; the same command resumes."], 2
    if isinstance(error, MemoryError):
        return ["memory must suffice for the preset. Got none left. Use a smaller preset or bank."], 2
    return [], 1
