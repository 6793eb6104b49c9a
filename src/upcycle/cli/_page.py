"""The page of `upcycle compare --html`: the report room draws it, from rows of the facts."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upcycle._files import write_text

if TYPE_CHECKING:
    from upcycle.runs import Comparison, Pair


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
