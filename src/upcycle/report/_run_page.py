"""Two self-contained pages from one Evidence: the internal report, and the shareable one made of the shareable part only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from upcycle._arguments import typed
from upcycle._files import write_text
from upcycle._small_cell import SMALL_CELL
from upcycle.report import _run_figures as figures
from upcycle.report._audit_json import (
    AttackRow,
    attack_rows,
    control_rows,
    limits,
    number,
    primary_rows,
)
from upcycle.report._evidence import Evidence
from upcycle.report._leak_figures import attack_intervals, roc_curves
from upcycle.report._metrics import confusion, rate, recalls, reliability_bins, scores
from upcycle.report._page import page, safe
from upcycle.report._pictures import agreement, exposed_rows, grids, strips, triples
from upcycle.report._pipeline_page import shadow_part
from upcycle.report._summary import cards, confidence, percent, verdict
from upcycle.report._untested import untested
from upcycle.report._words import words


def write_reports(evidence: Evidence, *, internal: Path, shareable: Path) -> None:
    """Write both pages, each one file that opens without a network. Both are rendered before either is written, and a page
    is replaced whole or not at all."""
    pages = {internal: render(evidence, internal=True), shareable: render(evidence, internal=False)}
    for path, text in pages.items():
        write_text(path, text)


@typed()
def render(evidence: Evidence, *, internal: bool) -> str:
    """The HTML text of one report. The shareable one is made from `evidence.shareable()`, so it cannot show what that lacks."""
    shown = evidence if internal else evidence.shareable()
    names, rows = _names(shown), attack_rows(shown.audit)
    found, level = verdict(shown.audit), confidence(shown.audit)
    judged = _judged(shown, level)
    accuracies = {row["model"]: row["accuracy"] for row in judged if row["accuracy"]} | dict(shown.accuracies or {})
    leaks, attacked = primary_rows(rows), [*rows, *attack_rows(shown.pipelines)]
    return page(
        "report.html.j2",
        internal=internal,
        evidence=shown,
        dataset=shown.dataset or {},
        facts=_facts(shown, names, internal),
        names=names,
        counts=_counts(shown, names),
        level=percent(level),
        cards=cards(accuracies, _gaps(shown), leaks, level, found.word == "INVALID", shown.by_class),
        verdict=found,
        said=words(shown.audit, shown.pipelines, "RUN", persons="look at the most exposed records below")
        if shown.audit
        else None,
        rows=rows,
        shadows=shadow_part(shown.pipelines),
        student=leaks.get("student"),
        copies={key: number(value) for key, value in (shown.copies or {}).items()},
        no_dp=not any(row.target.lower().startswith("dp") for row in attacked),
        untested=untested(attacked, shown.pipelines, shown.copies),
        controls=control_rows(shown.audit),
        attacks=[card for card in (shown.audit or {}).get("attacks") or () if isinstance(card, Mapping)],
        judged=judged,
        pictures=_pictures(shown, names, rows, 1 if internal else SMALL_CELL, level),
        **_images(shown, names),
        small=SMALL_CELL,
    )


def _gaps(evidence: Evidence) -> dict[str, Any]:
    """Objective -> gap; that of the run comes first."""
    found = {"accuracy": evidence.gap_points, **evidence.gaps}
    return {evidence.objective: found.get(evidence.objective), **found}


def _images(evidence: Evidence, names: list[str]) -> dict[str, Any]:
    """What the template needs to show pictures of records and synthetic images."""
    found = strips(names, evidence.real_examples, evidence.synthetic_examples)
    size = (evidence.dataset or {}).get("size")
    return {
        "strips": found,
        "columns": max([1, *(len(part) for strip in found for part in (strip.real, strip.synthetic))]),
        "both": evidence.real_examples is not None,
        "pixels": " pixels" if not size or size <= 64 else "",
        "agreement": agreement(evidence.synthetic_examples),
        "triples": triples(evidence.nearest),
        "grids": grids(evidence.sheets or {}),
        "exposed": exposed_rows(evidence.exposed),
    }


def _facts(evidence: Evidence, names: list[str], internal: bool) -> list[str]:
    """A few words about the data, for the first sentence."""
    dataset, found = evidence.dataset or {}, []
    if internal and dataset.get("name"):
        found.append(str(dataset["name"]))
    if dataset.get("size"):
        found.append(f"{dataset['size']} × {dataset['size']} pixels")
    if dataset.get("channels"):
        found.append("grey" if dataset["channels"] == 1 else "colour")
    return [*found, f"{len(names)} classes"] if names else found


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


def _judged(evidence: Evidence, level: float) -> list[dict[str, Any]]:
    """Figures of merit per model; an accuracy without an interval from the caller gets a Clopper-Pearson one."""
    labels, rows = evidence.test_labels, list[dict[str, Any]]()
    if labels is None or not len(labels):
        return rows
    for model, logits in (evidence.logits or {}).items():
        given = (evidence.accuracies or {}).get(model)
        own = limits(given) if given is not None else None
        accuracy = own or limits(rate(logits.argmax(1) == labels, level))
        rows.append({"model": model, "accuracy": accuracy, "scores": scores(logits, labels)})
    return rows


def _pictures(evidence: Evidence, names: list[str], rows: list[AttackRow], smallest: int, level: float) -> Any:
    """Name -> SVG of every figure, "" where the evidence does not allow it. Safe text: it is made of escaped parts."""
    logits, labels = dict(evidence.logits or {}), evidence.test_labels
    known = logits if labels is not None and len(labels) else {}
    truth = np.zeros(0, int) if labels is None else labels
    matrices = {m: confusion(z, truth, smallest) for m, z in known.items()}
    pair = [matrices[m] for m in ("student", "baseline") if m in matrices]
    found = {
        "curves": figures.learning_curves(evidence.curves or {}),
        "classes": figures.per_class(names, {m: recalls(z, truth, level, smallest) for m, z in known.items()}),
        "confusion": figures.confusions(names, matrices),
        "difference": figures.confusion_difference(names, *pair) if len(pair) == 2 else "",
        "reliability": figures.reliability({m: reliability_bins(z, truth, 10, max(smallest, 5)) for m, z in known.items()}),
        "attacks": attack_intervals(rows, number((evidence.audit or {}).get("margin"))),
        "roc": roc_curves(evidence.roc or {}),
        "minutes": figures.stage_minutes(evidence.minutes or {}, evidence.energy.kwh if evidence.energy else None),
    }
    return {name: safe(text) for name, text in found.items()}
