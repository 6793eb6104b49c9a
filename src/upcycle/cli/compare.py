"""upcycle compare"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upcycle._files import write_text
from upcycle.cli._options import json_option, print_json
from upcycle.cli._say import say

if TYPE_CHECKING:
    from upcycle.runs import Comparison, Measured, Pair, RunFacts


def write_page(path: Path, found: Comparison) -> None:
    """Write the page at `path`, whole or not at all."""
    from upcycle.report import render_comparison

    text = render_comparison(page_rows(found), level=f"{100 * found.runs[0].confidence:g} %", notes=found.notes)
    write_text(path, text)


def page_rows(found: Comparison) -> list[dict[str, Any]]:
    """One mapping a run for `report.render_comparison`: what it knows by name, then paired differences as further columns."""
    rows: list[dict[str, Any]] = []
    names = {run.folder: run.name for run in found.runs}
    for run in found.runs:
        measured = {
            "student_accuracy": run.accuracy.get("student"),
            "baseline_accuracy": run.accuracy.get("baseline"),
            "gap_points": run.gap_points,
            "student_auc": run.leakage["student"].auc if "student" in run.leakage else None,
            "teacher_auc": run.leakage["teacher"].auc if "teacher" in run.leakage else None,
        }
        about = {"name": run.name, "dataset": run.dataset, "preset": run.preset, "seed": run.seed, "verdict": run.verdict}
        known = {key: astuple(value) for key, value in measured.items() if value is not None}
        pairs = {f"minus {names[p.first]}, points": _points(p) for p in found.pairs if p.second == run.folder}
        more = {"members": run.members, "test images": run.test_images, "in the audit's words": run.sentence, **pairs}
        rows.append({**about, **known, "minutes": run.total_minutes, **{k: v for k, v in more.items() if v is not None}})
    return rows


def _points(pair: Pair) -> str:
    return pair.difference_points.text(2, sign=True)


_GAP = 2  # columns between two cells


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN_A RUN_B ...")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Also write one page that opens without a network.")
@json_option
def compare(runs: tuple[Path, ...], page: Path | None, as_json: bool) -> None:
    """Compare run folders in one table: accuracy, gap, leakage, verdict, minutes.

    Students that were tested on the same images also get their paired difference.
    """
    from upcycle.runs import compare_runs

    found = compare_runs(runs)
    if page is not None:
        write_page(page, found)
    if as_json:
        print_json(found.to_json())
        return
    for line in _lines(found):
        say(line)
    if page is not None:
        say(f"page: {page} (internal: it names runs and data)")


def table(runs: Sequence[RunFacts]) -> list[tuple[str, list[str]]]:
    """(label, one cell a run) for every row that at least one run can fill; cells that are not known are dashes."""
    rows = [(label, [cell(run) or "–" for run in runs]) for label, cell in _ROWS.items()]
    return [(label, cells) for label, cells in rows if set(cells) != {"–"}]


def _share(run: RunFacts, model: str) -> str:
    return run.accuracy[model].text() if model in run.accuracy else ""


def _auc(run: RunFacts, target: str) -> str:
    return run.leakage[target].auc.text() if target in run.leakage else ""


def _tpr(run: RunFacts, target: str) -> str:
    rate = run.leakage[target].tpr_at_1pct if target in run.leakage else None
    return "" if rate is None else rate.text()


def _signed(measured: Measured | None) -> str:
    return "" if measured is None else measured.text(2, sign=True)


_ROWS: dict[str, Callable[[RunFacts], str]] = {
    "run": lambda run: run.name,
    "data": lambda run: run.dataset or "",
    "preset, seed": lambda run: f"{run.preset}, {run.seed}",
    "members": lambda run: "" if run.members is None else f"{run.members:,}",
    "test images": lambda run: "" if run.test_images is None else f"{run.test_images:,}",
    "student accuracy": lambda run: _share(run, "student"),
    "baseline accuracy": lambda run: _share(run, "baseline"),
    "teacher accuracy": lambda run: _share(run, "teacher"),
    "gap, points": lambda run: _signed(run.gap_points),
    "attack AUC, student": lambda run: _auc(run, "student"),
    "attack AUC, teacher": lambda run: _auc(run, "teacher"),
    "TPR at 1 %, student": lambda run: _tpr(run, "student"),
    "TPR at 1 %, teacher": lambda run: _tpr(run, "teacher"),
    "verdict": lambda run: run.verdict or "not audited",
    "minutes": lambda run: f"{run.total_minutes:.1f}" if run.minutes else "",
}


def _lines(found: Comparison) -> Iterator[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for k, block in enumerate(_blocks(table(found.runs), width)):
        yield from ([""] if k else []) + block
    yield ""
    yield f"Brackets are {100 * found.runs[0].confidence:g} % intervals. An AUC of 0.5 is guessing."
    names = {run.folder: run.name for run in found.runs}
    for pair in found.pairs:
        yield (
            f"{names[pair.second]} minus {names[pair.first]}, students on the same test images: "
            f"{pair.difference_points.text(2, sign=True)} points"
        )
    yield from (f"note: {text}" for text in found.notes)


def _blocks(rows: Sequence[tuple[str, list[str]]], width: int | None) -> list[list[str]]:
    """The table as lines, cut into blocks of runs that fit the width; None: one block however wide."""
    first = max(len(label) for label, _ in rows)
    widths = [max(len(cells[k]) for _, cells in rows) for k in range(len(rows[0][1]))]
    blocks: list[list[int]] = [[]]
    for k, each in enumerate(widths):
        used = first + sum(_GAP + widths[other] for other in blocks[-1])
        if blocks[-1] and width is not None and used + _GAP + each > width:
            blocks.append([])
        blocks[-1].append(k)
    return [[_row(label, [f"{cells[k]:<{widths[k]}}" for k in block], first) for label, cells in rows] for block in blocks]


def _row(label: str, cells: Sequence[str], first: int) -> str:
    return (" " * _GAP).join([f"{label:<{first}}", *cells]).rstrip()
