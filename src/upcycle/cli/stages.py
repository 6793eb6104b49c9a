"""upcycle train-teacher, train-generator, distil, report: the same run, stopped earlier."""

from typing import Any

import click

from upcycle.cli._options import run_options, run_until


def _command(name: str, until: str, text: str) -> click.Command:
    def work(**options: Any) -> None:
        run_until(until, **options)

    work.__doc__ = f"{text}\n\nFinished stages are skipped; arguments are those of `upcycle run`."
    return click.command(name)(run_options(work))


train_teacher = _command("train-teacher", "teacher", "Read, split, and train the teacher on the members.")
train_generator = _command("train-generator", "generator", "Run up to the generator.")
distil = _command("distil", "student", "Run up to the student: bank, soft labels, distillation.")
report = _command("report", "report", "Run all stages, reports included.")
