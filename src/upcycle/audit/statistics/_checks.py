"""Scores and flags of membership as every statistic needs them, or AuditInputError with every problem found."""

from __future__ import annotations

import numpy as np

from upcycle.errors import AuditInputError


def check_scores(scores: np.ndarray, members: np.ndarray, *, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(float64 scores, bool members), both (n,), finite, with at least `least` records on each side. Raises
    AuditInputError."""
    scores, members = np.asarray(scores), np.asarray(members)
    if scores.ndim != 1 or scores.shape != members.shape:
        raise AuditInputError(
            f"scores and members must be one-dimensional and equally long. Got {scores.shape} and {members.shape}. "
            "Give one score and one flag per record."
        )
    problems = flag_problems("members", members, least)
    if scores.dtype.kind not in "fiub":
        problems.append(f"scores must be numbers. Got {scores.dtype}. Convert them to float.")
    elif not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        problems.append(f"scores must be finite. Got {bad} NaN or infinite of {len(scores)}. Find the records that overflow.")
    if problems:
        raise AuditInputError(*problems)
    return scores.astype(np.float64), members.astype(bool)


def flag_problems(what: str, members: np.ndarray, least: int) -> list[str]:
    if members.dtype.kind not in "biu" or not np.isin(members, (0, 1)).all():
        return [f"{what} must be booleans. Got {members.dtype}. Give True for records the pipeline was given."]
    inside, outside = int(members.sum()), int((members == 0).sum())
    if min(inside, outside) == 0:
        only = "members" if inside else "non-members"
        return [f"{what} must hold members and non-members. Got {only} only. Leave records out by a coin flip."]
    if min(inside, outside) < least:
        return [
            f"{what} must hold at least {least} records on each side. Got {inside} members and {outside} non-members. "
            "Hold more records out."
        ]
    return []
