"""The JSON of an audit, read so that a missing or unknown key leaves a cell of a table empty and does not stop the report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Interval = tuple[float, float, float]


_ORDER = ("student", "teacher", "baseline", "plain")


@dataclass(frozen=True)
class AttackRow:
    """One attack on one target; what the JSON does not say is None."""

    target: str  # whose answers
    attack: str  # by name
    threat_model: str  # what the attacker has
    population: str  # which records
    primary: bool  # whether it decides the verdict
    members: int | None  # how many
    non_members: int | None  # how many
    auc: Interval | None  # with limits
    tpr_1: Interval | None  # true positives at 1 % false ones
    tpr_1_note: str  # why there are none
    tpr_01: Interval | None  # the same at 0.1 %
    tpr_01_note: str  # why there are none
    p: float | None  # Holm-adjusted where that is known
    epsilon: float | None  # a lower bound
    epsilon_cap: float | None  # the largest value that the bound could have had
    epsilon_of: str  # whom the bound is about


@dataclass(frozen=True)
class ControlRow:
    """One check of the audit itself; `passed` None where the JSON does not say."""

    control: str
    target: str
    attack: str
    auc: Interval | None
    passed: bool | None


def number(value: Any) -> float | None:
    """A finite float, or None."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def limits(values: Any) -> Interval | None:
    """(value, low, high) as finite floats, or None where one of them is not."""
    found = [number(value) for value in values] if isinstance(values, Sequence) and len(values) == 3 else [None]
    known = [value for value in found if value is not None]
    return (known[0], known[1], known[2]) if len(known) == 3 else None


def attack_rows(audit: Mapping[str, Any] | None) -> list[AttackRow]:
    """All rows: student first, then teacher, baseline and the rest; within a target as they came."""
    rows = [_row(row) for row in mappings(audit, "rows")]
    return sorted(rows, key=lambda row: _ORDER.index(row.target) if row.target in _ORDER else len(_ORDER))


def control_rows(audit: Mapping[str, Any] | None) -> list[ControlRow]:
    """All controls as they came."""
    return [
        ControlRow(_text(row, "control"), _text(row, "target"), _text(row, "attack"), _limits(row, "auc"), row.get("passed"))
        for row in mappings(audit, "controls")
    ]


def primary_rows(rows: Sequence[AttackRow]) -> dict[str, AttackRow]:
    """Target -> row of its primary attack on clean records, or its first row where none is marked."""
    found: dict[str, AttackRow] = {}
    for row in sorted(rows, key=lambda row: (not row.primary, row.population not in ("", "clean"))):
        found.setdefault(row.target, row)
    return found


def not_attacked(rows: Sequence[AttackRow]) -> list[str]:
    """Which parts, other than the classifiers, no row attacks."""
    models, targets = {row.threat_model.split(" ")[0] for row in rows}, {row.target for row in rows}
    seen = {
        "the synthetic images": "T2" in models,
        "their soft labels": "T3" in models,
        "the generator": "generator" in targets,
    }
    return [part for part, attacked in seen.items() if not attacked]


def mappings(audit: Mapping[str, Any] | None, key: str) -> list[Mapping[str, Any]]:
    """The mappings listed under a key; anything else there is left out."""
    found = (audit or {}).get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, Sequence) else []


def _row(row: Mapping[str, Any]) -> AttackRow:
    counts = [number(row.get(key)) for key in ("n_members", "n_non_members")]
    members, others = (None if count is None else int(count) for count in counts)
    adjusted = number(row.get("p_holm"))
    return AttackRow(
        target=_text(row, "target"),
        attack=_text(row, "attack"),
        threat_model=_text(row, "threat_model"),
        population=_text(row, "population"),
        primary=bool(row.get("primary")),
        members=members,
        non_members=others,
        auc=_limits(row, "auc"),
        tpr_1=_limits(row, "tpr_at_1pct"),
        tpr_1_note=_text(row, "tpr_at_1pct_note"),
        tpr_01=_limits(row, "tpr_at_01pct"),
        tpr_01_note=_text(row, "tpr_at_01pct_note"),
        p=number(row.get("p_value")) if adjusted is None else adjusted,
        epsilon=number(row.get("epsilon_low")),
        epsilon_cap=number(row.get("epsilon_cap")),
        epsilon_of=_text(row, "epsilon_of"),
    )


def _limits(row: Mapping[str, Any], key: str) -> Interval | None:
    return limits((row.get(key), row.get(f"{key}_low"), row.get(f"{key}_high")))


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)
