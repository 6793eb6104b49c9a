"""Two self-contained pages from one Evidence: the internal report, and the shareable one made of the shareable part only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from upcycle.report import _figures as figures
from upcycle.report._evidence import Evidence, Triple
from upcycle.report._metrics import confusion, recalls, reliability_bins, scores

_VERDICTS = {
    "LEAKS": ("bad", "The attack tells members from non-members better than chance allows."),
    "NO LEAK FOUND": ("good", "The attacks run here found nothing, although they do find the teacher's leak."),
    "INCONCLUSIVE": (
        "unsure",
        "The attacks found nothing, but they could have missed a leak: too few records, or a teacher that hardly leaks.",
    ),
    "INVALID": ("bad", "A control of the audit failed. Its numbers must not be used."),
}

_FIGURES = ("curves", "per_class", "confusions", "reliability", "attacks", "roc", "minutes")


def write_reports(evidence: Evidence, *, internal: Path, shareable: Path) -> None:
    """Write both pages, each one file that opens without a network; whole or not at all."""
    for path, page in ((internal, render(evidence, internal=True)), (shareable, render(evidence, internal=False))):
        partial = path.with_suffix(".partial")
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)


def render(evidence: Evidence, *, internal: bool) -> str:
    """The HTML text of one report. The shareable one is made from `evidence.shareable()`, so it cannot show what that lacks."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    shown = evidence if internal else evidence.shareable()
    environment = Environment(
        loader=PackageLoader("upcycle.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = {name: Markup(svg) for name, svg in _pictures(shown).items()}
    return environment.get_template("report.html.j2").render(
        internal=internal,
        title=shown.title,
        dataset=shown.dataset,
        class_names=_names(shown),
        headline=_headline(shown),
        verdict=_verdict(shown.audit),
        audit=shown.audit or {},
        rows=[dict(row) for row in (shown.audit or {}).get("rows", [])],
        controls=[dict(control) for control in (shown.audit or {}).get("controls", [])],
        copies=shown.copies or {},
        metrics=_metrics(shown),
        pictures=pictures,
        grids=_grids(shown),
        config_yaml=shown.config_yaml,
        environment=shown.environment,
        minutes=shown.minutes,
    )


def _names(evidence: Evidence) -> list[str]:
    return [str(name) for name in evidence.dataset.get("class_names", ())]


def interval(values: Triple, digits: int = 3, sign: str = "") -> str:
    """`value [low, high]` with fixed digits."""
    value, low, high = (f"{v:{sign}.{digits}f}" for v in values)
    return f"{value} [{low}, {high}]"


def _headline(evidence: Evidence) -> list[dict[str, str]]:
    """The numbers of the first screen."""
    cards = []
    accuracy = evidence.accuracies
    if "student" in accuracy:
        beside = f"baseline, trained on the private images: {interval(accuracy['baseline'])}" if "baseline" in accuracy else ""
        cards.append(_card("Student accuracy on real test images", accuracy["student"], beside))
    if evidence.gap_points is not None:
        cards.append(_card("Gap to the baseline, points", evidence.gap_points, "above zero: the student is better", 2, "+"))
    leaks = {row["target"]: row for row in (evidence.audit or {}).get("rows", []) if row.get("primary")}
    if "student" in leaks:
        beside = f"teacher, never released: {interval(_auc(leaks['teacher']))}" if "teacher" in leaks else ""
        cards.append(_card("Leakage of the student, attack AUC", _auc(leaks["student"]), f"0.5 is chance; {beside}"))
    return cards


def _card(label: str, values: Triple, note: str, digits: int = 3, sign: str = "") -> dict[str, str]:
    low, high = (f"{v:{sign}.{digits}f}" for v in values[1:])
    return {
        "label": label,
        "value": f"{values[0]:{sign}.{digits}f}",
        "interval": f"95 % interval {low} to {high}",
        "note": note,
    }


def _auc(row: Mapping[str, Any]) -> Triple:
    return float(row["auc"]), float(row["auc_low"]), float(row["auc_high"])


def _verdict(audit: Mapping[str, Any] | None) -> dict[str, str]:
    if not audit:
        return {"word": "NOT AUDITED", "kind": "unsure", "meaning": "No audit was run.", "sentence": ""}
    word = str(audit.get("verdict", "INVALID"))
    kind, meaning = _VERDICTS.get(word, ("unsure", ""))
    return {"word": word, "kind": kind, "meaning": meaning, "sentence": str(audit.get("sentence", ""))}


def _metrics(evidence: Evidence) -> list[dict[str, Any]]:
    """One row of figures per judged model."""
    if evidence.test_labels is None:
        return []
    rows = []
    for model, logits in evidence.logits.items():
        found = asdict(scores(logits, evidence.test_labels))
        limits = interval(evidence.accuracies[model]) if model in evidence.accuracies else f"{found['accuracy']:.3f}"
        rows.append({"model": model, **found, "accuracy": limits})
    return rows


def _pictures(evidence: Evidence) -> dict[str, str]:
    """Name -> SVG of every figure; empty text where the evidence does not allow it."""
    found, names, labels = dict.fromkeys(_FIGURES, ""), _names(evidence), evidence.test_labels
    if evidence.curves:
        found["curves"] = figures.learning_curves(evidence.curves)
    if labels is not None and evidence.logits:
        found["per_class"] = figures.per_class(names, {m: recalls(z, labels) for m, z in evidence.logits.items()})
        found["confusions"] = figures.confusions(names, {m: confusion(z, labels) for m, z in evidence.logits.items()})
        found["reliability"] = figures.reliability({m: reliability_bins(z, labels) for m, z in evidence.logits.items()})
    rows = list((evidence.audit or {}).get("rows", []))
    if rows:
        found["attacks"] = figures.attack_intervals(rows)
    if evidence.roc:
        smallest = min(float(fpr[fpr > 0].min(initial=1.0)) for fpr, _ in evidence.roc.values())
        found["roc"] = figures.roc_curves(evidence.roc, max(min(smallest, 0.1) / 2, 1e-4))
    if evidence.minutes:
        found["minutes"] = figures.stage_minutes(evidence.minutes)
    return found


def _grids(evidence: Evidence) -> list[dict[str, str]]:
    grids = []
    if evidence.real_examples is not None:
        images, labels = evidence.real_examples
        grids.append({"title": "Private images", "source": figures.image_grid(images, labels), "private": "yes", "note": ""})
    if evidence.synthetic_examples is not None:
        images, labels, soft = evidence.synthetic_examples
        agree = float((np.asarray(soft).argmax(1) == labels).mean())
        note = f"The teacher finds the class asked for on {agree:.0%} of these."
        grids.append({"title": "Synthetic images", "source": figures.image_grid(images, labels), "private": "", "note": note})
    return grids
