"""An accuracy that cannot mislead: next to it what always answering the largest class would give, and how each class fares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import numpy as np

from upcycle._small_cell import SMALL_CELL
from upcycle.audit.statistics import accuracy_interval

UNEVEN: Final = 1.5  # times as many test images of the largest class as of the smallest
GAP_LABELS: Final = {"balanced": "gap, balanced", "auroc": "gap, AUROC"}  # objective -> what its line is called
_BY_CLASSIFIER: Final = ("balanced_accuracy", "worst_class", "never_answered")
_Z: Final = 1.959963984540054


@dataclass(frozen=True)
class ByClass:
    """How the classifiers do class by class on the test images."""

    largest: Annotated[str, "class with most test images"]
    largest_share: Annotated[float, "its share, 0..1: the accuracy of answering it always"]
    uneven: Annotated[bool, "whether the largest class has 1.5 times the test images of the smallest or more"]
    balanced_accuracy: Annotated[dict[str, tuple[float, float, float]], "classifier -> mean recall of classes, 95 % limits"]
    worst_class: Annotated[dict[str, tuple[str, float, float, float]], "classifier -> class it finds least, its recall, limits"]
    never_answered: Annotated[dict[str, tuple[str, ...]], "classifier -> classes that it answers for no test image"]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any] | None) -> ByClass | None:
        """None of a run that was evaluated before these were kept."""
        if not found:
            return None
        return cls(
            str(found["largest"]),
            float(found["largest_share"]),
            bool(found["uneven"]),
            *({name: tuple(value) for name, value in found[field].items()} for field in _BY_CLASSIFIER),
        )

    def lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of what must stand next to the student's accuracy."""
        if self.uneven:
            both = [f"{_limits(self.balanced_accuracy[name])}" for name in ("student", "baseline")]
            yield "balanced accuracy", f"{both[0]}   baseline {both[1]}"
            name, *recall = self.worst_class["student"]
            yield "worst class", f"{name}: the student finds {_limits(recall)}"
        yield "largest class", f"always answering {self.largest} would be right for {self.largest_share:.3f}"
        yield from self.warnings()

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Classes that the student never answers."""
        if never := self.never_answered.get("student"):
            yield "warning", f"the student never answers {', '.join(never)}"


def by_class(logits: Mapping[str, np.ndarray], labels: np.ndarray, names: tuple[str, ...], confidence: float) -> ByClass:
    """From logits (n, classes) of every classifier and labels (n,) of the test images."""
    counts = np.bincount(labels, minlength=len(names))
    there = np.flatnonzero(counts)
    recalls = {name: _recalls(values.argmax(1) == labels, labels) for name, values in logits.items()}
    told = there[counts[there] >= min(SMALL_CELL, counts.max())]  # the worst of a handful of images would speak of them
    worst = {name: int(told[np.argmin([found[k].mean() for k in told])]) for name, found in recalls.items()}
    return ByClass(
        names[int(counts.argmax())],
        float(counts.max() / counts.sum()),
        bool(counts.max() >= UNEVEN * counts[there].min()),
        {name: _balanced(found) for name, found in recalls.items()},
        {name: (names[k], *_rate(recalls[name][k], confidence)) for name, k in worst.items()},
        {name: tuple(names[k] for k in there if not (values.argmax(1) == k).any()) for name, values in logits.items()},
    )


def _recalls(right: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    return {int(label): right[labels == label] for label in np.unique(labels)}


def _rate(hits: np.ndarray, confidence: float) -> tuple[float, float, float]:
    return (float(hits.mean()), *accuracy_interval(hits, confidence))


def _balanced(by_label: Mapping[int, np.ndarray]) -> tuple[float, float, float]:
    """Mean recall; normal limits of a mean of independent shares, two successes and failures added to each."""
    recalls = list(by_label.values())
    value = float(np.mean([hits.mean() for hits in recalls]))
    shares = np.array([(hits.sum() + 2) / (len(hits) + 4) for hits in recalls])
    sizes = np.array([len(hits) + 4 for hits in recalls])
    half = _Z * float(np.sqrt((shares * (1 - shares) / sizes).sum())) / len(recalls)
    return value, max(value - half, 0.0), min(value + half, 1.0)


def _limits(values: tuple[float, ...] | list[float]) -> str:
    value, low, high = values
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
