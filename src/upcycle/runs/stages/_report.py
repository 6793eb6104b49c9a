"""The two reports of a run, and the evidence that they show, read from the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from upcycle._settings import to_yaml
from upcycle.data import Store
from upcycle.runs.folder import RunFolder, StageRecord, led, pipeline_facts, read_record, stage_records
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._evaluation import judged
from upcycle.runs.stages._release import place_report
from upcycle.runs.stages._showcase import draw_sheets, exposed_records, neighbours

if TYPE_CHECKING:
    from upcycle.report import Energy, Evidence


def report_stage(bench: Bench, store: Store) -> Facts:
    """The internal report in the private half, and the shareable one in the release unless that was withheld."""
    from upcycle.report import write_reports

    folder = bench.folder
    write_reports(evidence(bench, store), internal=folder.report, shareable=folder.shareable_report)
    place_report(bench)
    return {"internal": "private/report.html", "shareable": "release/report.html"}


def report_pages(folder: RunFolder) -> tuple[Path, ...]:
    """What the stage leaves outside its own folder."""
    return folder.report, folder.shareable_report


def evidence(bench: Bench, store: Store) -> Evidence:
    """Everything the reports show, read from the run folder."""
    from upcycle.report import Evidence

    folder, meta = bench.folder, store.meta
    evaluation = read_record(folder.stage("evaluation"))
    assert evaluation is not None, "report comes after evaluation"
    predictions = folder.arrays(folder.predictions)
    facts, stages, pipelines = evaluation.facts, stage_records(folder.private), pipeline_facts(folder.private)
    return Evidence(
        title=f"{meta.name}: {bench.config.preset} run",
        dataset={
            "name": meta.name,
            "size": meta.size,
            "channels": meta.channels,
            "class_names": tuple(meta.class_names),
            "counts": meta.counts,
            "notes": tuple(meta.notes),
        },
        config_yaml=to_yaml(bench.config),
        environment=folder.environment(),
        minutes={name: record.seconds / 60 for name, record in stages.items()},
        energy=energy_used(stages, bench.config.watts),
        curves=folder.curves(),
        test_labels=predictions["labels"],
        logits={name: predictions[name] for name in judged(bench)},
        accuracies={name: tuple(values) for name, values in facts["accuracy"].items()},
        gap_points=tuple(facts["gap_points"]),
        gaps={name: tuple(values) for name, values in facts.get("gaps", {}).items()},
        objective=bench.config.objective,
        by_class=facts.get("by_class"),
        audit=led(folder.facts("audit", "audit"), pipelines),
        pipelines=pipelines,
        copies=folder.facts("copies", "copies"),
        roc=_roc(folder.arrays(folder.scores), bench.config.audit.confidence),
        exposed=exposed_records(store, folder.arrays(folder.scores)),
        sheets=draw_sheets(bench.tuned().sampler(), meta.class_names, store.members().images),
        **_examples(bench, store),
    )


def energy_used(stages: Mapping[str, StageRecord], watts: float) -> Energy:
    """Kilowatt-hours of every stage: as counted where every stage was counted, else its seconds at `watts`."""
    from upcycle.report import Energy

    counted = {name: record.joules for name, record in stages.items() if record.joules is not None}
    if counted and len(counted) == len(stages):
        return Energy({name: joules / 3.6e6 for name, joules in counted.items()}, measured=True)
    return Energy({name: record.seconds * watts / 3.6e6 for name, record in stages.items()}, measured=False, watts=watts)


def _roc(saved: Mapping[str, np.ndarray], confidence: float) -> dict[str, tuple[np.ndarray, ...]]:
    """Curve of the primary attack on every target with the limits of its band."""
    from upcycle.audit.attacks import LOSS
    from upcycle.audit.statistics import Scores, roc
    from upcycle.report import roc_band

    members = saved["members"].astype(bool)
    inside, outside = int(members.sum()), int((~members).sum())
    found: dict[str, tuple[np.ndarray, ...]] = {}
    for name in saved:
        target, _, attack = name.rpartition("/")
        if attack == LOSS.name:
            curve = roc(Scores(saved[name], members))
            found[target] = (
                curve.fpr,
                curve.tpr,
                *roc_band(curve.fpr, curve.tpr, inside, outside, confidence),
            )
    return found


def _examples(bench: Bench, store: Store) -> dict[str, Any]:
    """Images to look at: the synthetic ones checked for copies; real ones and nearest pairs for the internal report only."""
    path = bench.folder.preview
    members, examples = store.members(), dict[str, Any]()
    if path.exists():
        saved = bench.folder.arrays(path)
        images = saved["train_images"]
        images = images[..., None] if images.ndim == 3 else images
        rows = _per_class(saved["train_labels"].ravel(), 10)
        examples["synthetic_examples"] = (
            images[rows],
            saved["train_labels"].ravel()[rows],
            _probabilities(saved["train_soft_labels"][rows], bench.tuned().config.student.temperature),
        )
        examples["nearest"] = neighbours(images, members.images, store.non_members().images)
    rows = _per_class(members.labels, 10)
    examples["real_examples"] = (members.images[rows], members.labels[rows])
    return examples


def _probabilities(soft_labels: np.ndarray, temperature: float) -> np.ndarray:
    """The teacher's probabilities float64 (n, classes) from its softmax at `temperature`, of one teacher exactly."""
    powers = np.asarray(soft_labels, np.float64) ** temperature
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _per_class(labels: np.ndarray, count: int) -> np.ndarray:
    """The first `count` rows of every class, class by class."""
    return np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)])
