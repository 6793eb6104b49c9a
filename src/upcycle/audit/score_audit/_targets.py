"""What an audit is given, and every way in which it can be unusable. Scores and membership in; nothing about how they
were made."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle.audit.attacks import logit_problems
from upcycle.audit.statistics import flag_problems
from upcycle.errors import AuditInputError

MIN_RECORDS: Final = 16


@dataclass(frozen=True, eq=False)
class TargetScores:
    """One model's answers for the audited records. `logits` float (n, classes), finite, before any softmax; `labels`
    int (n,); `members` bool (n,): was the record given to the pipeline; `groups` int (n,) or None: records of one
    group are of one patient and lie wholly on one side."""

    logits: np.ndarray
    labels: np.ndarray
    members: np.ndarray
    groups: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class AttackScores:
    """One model's records under attacks that were run elsewhere. `scores` maps each attack, the primary one first, to
    float (n,), finite, higher = more likely a member; `members` and `groups` as in `TargetScores`."""

    scores: Mapping[str, np.ndarray]
    members: np.ndarray
    groups: np.ndarray | None = None


Target = TargetScores | AttackScores


def check_targets(
    targets: Mapping[str, Target],
    *,
    folds: int,
    images: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    seen_ids: np.ndarray | None = None,
) -> None:
    """Nothing, or AuditInputError with one line for every problem of every target."""
    if not targets:
        raise AuditInputError("targets must name at least one model. Got none. Give the student and, for power, the teacher.")
    problems = [line for name, target in targets.items() if (line := _kind_problem(name, target))]
    if problems:
        raise AuditInputError(*problems)
    first_name, first = next(iter(targets.items()))
    for name, target in targets.items():
        if isinstance(target, AttackScores):
            problems += _attack_problems(name, target)
        else:
            problems += _target_problems(name, target, folds)
        if not _same_records(first, target):
            problems.append(
                f"{name}: labels, members and groups must equal those of {first_name}. Got other ones. "
                "Score every target on the same records in the same order."
            )
    n = len(np.asarray(first.members))
    if images is not None and (np.ndim(images) != 4 or len(images) != n):
        problems.append(f"images must have shape ({n}, height, width, channels). Got {np.shape(images)}. Give one per record.")
    elif images is not None:
        problems += _image_problems(np.asarray(images), np.asarray(first.members))
    problems += _id_problems(ids, np.asarray(first.members)) + _seen_problems(seen_ids, ids, np.asarray(first.members))
    if problems:
        raise AuditInputError(*problems)


def _kind_problem(name: str, target: object) -> str:
    if not isinstance(target, Target):
        return f"{name} must be TargetScores or AttackScores. Got {type(target).__name__}. Wrap its logits or scores."
    shape = np.shape(target.members)
    return "" if len(shape) == 1 else f"{name}: members must have shape (n,). Got {shape}. Give one flag per record."


def _target_problems(name: str, target: TargetScores, folds: int) -> list[str]:
    logits, labels, members = np.asarray(target.logits), np.asarray(target.labels), np.asarray(target.members)
    problems = logit_problems(f"{name}: ", logits, labels)
    if members.shape != logits.shape[:1]:
        problems.append(f"{name}: members must have shape ({len(logits)},). Got {members.shape}. Give one flag per record.")
        return problems
    if not problems and len(logits) > 1 and (logits == logits[:1]).all():
        problems.append(f"{name}: logits must differ between records. Got one answer for all. Fix the model or leave it out.")
    flags = flag_problems(f"{name}: members", members, max(MIN_RECORDS, 2 * folds))
    problems += flags
    if target.groups is not None and not flags:
        problems += _group_problems(name, np.asarray(target.groups), members.astype(bool))
    return problems


def _attack_problems(name: str, target: AttackScores) -> list[str]:
    members = np.asarray(target.members)
    if not target.scores:
        return [f"{name}: scores must hold at least one attack. Got none. Give one array per attack."]
    problems = [line for attack, values in target.scores.items() for line in _score_problems(name, attack, values, members)]
    flags = flag_problems(f"{name}: members", members, MIN_RECORDS)
    problems += flags
    if target.groups is not None and not flags:
        problems += _group_problems(name, np.asarray(target.groups), members.astype(bool))
    return problems


def _score_problems(name: str, attack: str, values: np.ndarray, members: np.ndarray) -> list[str]:
    values = np.asarray(values)
    what = f"{name}: scores of {attack}"
    if values.dtype.kind not in "fiu" or values.ndim != 1 or values.shape != members.shape:
        return [f"{what} must be numbers of shape {members.shape}. Got {values.dtype} {values.shape}. Give one per record."]
    if len(bad := np.flatnonzero(~np.isfinite(values))):
        rows = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        got = f"{len(bad)} NaN or infinite of {len(values)} (records {rows}, from 0)"
        return [f"{what} must be finite. Got {got}. Find the records that overflow."]
    if len(values) and values.min() == values.max():
        return [f"{what} must differ between records: one value is a ROC of one point. Got {values[0]:g} for all. Score again."]
    return []


def _group_problems(name: str, groups: np.ndarray, members: np.ndarray) -> list[str]:
    if groups.shape != members.shape:
        return [f"{name}: groups must have shape {members.shape}. Got {groups.shape}. Give one group per record."]
    if empty := sum(str(group).strip().lower() in ("", "nan", "nat", "none", "<na>") for group in groups.tolist()):
        return [f"{name}: groups must be filled in. Got {empty} empty ones. Give each unknown patient a separate group."]
    inside, outside = np.unique(groups[members]), np.unique(groups[~members])
    problems = []
    both = np.intersect1d(inside, outside)
    if len(both):
        problems.append(
            f"{name}: groups must lie wholly among the members or the non-members. Got {len(both)} on both sides. "
            "Flip the coin per group."
        )
    if min(len(inside), len(outside)) < 2:
        problems.append(
            f"{name}: groups must number at least 2 on each side. Got {len(inside)} and {len(outside)}: the luck of one cannot "
            "be told from a leak. Add groups."
        )
    return problems


def _same_records(a: Target, b: Target) -> bool:
    if a is b:
        return True  # NaN, which is named elsewhere, equals nothing
    if (a.groups is None) != (b.groups is None):
        return False
    same = np.array_equal(a.members, b.members)
    if isinstance(a, TargetScores) and isinstance(b, TargetScores):
        same = same and np.array_equal(a.labels, b.labels)
    return same and (a.groups is None or b.groups is None or np.array_equal(a.groups, b.groups))


def _id_problems(ids: np.ndarray | None, members: np.ndarray) -> list[str]:
    if ids is None:
        return []
    ids = np.asarray(ids)
    if ids.shape != members.shape:
        return [f"ids must have shape {members.shape}. Got {ids.shape}. Give one id per record."]
    inside, outside = ids[members == 1], ids[members == 0]
    both = np.intersect1d(inside, outside)
    if len(both):
        return [f"ids must be members or non-members, not both. Got {len(both)} on both sides. Remove the overlap."]
    repeats = len(ids) - len(np.unique(ids))
    return [f"ids must be unique. Got {repeats} repeated. Audit every record once."] if repeats else []


def _seen_problems(seen: np.ndarray | None, ids: np.ndarray | None, members: np.ndarray) -> list[str]:
    if seen is None:
        return []
    if ids is None or np.shape(ids) != members.shape:
        return ["seen_ids must come with the ids of the records. Got none that fit. Give ids, one per record."]
    both = np.intersect1d(seen, np.asarray(ids)[members == 0])
    if not len(both):
        return []
    return [
        f"non-members must not have been seen in early stopping or any other choice. Got {len(both)} among seen_ids. Choose on "
        "records that are not audited."
    ]


def _image_problems(images: np.ndarray, members: np.ndarray) -> list[str]:
    """Equal images on both sides are one record with two answers to the question whether it was used."""
    sides: dict[bytes, int] = {}
    both = 0
    for image, member in zip(images, members, strict=True):
        side = 1 << int(bool(member))
        key = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        both += sides.get(key, 0) | side == 3
        sides[key] = sides.get(key, 0) | side
    if not both:
        return []
    how = "Remove them, or flip one coin for all copies of an image."
    return [f"images must be of members or of non-members, not both. Got {both} that equal one on the other side. {how}"]
