"""What was understood of a data set: counts, copies, groups, and what a user should know before hours of work."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from upcycle._arguments import typed
from upcycle._distinct import distinct
from upcycle.data._imageset import Dataset


@dataclass(frozen=True)
class CheckReport:
    """Facts about a data set. Duplicates are byte-identical images.

    Attributes:
        name: of the data set.
        size: side of the images in pixels.
        channels: 1 or 3.
        class_names: in the order of the labels.
        counts: split -> images per class.
        groups: split -> number of groups.
        duplicates_within: split -> images that repeat an earlier one.
        duplicates_between: pair of splits -> images of the second that the first has too.
        notes: what was guessed, changed or left out.
        warnings: what the user should look at.
    """

    name: str
    size: int
    channels: int
    class_names: tuple[str, ...]
    counts: dict[str, list[int]]
    groups: dict[str, int]
    duplicates_within: dict[str, int]
    duplicates_between: dict[str, int]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    def lines(self) -> list[str]:
        """Plain text, one fact a line."""
        kind = "grey" if self.channels == 1 else "RGB"
        totals = ", ".join(f"{sum(row)} {split}" for split, row in self.counts.items())
        lines = [f"data         {self.name}: {totals}; {self.size} x {self.size} {kind}, {len(self.class_names)} classes"]
        lines += [f"             {split:10} {self._row(row)}" for split, row in self.counts.items()]
        if self.groups:
            lines.append("groups       " + ", ".join(f"{count} in {split}" for split, count in self.groups.items()))
        lines += [f"note         {text}" for text in self.notes]
        return lines + [f"warning      {text}" for text in self.warnings]

    def _row(self, row: list[int]) -> str:
        return "  ".join(f"{name}: {count}" for name, count in zip(self.class_names, row, strict=True))


@typed()
def check(dataset: Dataset) -> CheckReport:
    """Look at every image once; seconds for tens of thousands."""
    splits = dataset.splits()
    hashes = {name: split.hashes() for name, split in splits.items()}
    within = {name: len(found) - len(distinct(found)) for name, found in hashes.items()}
    between = {f"{a} and {b}": int(np.isin(hashes[b], hashes[a]).sum()) for a, b in combinations(hashes, 2)}
    groups = {name: len(distinct(split.groups)) for name, split in splits.items() if split.groups is not None}
    counts = {name: np.bincount(split.labels, minlength=dataset.classes).tolist() for name, split in splits.items()}
    return CheckReport(
        dataset.name,
        dataset.size,
        dataset.channels,
        dataset.class_names,
        counts,
        groups,
        within,
        between,
        dataset.notes,
        (*_copies(within, between), *_two_labels(dataset, hashes), *_thin_splits(dataset, counts)),
    )


def _copies(within: dict[str, int], between: dict[str, int]) -> Iterator[str]:
    yield from (f"images of {split} that repeat another of it: {n}" for split, n in within.items() if n)
    yield from (f"the same image is in {pair}: {n} times" for pair, n in between.items() if n)


def _two_labels(dataset: Dataset, hashes: dict[str, np.ndarray]) -> Iterator[str]:
    labels = np.concatenate([split.labels for split in dataset.splits().values()])
    images = np.unique(np.concatenate(list(hashes.values())), return_inverse=True)[1]
    classes_of_image = np.bincount(np.unique(np.stack([images, labels], 1), axis=0)[:, 0])
    if several := int((classes_of_image > 1).sum()):
        yield f"images that have copies of another class: {several}"


def _thin_splits(dataset: Dataset, counts: dict[str, list[int]]) -> Iterator[str]:
    for split in ("validation", "test"):
        absent = [name for name, count in zip(dataset.class_names, counts[split], strict=True) if count == 0]
        if absent:
            yield f"{split} has no image of class {', '.join(absent)}"
    test, groups = len(dataset.test), dataset.test.groups
    patients = test if groups is None else len(distinct(groups))
    if patients == test < 500:
        yield f"{test} test images: an accuracy near 0.9 is known to about +-{_points(test)} points"
    elif patients < min(test, 500):
        yield (
            f"{test} test images of {patients} patients: an accuracy near 0.9 is known to about +-{_points(test)} points, and "
            f"to +-{_points(patients)} if the images of a patient are right or wrong together"
        )


def _points(count: int) -> str:
    """Half of the 95 % interval of a share near 0.9 of `count` independent images."""
    return f"{196 * (0.09 / max(count, 1)) ** 0.5:.0f}"
