"""What each objective would cost on a set of uneven classes, said before the work."""

from collections.abc import Sequence
from typing import Final

from upcycle.config import Objective
from upcycle.data import Dataset

_UNEVEN: Final = 3  # times the smallest class; of two or three classes none can have three times its even share


def objective_lines(dataset: Dataset, objective: Objective) -> list[str]:
    """For a terminal; empty where the largest class has no more than three times the training images of the smallest."""
    counts = [int((dataset.train.labels == label).sum()) for label in range(dataset.classes)]
    lines = _costs(counts, dataset.class_names) if max(counts) > _UNEVEN * max(min(counts), 1) else []
    chosen = f"chosen: {objective} (--objective)"
    return [f"{'' if k else 'objective':12} {line}" for k, line in enumerate([*lines, chosen])] if lines else []


def _costs(counts: Sequence[int], names: Sequence[str]) -> list[str]:
    total, classes, smallest, largest = sum(counts), len(counts), min(counts), max(counts)
    few, many = names[counts.index(smallest)], names[counts.index(largest)]
    part, share, each = 100 * smallest / total, 100 * largest / total, 100 / classes
    return [
        f"{many} is {share:.1f} % of the training images, {few} {part:.1f} %",
        f"accuracy: never answering {few} costs {part:.1f} points of accuracy, but {each:.1f} of balanced accuracy",
        f"balanced: every class counts {each:.1f} %; each hundredth of {many} that is given up for others costs "
        f"{share / 100:.2f} points of accuracy, {each / 100:.2f} of balanced accuracy",
        "auroc: classes are told apart in order of belief; which class is answered is left to the reader's border",
    ]
