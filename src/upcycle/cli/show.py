"""upcycle show"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upcycle.cli._options import json_option, print_json
from upcycle.cli._say import say

if TYPE_CHECKING:
    from upcycle.runs import RunFacts

_LABEL = 18


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@json_option
@click.option(
    "--thumbnails/--no-thumbnails", default=None, help="Synthetic images as coloured blocks (default: where the terminal can)."
)
def show(run: Path, as_json: bool, thumbnails: bool | None) -> None:
    """Verdict, three numbers with intervals, minutes and reports of the run folder RUN, finished or not. Writes nothing."""
    from upcycle.runs import read_run

    facts = read_run(run)
    if as_json:
        print_json(facts.to_json())
        return
    for line in _lines(facts):
        say(line)
    samples = _samples(facts)
    if thumbnails is not False and samples is not None:
        _pictures(samples, asked=bool(thumbnails))


def _lines(run: RunFacts) -> Iterator[str]:
    yield _line("run", f"{run.folder}: preset {run.preset}, seed {run.seed}{'' if run.finished else ', not finished'}")
    if not run.finished:
        yield _line("to come", run.to_come)
    if run.dataset is not None:
        kind = "grey" if run.channels == 1 else "RGB"
        yield _line("data", f"{run.dataset}: {len(run.class_names)} classes, {run.size} x {run.size} {kind}")
    if run.members is not None:
        yield _line("coin flips", f"{run.members:,} members, {run.non_members:,} non-members")
    yield from _verdict(run)
    yield from _numbers(run)
    if run.minutes:
        each = ", ".join(f"{name} {minutes:.1f}" for name, minutes in run.minutes.items() if minutes >= 0.05)
        yield _line("minutes", f"{run.total_minutes:.1f} in all{f': {each}' if each else ''}")
    yield from _places(run)


def _verdict(run: RunFacts) -> Iterator[str]:
    if run.verdict is None:
        yield _line("verdict", "not audited yet")
        return
    yield _line("verdict", run.verdict)
    yield from (_line(label, text) for label, text in run.words.items())
    yield from _wrapped(run.sentence or "")


def _numbers(run: RunFacts) -> Iterator[str]:
    if "student" in run.accuracy:
        yield _line("student accuracy", f"{run.accuracy['student'].text()}   baseline {run.accuracy['baseline'].text()}")
    if run.by_class is not None:
        yield from (_line(label, text) for label, text in run.by_class.lines())
    if run.gap_points is not None:
        yield _line("gap", f"{run.gap_points.text(2, sign=True)} points on {run.test_images:,} test images")
    yield from (_line(label, text) for label, text in run.gap_lines())
    if run.borders:
        yield _line("border", "   ".join(f"{name} {border:.3f}" for name, border in run.borders.items()))
    if run.calibration:
        yield _line("calibration", "error {error:.3f}, at temperature {temperature:.2f} {scaled:.3f}".format(**run.calibration))
    if run.robustness:
        yield _line("on worse images", "   ".join(f"{name} {value:.3f}" for name, value in run.on_worse_images.items()))
    leaks = [f"{name} {leak.auc.text()}" for name, leak in run.leakage.items()]
    if leaks:
        yield _line("leakage, AUC", "   ".join(leaks))
    if run.accuracy or leaks:
        yield _line("", f"brackets are {100 * run.confidence:g} % intervals; an AUC of 0.5 is guessing")


def _places(run: RunFacts) -> Iterator[str]:
    words = {"internal": "internal, do not share", "shareable": "shareable", "pipelines": "shadow pipelines, internal"}
    for k, (name, path) in enumerate(run.reports.items()):
        yield _line("" if k else "reports", f"{path} ({words[name]})")
    if run.synthetic is not None:
        yield _line("synthetic set", run.synthetic)


def _samples(run: RunFacts) -> Path | None:
    """Synthetic images to look at: those kept with the check for copies, which are there also where nothing may leave."""
    kept = Path(run.folder) / "private" / "copies" / "synthetic.npz"
    released = None if run.synthetic is None else Path(run.synthetic)
    return kept if kept.exists() else released


def _line(label: str, text: str) -> str:
    return f"{label:{_LABEL}}{text}"


def _wrapped(text: str) -> Iterator[str]:
    """The text below the label column, as wide as the terminal."""
    import shutil
    import textwrap

    indent = " " * _LABEL
    width = max(60, min(120, shutil.get_terminal_size().columns - 1))
    yield from textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)


def _pictures(path: Path, *, asked: bool) -> None:
    """Two rows of the released synthetic images, where the terminal has 24-bit colour; a line says why not if asked for."""
    import numpy as np
    from rich.console import Console

    from upcycle._npz import NotPlainArrays, read_arrays
    from upcycle.errors import RunFolderError
    from upcycle.runs.watch import can_show, first_of_each_class, thumbnail_rows

    console = Console(file=sys.stdout, highlight=False)
    if not can_show(console):
        if asked:
            say(_line("thumbnails", "need a terminal of 24-bit colour (COLORTERM=truecolor)"))
        return
    try:
        saved, _ = read_arrays(path, {"train_images", "train_labels"}.__contains__)
        images, labels = saved["train_images"], saved["train_labels"].ravel()
    except (NotPlainArrays, KeyError) as error:
        raise RunFolderError(f"synthetic images must be an .npz of a run. Got {path}: {error}. Use --no-thumbnails.") from error
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or len(labels) != len(images) or images.shape[3] not in (1, 3):
        raise RunFolderError(
            f"synthetic images must be uint8. Got {images.dtype} {images.shape} in {path}. Use --no-thumbnails."
        )
    for line in thumbnail_rows(images[first_of_each_class(labels, 40)], console.width, rows=2):
        console.print(line)
