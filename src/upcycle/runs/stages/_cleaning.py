"""The cleaning stage: which members teacher and generator learn from."""

from __future__ import annotations

import numpy as np

from upcycle._files import write_array
from upcycle.data import ImageSet
from upcycle.recycle import believed, fold_of, out_of_fold
from upcycle.runs.stages._bench import Bench, Facts, Splits


def cleaning_stage(bench: Bench, splits: Splits) -> Facts:
    """Keep the members whose label an out-of-fold classifier believes; kept.npy is bool (members,)."""
    members, how = splits.members(), bench.config.cleaning
    recipe = bench.recipe(how.images, bench.augmentation(), stage="cleaning")
    told = bench.report("cleaning")
    which = fold_of(members, how.folds, bench.config.seed)
    found = out_of_fold(members, which, recipe, images=how.images, seed=bench.config.seed, report=told)
    probabilities = found.probabilities
    kept = believed(probabilities, members.labels, threshold=how.threshold, most=how.most)
    write_array(bench.folder.kept, kept)
    return {"kept": int(kept.sum()), "left_out": int((~kept).sum()), "accuracy": _accuracy(probabilities, members)}


def _accuracy(probabilities: np.ndarray, members: ImageSet) -> float:
    return float((probabilities.argmax(1) == members.labels).mean())
