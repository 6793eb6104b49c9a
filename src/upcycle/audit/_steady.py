"""Is a classifier asked as it is released? Dropout, batch statistics and augmentation at query time are faults of an audit."""

from __future__ import annotations

from typing import Final

import numpy as np

from upcycle.audit._inputs import AuditInputError
from upcycle.audit._pipelines import Predict, as_logits

_ASKED: Final = 128  # records
_MOVED, _LARGE = 0.05, 0.05  # the share of the records, and of the answers' spread, that rounding may move


def check_steady(name: str, predict: Predict, images: np.ndarray, classes: int) -> None:
    """Nothing, or AuditInputError where a classifier answers otherwise about records that it is asked about a second time, in
    other company: a query that draws (an augmentation, dropout) or that normalises by its batch is not the released model's
    answer, and its seed may carry membership."""
    some = images[:: max(1, len(images) // _ASKED)]
    once, again = as_logits(predict(some), classes)[::2], as_logits(predict(some[::2]), classes)
    moved = np.abs(once - again).max(1) > _LARGE * max(float(once.std()), 1e-6)
    if moved.mean() > _MOVED:
        raise AuditInputError(
            f"{name} must answer the same whenever it is asked about a record. Got other answers for {int(moved.sum())} of "
            f"{len(moved)} records at the second time. Switch off dropout, batch statistics and augmentation in its queries."
        )
