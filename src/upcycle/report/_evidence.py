"""All that the reports are made of, and the part of it that the shareable one may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upcycle.report._redact import (
    public_audit,
    public_config,
    public_copies,
    public_curves,
    public_dataset,
    public_environment,
    public_pipelines,
    public_roc,
)

SHEETS = ("classes", "latents", "spread")

Triple = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Sheet:
    """Synthetic images in a grid, drawn for the report: uint8 (rows, columns, side, side, channels), every row and column with
    a name. `alike` counts those that are byte-identical to a private image or far nearer to one than to the next; None if
    nobody looked."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    images: np.ndarray
    alike: int | None = None


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Synthetic images (n, side, side, channels), the nearest private image of each that the generator was given, and the
    nearest that it was not given; distances (n,) are root mean squares in grey levels."""

    synthetic: np.ndarray
    member: np.ndarray
    held_out: np.ndarray
    to_member: np.ndarray
    to_held_out: np.ndarray


@dataclass(frozen=True)
class Energy:
    """Kilowatt-hours of every stage: `measured` by the processor's own counter, or estimated as time at `watts`."""

    kwh: Mapping[str, float]
    measured: bool
    watts: float | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """Facts of one run. Parts that a run does not have are None or empty.

    Attributes:
        title: of the pages.
        dataset: name, size, channels, class_names, counts (split -> images by place, name or index), notes, warnings.
        config_yaml: the settings.
        environment: versions and machine.
        minutes: of every stage.
        curves: stage -> rows with "images" and metrics.
        test_labels: (n,) of the test images.
        logits: model -> (n, classes) on the test images.
        accuracies: model -> (value, low, high), fractions.
        gap_points: student minus baseline, (value, low, high).
        gaps: the same by other objectives than accuracy (balanced, auroc), where the run looked at them.
        objective: what the run's models were chosen by.
        by_class: what the evaluation keeps of single classes.
        audit: JSON of the run's own audit.
        pipelines: JSON of an audit by shadow pipelines; its page is audit/pipeline.html next to the internal report.
        copies: aggregates of the check for copies.
        roc: target -> (fpr, tpr) of the primary attack, or (fpr, tpr, low, high) with the limits of a band.
        energy: of the stages.
        synthetic_examples: images uint8 (n, side, side, channels), labels (n,), the teacher's soft labels (n, classes).
        sheets: images drawn for the report, named as in SHEETS.
        real_examples: private, internal report only: images, labels.
        nearest: private, internal report only.
        exposed: private, internal report only: a mapping per record that is easiest to recognise; a value that is a
            uint8 array (side, side, channels) is shown as a picture.
    """

    title: str
    dataset: Mapping[str, Any] = field(default_factory=dict)
    config_yaml: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    minutes: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    test_labels: np.ndarray | None = None
    logits: Mapping[str, np.ndarray] = field(default_factory=dict)
    accuracies: Mapping[str, Triple] = field(default_factory=dict)
    gap_points: Triple | None = None
    gaps: Mapping[str, Triple] = field(default_factory=dict)
    objective: str = "accuracy"
    by_class: Mapping[str, Any] | None = None
    audit: Mapping[str, Any] | None = None
    pipelines: Mapping[str, Any] | None = None
    copies: Mapping[str, float] | None = None
    roc: Mapping[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    energy: Energy | None = None
    synthetic_examples: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    sheets: Mapping[str, Sheet] = field(default_factory=dict)
    real_examples: tuple[np.ndarray, np.ndarray] | None = None
    nearest: Neighbours | None = None
    exposed: Sequence[Mapping[str, Any]] | None = None

    def shareable(self) -> Evidence:
        """What may leave, named part by part, so that a part added later stays private until it is named here."""
        return Evidence(
            title="A student trained on synthetic images",
            dataset=public_dataset(self.dataset or {}),
            config_yaml=public_config(self.config_yaml or ""),
            environment=public_environment(self.environment or {}),
            minutes=self.minutes,
            curves=public_curves(self.curves or {}),
            test_labels=self.test_labels,
            logits=self.logits,
            accuracies=self.accuracies,
            gap_points=self.gap_points,
            gaps=self.gaps,
            objective=self.objective,
            by_class=self.by_class,
            audit=public_audit(self.audit),
            pipelines=public_pipelines(self.pipelines),
            copies=public_copies(self.copies),
            roc=public_roc(self.roc or {}),
            energy=self.energy,
            synthetic_examples=self.synthetic_examples,
            sheets={k: sheet for k, sheet in (self.sheets or {}).items() if k in SHEETS and sheet.alike == 0},
        )
