"""What was understood of a data set: counts, copies, groups, and what a user should know before hours of work."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from upcycle.data._imageset import Dataset
from upcycle.data._split import image_hashes


@dataclass(frozen=True)
class CheckReport:
    """Facts about a data set. `counts` is split -> images per class; `duplicates` are byte-identical images."""

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


def check(dataset: Dataset) -> CheckReport:
    """Look at every image once; seconds for tens of thousands."""
    splits = dataset.splits()
    hashes = {name: image_hashes(split.images) for name, split in splits.items()}
    within = {name: len(found) - len(np.unique(found)) for name, found in hashes.items()}
    between = {f"{a} and {b}": len(np.intersect1d(hashes[a], hashes[b])) for a, b in combinations(hashes, 2)}
    groups = {name: len(np.unique(split.groups)) for name, split in splits.items() if split.groups is not None}
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
        tuple(_warnings(within, between, counts)),
    )


def _warnings(within: dict[str, int], between: dict[str, int], counts: dict[str, list[int]]) -> list[str]:
    warnings = [f"{n} images of {split} repeat another of it" for split, n in within.items() if n]
    warnings += [f"the same image is in {pair}: {n} times" for pair, n in between.items() if n]
    test = sum(counts["test"])
    if test < 500:
        warnings.append(
            f"{test} test images: an accuracy near 0.9 is known to about +-{180 * (0.09 / max(test, 1)) ** 0.5:.0f} points"
        )
    return warnings
