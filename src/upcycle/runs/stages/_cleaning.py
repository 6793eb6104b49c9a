"""The cleaning stage: which members teacher and generator learn from."""

from __future__ import annotations

import numpy as np

from upcycle.data import ImageSet
from upcycle.recycle import believed, out_of_fold
from upcycle.runs.stages._bench import Bench, Facts, Splits


def cleaning_stage(bench: Bench, splits: Splits) -> Facts:
    """Keep the members whose label an out-of-fold classifier believes; kept.npy is bool (members,)."""
    members, how = splits.members(), bench.config.cleaning
    recipe = bench.recipe(how.images, bench.augmentation(), stage="cleaning")
    told = bench.report("cleaning")
    probabilities = out_of_fold(members, recipe, folds=how.folds, images=how.images, seed=bench.config.seed, report=told)
    kept = believed(probabilities, members.labels, threshold=how.threshold, most=how.most)
    np.save(bench.folder.stage("cleaning") / "kept.npy", kept)
    return {"kept": int(kept.sum()), "left_out": int((~kept).sum()), "accuracy": _accuracy(probabilities, members)}


def _accuracy(probabilities: np.ndarray, members: ImageSet) -> float:
    return float((probabilities.argmax(1) == members.labels).mean())


def learned(bench: Bench, splits: Splits) -> ImageSet:
    """The members that teacher and generator learn from: all of them, or what the cleaning stage kept."""
    members, path = splits.members(), bench.folder.private / "cleaning" / "kept.npy"
    return members.take(np.flatnonzero(np.load(path, allow_pickle=False))) if path.exists() else members
