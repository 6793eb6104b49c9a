"""The judging stages: the one reading of the test split, and the audit."""

from typing import Any

import numpy as np
import torch

from upcycle._files import write_arrays
from upcycle.audit.statistics import accuracy_interval, paired_difference_interval
from upcycle.config import Objective
from upcycle.data import ImageSet, Store
from upcycle.nets import predict_logits
from upcycle.runs.folder import GAP_LABELS, ByClass, by_class
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._calibration import calibration
from upcycle.runs.stages._gaps import gap_by
from upcycle.runs.stages._robustness import robustness

JUDGED = ("baseline", "teacher", "student")


def judged(bench: Bench) -> tuple[str, ...]:
    """The classifiers of this run that are evaluated."""
    return (*JUDGED, "plain") if bench.config.plain else JUDGED


def evaluation_stage(bench: Bench, store: Store) -> Facts:
    """Read the test split, for the first and last time; keep logits for the report."""
    test, confidence = store.test("evaluation"), bench.config.audit.confidence
    logits = {name: _logits(bench, name, test) for name in judged(bench)}
    bench.folder.stage("evaluation")
    write_arrays(bench.folder.predictions, {"labels": test.labels, **logits})
    right = {name: values.argmax(1) == test.labels for name, values in logits.items()}
    accuracies = {name: [float(hits.mean()), *accuracy_interval(hits, confidence)] for name, hits in right.items()}
    gap = 100 * (right["student"].mean() - right["baseline"].mean())
    low, high = paired_difference_interval(right["student"], right["baseline"], confidence)
    validation, names = store.validation(), tuple(map(str, store.meta.class_names))
    looks = {name: float((_logits(bench, name, validation).argmax(1) == validation.labels).mean()) for name in judged(bench)}
    answered = {name: len(np.unique(values.argmax(1))) for name, values in logits.items()}
    of_classes = by_class(logits, test.labels, names, confidence)
    others: tuple[Objective, ...] = ("balanced", "auroc") if of_classes.uneven or bench.config.objective != "accuracy" else ()
    both = logits["student"], logits["baseline"], test.labels
    return {
        "test_images": len(test),
        "classes_answered": answered,
        "accuracy": accuracies,
        "gap_points": [float(gap), 100 * low, 100 * high],
        "gaps": {objective: list(gap_by(objective, *both, confidence)) for objective in others},
        "by_class": of_classes.to_json(),
        "validation_accuracy": looks,
        "robustness": robustness(bench, test),
        "calibration": calibration(bench, logits["student"], test.labels),
    }


def _logits(bench: Bench, stage: str, data: ImageSet) -> np.ndarray:
    images = torch.from_numpy(np.ascontiguousarray(data.images))
    return predict_logits(bench.classifier(stage), images, bench.device).numpy()


def headline(
    evaluation: dict[str, Any], audit: dict[str, Any], pipelines: dict[str, Any] | None = None, run: str = "RUN"
) -> list[str]:
    """The numbers a run ends with, each with its interval."""
    student, baseline = evaluation["accuracy"]["student"], evaluation["accuracy"]["baseline"]
    gap = evaluation["gap_points"]
    lines = [
        f"student accuracy  {_share(student)}   baseline {_share(baseline)}",
        f"gap               {gap[0]:+.2f} points [{gap[1]:+.2f}, {gap[2]:+.2f}] on {evaluation['test_images']:,} test images",
    ]
    lines += [
        f"{GAP_LABELS[objective]:17} {value:+.2f} points [{low:+.2f}, {high:+.2f}]"
        for objective, (value, low, high) in evaluation.get("gaps", {}).items()
    ]
    from upcycle.report import words

    of_classes = ByClass.from_json(evaluation.get("by_class"))
    lines += [] if of_classes is None else [f"{label:17} {text}" for label, text in of_classes.lines()]
    if evaluation.get("classes_answered", {}).get("student") == 1:
        lines.append("warning           the student gives every image the same class: it is of no use, whatever the audit says")
    leaks = {row["target"]: row for row in audit["rows"] if row.get("primary")}
    shown = [f"{name} AUC {_auc(leaks[name])}" for name in ("student", "teacher") if name in leaks]
    return [
        *lines,
        f"leakage           {'   '.join(shown)}",
        f"verdict           {audit['verdict']}",
        *(f"{label:17} {text}" for label, text in words(audit, pipelines, run).lines()),
    ]


def _share(values: list[float]) -> str:
    return f"{values[0]:.3f} [{values[1]:.3f}, {values[2]:.3f}]"


def _auc(row: dict[str, Any]) -> str:
    return f"{row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]"
