"""The audit without shadows, on the canaries of a pipeline audit: was the wrong label that a canary got learned more than
the wrong labels it might have got?"""

from dataclasses import dataclass

import numpy as np

from upcycle.audit.pipelines import RANDOM_LABEL, Records
from upcycle.audit.statistics import label_permutation


@dataclass(frozen=True)
class LabelTest:
    """`p_value` is exact under "the pipeline did not use the labels of its canaries". `ranked_first` is the share of canaries
    whose label leads the wrong ones, `chance` what luck gives. `answers`: whose answers they are, the target's own or what
    was made of it, such as a probe of a released set."""

    target: str
    answers: str
    canaries: int
    ranked_first: float
    chance: float
    p_value: float

    @property
    def finding(self) -> str:
        """What it found."""
        where = "" if self.answers == self.target else f" in the answers of the {self.answers}"
        return (
            f"{self.ranked_first:.0%} of {self.canaries} canaries have their wrong label first among wrong ones{where} "
            f"({self.chance:.0%} by luck; exact p = {self.p_value:.2g})"
        )


def label_test(
    target: str, logits: np.ndarray, members: np.ndarray, records: Records, *, answers: str = ""
) -> LabelTest | None:
    """`label_permutation` on included canaries. `logits` float (pipelines, records, classes), `members` bool (pipelines,
    records); `answers` names the logits where they are not the target's own.

    Over pipelines a canary's ranks are averaged before they are compared, since its label was drawn once. None where there
    are fewer than three classes (one wrong label leaves nothing to permute) or no included canary.
    """
    rows = np.flatnonzero(np.isin(records.kind, RANDOM_LABEL) & members.any(0))
    classes = logits.shape[2]
    if classes < 3 or not len(rows):
        return None
    wrong = np.arange(classes) != records.true_labels[rows, None]
    values = np.where(wrong, logits[:, rows].astype(np.float64), -np.inf)
    above = (values[:, :, :, None] > values[:, :, None, :]).sum(-1)
    inside = members[:, rows, None]
    found = label_permutation((above * inside).sum(0) / inside.sum(0), records.labels[rows], wrong)
    return LabelTest(target, answers or target, found.canaries, found.first.value, found.chance, found.p_value)
