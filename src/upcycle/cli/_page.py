"""The page of `upcycle compare --html`: one file, no script, no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upcycle.runs import Comparison, Pair

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .9rem; text-align: left; white-space: nowrap; }
tbody th { font-weight: 600; position: sticky; left: 0; background: Canvas; }
td { font-variant-numeric: tabular-nums; }
.banner { border: 1px solid #b00020; padding: .5rem .9rem; }
@media print { .scroll { overflow: visible; } th, td { white-space: normal; } }
"""


def write_page(path: Path, found: Comparison, rows: Sequence[tuple[str, list[str]]]) -> None:
    """Write the page at `path`, whole or not at all. `rows`: (label, one cell a run), the first of them the runs' names."""
    from upcycle import report

    draw = getattr(report, "render_comparison", None)  # seam: until the report room draws the page, a plain table does
    level = f"{100 * found.runs[0].confidence:g} %"
    text = _page(found, rows) if draw is None else draw(page_rows(found), level=level, notes=found.notes)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


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


def _page(found: Comparison, rows: Sequence[tuple[str, list[str]]]) -> str:
    level = f"{100 * found.runs[0].confidence:g}"
    body = "".join(_row("tr", "th", label, cells) for label, cells in rows[1:])
    head = _row("tr", "th", rows[0][0], rows[0][1], cell='th scope="col"')
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{len(found.runs)} runs compared · upcycle</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<p class="banner" role="note">Internal: names runs and data sets. It shows no image and no figure about a single record.</p>
<h1>{len(found.runs)} runs compared</h1>
<div class="scroll" tabindex="0" role="region" aria-label="Table of runs">
<table>
<thead>{head}</thead>
<tbody>{body}</tbody>
</table>
</div>
<p>Brackets are {level} % intervals. An AUC of 0.5 is guessing. A low AUC says little where the same audit did not see the
teacher leak.</p>
{_pairs(found)}
{_list("Before you compare", found.notes)}
{_list("What the audits say", [f"{run.name}: {run.verdict}. {run.sentence}" for run in found.runs if run.verdict])}
</main>
</body>
</html>
"""


def _row(tag: str, first: str, label: str, cells: Sequence[str], *, cell: str = "td") -> str:
    inner = "".join(f"<{cell}>{escape(text)}</{cell.split()[0]}>" for text in cells)
    return f'<{tag}><{first} scope="row">{escape(label)}</{first}>{inner}</{tag}>\n'


def _pairs(found: Comparison) -> str:
    names = {run.folder: run.name for run in found.runs}
    return _list(
        "Students on the same test images",
        [f"{names[p.second]} minus {names[p.first]}: {_points(p)} points" for p in found.pairs],
    )


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<h2>{escape(title)}</h2>\n<ul>\n" + "".join(f"<li>{escape(item)}</li>\n" for item in items) + "</ul>"
