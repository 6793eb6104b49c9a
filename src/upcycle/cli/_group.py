"""The lazy group, and the one place where errors become lines and exit codes."""

import contextlib
import difflib
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module, metadata

import click

from upcycle._private import TERMINATED, exit_on_sigterm
from upcycle.cli._errors import STOPPED, explain
from upcycle.cli._say import say

_COMMANDS = {
    "demo": "Do the whole job on a small real data set, in minutes.",
    "run": "Make an audited student from private images.",
    "check": "Show how a data set was understood, and which verdict to expect.",
    "show": "Print verdict, three numbers, minutes and reports of a run.",
    "compare": "Compare several runs in one table, in the terminal or on a page.",
    "study": "Run many data sets and seeds, and make their table.",
    "train-teacher": "Run up to the teacher.",
    "train-generator": "Run up to the generator.",
    "distil": "Run up to the student.",
    "audit": "Run up to the audit; with --budget, shadow pipelines with canaries on a finished run.",
    "audit-scores": "Audit any model from an .npz of scores or logits.",
    "audit-power": "Say how many records, canaries and pipelines a bound needs.",
    "frontier": "Compare recipes on your data: accuracy against audited leakage.",
    "audit-selftest": "Check known answers of the audit, in less than a minute.",
    "report": "Run up to the reports; on a finished run, find them.",
    "predict": "Classify image files with a released student.",
    "verify": "Check a release that you received, without private data.",
    "release": "Write what may leave: student, synthetic set, cards. Refused if the audit says no.",
}
_MODULES = {
    "train-teacher": "stages",
    "train-generator": "stages",
    "distil": "stages",
    "audit-scores": "audit_scores",
    "audit-power": "audit_power",
    "audit-selftest": "audit_selftest",
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

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"command must be one of {', '.join(_COMMANDS)}. Got {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

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


@contextlib.contextmanager
def _helped() -> Iterator[bool]:
    """Whether this process does the command: every one but those of torchrun that help the first."""
    if os.environ.pop("TORCHELASTIC_RUN_ID", None) is None or int(os.environ["WORLD_SIZE"]) == 1:
        yield True
        return
    from upcycle._machine import tune_process
    from upcycle._parallel import LostError, leading

    helper = int(os.environ["RANK"]) > 0
    if helper:
        # a helper waits where no handler of Python is called, and leaves nothing behind
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first says that it was stopped, and ends
    try:
        with leading(tune_process) as first:
            yield first
    except LostError:
        if helper:
            sys.exit(1)  # the first says so
        raise


def main(args: list[str] | None = None) -> None:
    """Entry point. User errors end in a line each and exit code 2; bugs keep their traceback."""
    exit_on_sigterm()
    try:
        with _helped() as first:
            code = cli.main(args, prog_name="upcycle", standalone_mode=False) if first else 0
        sys.exit(code or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == TERMINATED:
            say(f"upcycle: {STOPPED}", err=True)
        raise
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has stopped reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (Exception, KeyboardInterrupt) as error:
        lines, code = explain(error)
        if not lines:
            raise
        for line in lines:
            more = line.startswith("  ")  # of the problem above it
            say(line if more else f"upcycle: error: {line}" if code == 2 else f"upcycle: {line}", err=True)
        sys.exit(code)
