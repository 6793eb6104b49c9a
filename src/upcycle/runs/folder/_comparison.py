"""Several runs compared, and the paired difference of their students if they were tested on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from upcycle._arguments import typed
from upcycle._files import read_record
from upcycle.errors import DamagedFileError, RunFolderError
from upcycle.runs.folder._facts import SCHEMA_VERSION, Measured, RunFacts, read_run
from upcycle.runs.folder._folder import RunFolder


@dataclass(frozen=True)
class Pair:
    """Two runs whose students were judged on the same test images."""

    first: Annotated[str, "folder of the first run"]
    second: Annotated[str, "folder of the second run"]
    difference_points: Annotated[Measured, "accuracy of the second student minus the first, in points, with a paired interval"]


@dataclass(frozen=True)
class Comparison:
    """Runs in the order they were named, paired differences, and what a reader must know before comparing."""

    runs: Annotated[tuple[RunFacts, ...], "the runs, as `upcycle show --json` prints each"]
    pairs: Annotated[tuple[Pair, ...], "every two runs that were judged on the same test images"]
    notes: Annotated[tuple[str, ...], "why some numbers must not be set against each other"]

    def to_json(self) -> dict[str, Any]:
        """JSON-able and free of per-record data."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "comparison",
            "runs": [run.to_json() for run in self.runs],
            "pairs": [asdict(pair) for pair in self.pairs],
            "notes": list(self.notes),
        }


@typed()
def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """The runs in `folders`, compared. Raises RunFolderError with a line for every folder that is not a run."""
    runs: list[RunFacts] = []
    problems: list[str] = []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except RunFolderError as error:
            problems += error.problems
    if len({Path(folder).resolve() for folder in folders}) < len(folders):
        problems.append("runs must be different folders. Got one of them twice. Name each once.")
    if len(folders) < 2:
        problems.append(f"runs must be two or more. Got {len(folders)}. Use upcycle show for one.")
    if problems:
        raise RunFolderError(*problems)
    pairs = tuple(pair for a, b in combinations(runs, 2) if (pair := _pair(a, b)) is not None)
    return Comparison(tuple(runs), pairs, tuple(_notes(runs, pairs)))


def _pair(a: RunFacts, b: RunFacts) -> Pair | None:
    if "student" not in a.accuracy or "student" not in b.accuracy or _test_images(a) != _test_images(b):
        return None
    from upcycle.audit.statistics import paired_difference_interval

    right = [_right(run) for run in (a, b)]
    low, high = paired_difference_interval(right[1], right[0], a.confidence)
    difference = 100 * (right[1].mean() - right[0].mean())
    return Pair(a.folder, b.folder, Measured(float(difference), 100 * low, 100 * high))


def _test_images(run: RunFacts) -> tuple[str, ...]:
    """Hashes of the stored test split; images are not read."""
    path = RunFolder(Path(run.folder)).store / "manifest.json"
    files = read_record(path).get("files")
    found = [files.get(f"test_{part}.npy") for part in ("images", "labels")] if isinstance(files, dict) else []
    if not found or not all(isinstance(each, str) for each in found):
        raise DamagedFileError(path, "one without the hashes of the test images")
    return tuple(map(str, found))


def _right(run: RunFacts) -> np.ndarray:
    folder = RunFolder(Path(run.folder))
    saved = folder.arrays(folder.predictions)
    answers, labels = saved.get("student"), saved.get("labels")
    if answers is None or labels is None or answers.ndim != 2 or not answers.shape[1] or labels.shape != answers.shape[:1]:
        raise DamagedFileError(folder.predictions, "one without the student's answers and the labels of the same images")
    return np.asarray(answers.argmax(1) == labels)


def _notes(runs: Sequence[RunFacts], pairs: Sequence[Pair]) -> list[str]:
    notes = [
        f"{run.name} is not finished: it has got as far as {_last(run)}, {run.to_come}" for run in runs if not run.finished
    ]
    judged = [run for run in runs if "student" in run.accuracy]
    if len(pairs) < len(judged) * (len(judged) - 1) // 2:
        notes.append("not all runs were judged on the same test images: accuracies of those that were not do not compare")
    if len({run.confidence for run in runs}) > 1:
        notes.append("the intervals are of different levels (audit.confidence)")
    unseen = [run.name for run in runs if "teacher" in run.leakage and run.leakage["teacher"].auc.low <= 0.5]
    if unseen:
        notes.append(f"the audit did not see the teacher leak in {', '.join(unseen)}: a low AUC there says little")
    return notes


def _last(run: RunFacts) -> str:
    return list(run.minutes)[-1] if run.minutes else "nothing yet"
