"""Two self-contained pages from one Evidence: the internal report, and the shareable one made of the shareable part only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from upcycle.report import _figures as figures
from upcycle.report._attacks import AttackRow, Interval, attack_rows, control_rows, limits, number, primary_rows
from upcycle.report._evidence import Evidence
from upcycle.report._metrics import Scores, confusion, rate, recalls, reliability_bins, scores
from upcycle.report._pictures import agreement, pairs, strips
from upcycle.report._redact import SMALL_CELL
from upcycle.report._summary import cards, confidence, percent, verdict

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class _Judged:
    """One row of the table of models."""

    model: str
    accuracy: Interval | None
    scores: Scores


def write_reports(evidence: Evidence, *, internal: Path, shareable: Path) -> None:
    """Write both pages, each one file that opens without a network. Both are rendered before either is written, and a page
    is replaced whole or not at all."""
    pages = {internal: render(evidence, internal=True), shareable: render(evidence, internal=False)}
    for path, page in pages.items():
        partial = path.with_name(path.name + ".partial")
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)


def render(evidence: Evidence, *, internal: bool) -> str:
    """The HTML text of one report. The shareable one is made from `evidence.shareable()`, so it cannot show what that lacks."""
    shown = evidence if internal else evidence.shareable()
    names, rows = _names(shown), attack_rows(shown.audit)
    found, level = verdict(shown.audit), confidence(shown.audit)
    judged = _judged(shown, level)
    accuracies = {row.model: row.accuracy for row in judged if row.accuracy} | dict(shown.accuracies or {})
    leaks = primary_rows(rows)
    page = _environment().get_template("report.html.j2")
    text: str = page.render(
        internal=internal,
        evidence=shown,
        dataset=shown.dataset or {},
        names=names,
        counts=_counts(shown, names),
        level=percent(level),
        cards=cards(accuracies, shown.gap_points, leaks, level, found.word == "INVALID"),
        verdict=found,
        rows=rows,
        leaks=leaks,
        copies={key: number(value) for key, value in (shown.copies or {}).items()},
        no_dp=not any(row.target.lower().startswith("dp") for row in rows),
        controls=control_rows(shown.audit),
        attacks=[card for card in (shown.audit or {}).get("attacks") or () if isinstance(card, Mapping)],
        judged=judged,
        pictures=_pictures(shown, names, rows, 1 if internal else SMALL_CELL, level),
        strips=strips(names, shown.real_examples, shown.synthetic_examples),
        agreement=agreement(shown.synthetic_examples),
        pairs=pairs(shown.nearest),
        small=SMALL_CELL,
    )
    return text


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("upcycle.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["interval"] = interval
    formats = {"fixed": "{:.3f}", "whole": "{:,.0f}", "tenth": "{:.1f}"}
    for name, form in formats.items():
        environment.filters[name] = lambda value, form=form: "–" if number(value) is None else form.format(value)
    environment.filters["percent"] = lambda share: "–" if number(share) is None else f"{100 * share:.1f} %"
    return environment


def interval(values: Interval | None, missing: str = "–") -> str:
    """`value [low, high]` with three digits, or `missing`."""
    return missing if values is None else "{:.3f} [{:.3f}, {:.3f}]".format(*values)


def _names(evidence: Evidence) -> list[str]:
    """Class names; where the data set gives none, the numbers of the classes in the logits or examples."""
    given = [str(name) for name in (evidence.dataset or {}).get("class_names") or ()]
    classes = [int(values.shape[1]) for values in (evidence.logits or {}).values()]
    classes += [int(max(part[1], default=-1)) + 1 for part in (evidence.synthetic_examples, evidence.real_examples) if part]
    return given + [str(number) for number in range(len(given), max(classes, default=0))]


def _counts(evidence: Evidence, names: list[str]) -> dict[str, list[Any]]:
    """Split -> images per class in the order of the names; a class that is not listed has a dash."""
    found = {}
    for split, row in ((evidence.dataset or {}).get("counts") or {}).items():
        listed = dict(row) if isinstance(row, Mapping) else dict(enumerate(row))
        found[str(split)] = [listed.get(name, listed.get(k, listed.get(str(k), "–"))) for k, name in enumerate(names)]
    return found


def _judged(evidence: Evidence, level: float) -> list[_Judged]:
    """Figures of merit per model; an accuracy without an interval from the caller gets a Clopper-Pearson one."""
    labels, rows = evidence.test_labels, []
    if labels is None or not len(labels):
        return []
    for model, logits in (evidence.logits or {}).items():
        given = (evidence.accuracies or {}).get(model)
        own = limits(given) if given is not None else None
        rows.append(_Judged(model, own or limits(rate(logits.argmax(1) == labels, level)), scores(logits, labels)))
    return rows


def _pictures(evidence: Evidence, names: list[str], rows: list[AttackRow], smallest: int, level: float) -> Any:
    """Name -> SVG of every figure, "" where the evidence does not allow it. Safe text: it is made of escaped parts."""
    from markupsafe import Markup

    logits, labels = dict(evidence.logits or {}), evidence.test_labels
    known = logits if labels is not None and len(labels) else {}
    truth = np.zeros(0, int) if labels is None else labels
    found = {
        "curves": figures.learning_curves(evidence.curves or {}),
        "classes": figures.per_class(names, {m: recalls(z, truth, level, smallest) for m, z in known.items()}),
        "confusion": figures.confusions(names, {m: confusion(z, truth, smallest) for m, z in known.items()}),
        "reliability": figures.reliability({m: reliability_bins(z, truth, 10, max(smallest, 5)) for m, z in known.items()}),
        "attacks": figures.attack_intervals(rows, number((evidence.audit or {}).get("margin"))),
        "roc": figures.roc_curves(evidence.roc or {}),
        "minutes": figures.stage_minutes(evidence.minutes or {}),
    }
    return {name: Markup(text) for name, text in found.items()}
