"""A fixed subset of a data set as an .npz, for runs that must stay small.

    python -m benchmarks.subset fashion-mnist/ fashion_12k.npz --train 12000
    python -m benchmarks.subset fashion-mnist/ fashion_rare.npz --train 12000 --rare 80 2 6

The subset is drawn stratified from the training split with seed 0; the test split stays whole, so that subsets of different
sizes are judged on the same images. A validation split is left for the run to cut off from it. Of the classes named after
--rare only that many training images stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from upcycle.config import DataConfig
from upcycle.data import read


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Sorted rows (count,) of `labels` (n,) with every class in its own share, to within one record."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        place[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
    return np.sort(np.argsort(place, kind="stable")[:count])


def thinned(labels: np.ndarray, count: int, classes: Sequence[int]) -> np.ndarray:
    """Sorted rows of `labels` (n,): all of other classes, and the first `count` of each of `classes`."""
    rare = [np.flatnonzero(labels == label)[:count] for label in classes]
    return np.sort(np.concatenate([np.flatnonzero(~np.isin(labels, classes)), *rare]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, required=True)
    parser.add_argument("--rare", type=int, nargs="+", default=[0], metavar="COUNT CLASS", help="images to keep, and of which")
    arguments = parser.parse_args()
    whole = read(arguments.data, config=DataConfig(), seed=0)
    chosen = whole.train.take(stratified(whole.train.labels, arguments.train, seed=0))
    chosen = chosen.take(thinned(chosen.labels, arguments.rare[0], arguments.rare[1:]))
    splits = {"train": chosen, "test": whole.test}
    images = {f"{name}_images": part.images for name, part in splits.items()}
    labels = {f"{name}_labels": part.labels.astype(np.uint8) for name, part in splits.items()}
    np.savez_compressed(arguments.out, **images, **labels)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
