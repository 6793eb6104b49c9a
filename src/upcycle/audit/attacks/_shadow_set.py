"""What shadow pipelines leave behind: every pipeline's answers for every record, and who was in. Each pipeline can be
the target while the others serve as references (leave one out: Aerni et al. 2024, arXiv:2404.17399)."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

import numpy as np

from upcycle.audit.attacks._signals import signals
from upcycle.errors import AuditInputError

PARTNER_AGREEMENT: Final = 0.1  # complements share no members, except canaries, whose coins are independent
_COUNTABLE: Final = 16  # records on each side from which a count that tells membership cannot be chance


@dataclass(frozen=True, eq=False)
class ShadowSet:
    """Answers of whole pipelines run on different coin flips over the same records.

    `logits` float32 (pipelines, records, views, classes), before any softmax; view 0 is the image as it is, the others
    are augmented. `member` bool (pipelines, records): was the record given to the pipeline. `labels` int64 (records,):
    the label the record was given under (a mislabelled canary keeps its wrong one). Raises AuditInputError with every
    problem found.
    """

    logits: np.ndarray
    member: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        logits, member, labels = (np.asarray(a) for a in (self.logits, self.member, self.labels))
        problems = _shape_problems(logits, member, labels)
        if not problems:
            problems = [*_logit_problems(logits), *_label_problems(labels, logits.shape[3]), *_member_problems(member)]
        if problems:
            raise AuditInputError(*problems)
        object.__setattr__(self, "logits", logits.astype(np.float32, copy=False))
        object.__setattr__(self, "member", member.astype(bool, copy=False))
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))

    @property
    def pipelines(self) -> int:
        """Number of pipelines."""
        return len(self.logits)

    def statistic(self, signal: str) -> np.ndarray:
        """`record_statistic` of every answer, float64 (pipelines, records, views). Computed once for all attacks."""
        if signal not in self._statistics:
            self._statistics[signal] = record_statistic(self.logits, self.labels, signal)
        return self._statistics[signal]

    @cached_property
    def _statistics(self) -> dict[str, np.ndarray]:
        return {}


def reference_indices(member: np.ndarray, target: int) -> np.ndarray:
    """Pipelines int64 (references,) that may serve as references of pipeline `target` (0..pipelines-1): the others
    without its complementary partner. `member` bool (pipelines, records).

    In complementary pairs every record is in exactly half of all pipelines, so what remains after the target is taken
    out holds one IN less for members and one OUT less for non-members: the number of references alone would tell
    membership, and likelihood ratios would be off 0.5 without any leak. Without the partner both counts are equal for
    all. Raises AuditInputError for a target out of range, where no reference remains, and where the counts of IN
    references tell membership in another way.
    """
    if not 0 <= target < len(member):
        raise AuditInputError(f"target must be in 0..{len(member) - 1}. Got {target}. Count pipelines from 0.")
    agreement = (member == member[target]).mean(axis=1)
    others = np.flatnonzero((np.arange(len(member)) != target) & (agreement > PARTNER_AGREEMENT))
    if not len(others):
        raise AuditInputError(
            f"pipelines must leave a reference other than target {target} and its complementary partner. "
            f"Got {len(member)} pipelines. Run at least two pairs."
        )
    _check_counts(member[others].sum(axis=0), member[target])
    return others


def record_statistic(logits: np.ndarray, labels: np.ndarray, signal: str = "log_odds") -> np.ndarray:
    """`signal` (a name of `signals()`) of logits (..., records, views, classes) for the records' labels; float64
    (..., records, views), higher for members."""
    known = signals()
    if signal not in known:
        raise AuditInputError(f"signal must be one of {', '.join(known)}. Got {signal}. Choose one of them.")
    logits = np.asarray(logits)
    result = np.empty(logits.shape[:-1])
    for index in np.ndindex(*logits.shape[:-3]):
        for view in range(logits.shape[-2]):
            result[(*index, slice(None), view)] = known[signal](logits[(*index, slice(None), view)], labels)
    return result


def _shape_problems(logits: np.ndarray, member: np.ndarray, labels: np.ndarray) -> list[str]:
    if logits.ndim != 4 or logits.dtype.kind != "f" or logits.shape[0] < 2 or 0 in logits.shape or logits.shape[3] < 2:
        return [
            "logits must be floats of shape (pipelines, records, views, classes) with two or more pipelines and classes. "
            f"Got {logits.dtype} {logits.shape}. Give the outputs before the softmax, with an axis for the views."
        ]
    problems = []
    if member.shape != logits.shape[:2] or member.dtype.kind not in "biu":
        problems.append(
            f"member must be booleans of shape {logits.shape[:2]}. Got {member.dtype} {member.shape}. "
            "Give one flag per pipeline and record."
        )
    if labels.shape != logits.shape[1:2] or labels.dtype.kind not in "iu":
        problems.append(
            f"labels must be integers of shape ({logits.shape[1]},). Got {labels.dtype} {labels.shape}. "
            "Give the label under which each record was trained."
        )
    return problems


def _logit_problems(logits: np.ndarray) -> list[str]:
    bad = ~np.isfinite(logits).all(axis=(2, 3))
    if bad.any():
        return [
            f"logits must be finite. Got NaN or infinity for {int(bad.any(axis=0).sum())} records in pipelines "
            f"{listed(np.flatnonzero(bad.any(axis=1)))}. Run those pipelines again."
        ]
    if equal := twins(logits):
        return [f"pipelines must differ in their logits. Got equal ones: {equal}. Give every pipeline once."]
    return []


def _label_problems(labels: np.ndarray, classes: int) -> list[str]:
    if 0 <= labels.min() <= labels.max() < classes:
        return []
    return [
        f"labels must be in 0..{classes - 1}. Got {labels.min()}..{labels.max()}. Give labels and logits of one set of classes."
    ]


def _member_problems(member: np.ndarray) -> list[str]:
    if not np.isin(member, (0, 1)).all():
        return ["member must be True or False. Got other numbers. Give True for records the pipeline was given."]
    count, problems = member.sum(axis=0, dtype=np.int64), []
    never, always = int((count == 0).sum()), int((count == len(member)).sum())
    if never or always:
        problems.append(
            f"every record must be in at least one pipeline and out of at least one. Got {never} never in and {always} "
            "never out. Run more pipelines or leave those records out."
        )
    whole = np.flatnonzero(np.ptp(member.astype(np.int8), axis=1) == 0)
    if len(whole):
        problems.append(
            f"every pipeline must be given some records and not others. Got all or none in pipelines {listed(whole)}. "
            "Draw the members by coin flips."
        )
    if equal := twins(member):
        problems.append(f"pipelines must differ in their members. Got equal ones: {equal}. Draw other coin flips.")
    return problems


def _check_counts(count: np.ndarray, member: np.ndarray) -> None:
    inside, outside = count[member], count[~member]
    if min(len(inside), len(outside)) >= _COUNTABLE and (inside.max() < outside.min() or outside.max() < inside.min()):
        raise AuditInputError(
            "members must be drawn by independent coin flips or in complementary pairs. Got a design in which the number "
            "of references with a record tells whether the target had it. Draw them again."
        )


def twins(rows: np.ndarray) -> str:
    """The first three pairs 'i = j' of equal rows, to the bit, and how many more, or ''."""
    seen: dict[bytes, int] = {}
    pairs = []
    for i, row in enumerate(rows):
        first = seen.setdefault(_digest(row), i)
        if first != i:
            pairs.append(f"{first} = {i}")
    return ", ".join(pairs[:3]) + (f" and {len(pairs) - 3} more" if len(pairs) > 3 else "")


def _digest(row: np.ndarray) -> bytes:
    return sha256(np.ascontiguousarray(row).tobytes()).digest()


def listed(numbers: np.ndarray) -> str:
    """The first five numbers in words, and how many more."""
    shown = ", ".join(str(n) for n in numbers[:5])
    return shown + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
