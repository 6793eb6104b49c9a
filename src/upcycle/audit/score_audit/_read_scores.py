"""Scores of other people's models from one .npz or table: what its arrays are called, and every way they can be wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from upcycle._arguments import typed
from upcycle._bounded import DEFAULT, Limits
from upcycle._npz import NotPlainArrays, read_arrays
from upcycle.audit.score_audit._read_csv import SUFFIXES, read_score_table
from upcycle.audit.score_audit._targets import AttackScores, Target, TargetScores
from upcycle.errors import AuditInputError

_SHARED: Final = ("member", "members", "labels", "groups", "images", "ids", "seen_ids", "records")


_DEFAULT: Final = "student"


@dataclass(frozen=True, eq=False)
class ScoresFile:
    """Arguments of `audit_scores` as a file holds them."""

    targets: Mapping[str, Target]
    images: np.ndarray | None
    ids: np.ndarray | None
    seen_ids: np.ndarray | None = None


@typed()
def read_scores(path: str | Path, limits: Limits = DEFAULT) -> ScoresFile:
    """What `path` holds: an .npz, or a table (.csv, .tsv, .txt) whose columns are called as its arrays are. `member` (n,) is
    needed; then per target either `logits` (n, classes) and the shared `labels`, or scores (n,).

    A target's arrays are called `TARGET/logits` or `TARGET/ATTACK`, with as many attacks as there are; plain `logits` or
    `scores` are the student's. `TARGET/risk` is left out: cross-fitted scores are no base for a test. `groups`, `images`,
    `ids` and `seen_ids` are optional. In a table, logits are columns `logits/0`, `logits/1` and so on. Raises AuditInputError,
    also for a file that is neither, holds objects, or would unpack to more than `limits` allow.
    """
    path = Path(path)
    arrays = _load(path, limits)
    flags = arrays.get("member", arrays.get("members"))
    if flags is None:
        raise AuditInputError(
            f"{path.name} must hold `member`, one flag per record. Got {_listed(arrays)}. Save True for members."
        )
    named: dict[str, dict[str, np.ndarray]] = {}
    problems = []
    for name, values in arrays.items():
        if name in _SHARED:
            continue
        target, slash, attack = name.rpartition("/")
        if not slash and name not in ("scores", "logits"):
            problems.append(
                f"{path.name}: array must be one of {', '.join(_SHARED)}, scores, logits or TARGET/ATTACK. Got {name!r}. "
                "Rename or remove it; ids of patients are called groups."
            )
            continue
        if attack != "risk":
            named.setdefault(target or _DEFAULT, {})[attack] = values
    targets = {name: _target(name, found, flags, arrays, problems) for name, found in named.items()}
    if not targets and not problems:
        problems.append(f"{path.name} must hold scores or logits. Got {_listed(arrays)}. Save one score per record.")
    if problems:
        raise AuditInputError(*problems)
    return ScoresFile(targets, arrays.get("images"), arrays.get("ids"), arrays.get("seen_ids"))


def _target(
    name: str, found: dict[str, np.ndarray], flags: np.ndarray, arrays: Mapping[str, np.ndarray], problems: list[str]
) -> Target:
    groups = arrays.get("groups")
    if "logits" not in found:
        return AttackScores(found, flags, groups)
    if len(found) > 1:
        problems.append(f"{name} must have logits or scores, not both. Got {_listed(found)}. Save two targets.")
    if "labels" not in arrays:
        problems.append(f"{name} must come with `labels`, because it has logits. Got {_listed(arrays)}. Save the true labels.")
    return TargetScores(found["logits"], arrays.get("labels", np.zeros(len(flags), dtype=np.int64)), flags, groups)


def _load(path: Path, limits: Limits) -> dict[str, np.ndarray]:
    if not path.is_file():
        got = f"{path}, {'a folder' if path.is_dir() else 'which is not there'}"
        raise AuditInputError(f"scores must be an .npz or .csv file. Got {got}. Give the path of the file.")
    if path.suffix.lower() in SUFFIXES:
        return dict(read_score_table(path, limits))
    try:
        return dict(read_arrays(path, limits=limits, numbers=True)[0])
    except NotPlainArrays as error:
        raise AuditInputError(
            f"scores must be an .npz of plain arrays, or a .csv. Got {path.name}: {error}. Save them by numpy.savez, or as CSV."
        ) from error


def _listed(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(sorted(arrays)) or "no array"
