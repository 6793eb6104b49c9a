"""Rows of any JSON as a table of texts, so that parts of an audit that are newer than the page are shown as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upcycle.report._audit_json import limits, number
from upcycle.report._page import interval, rate


@dataclass(frozen=True)
class FlatTable:
    """Names of columns and rows of texts; a row is as long as the columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def flat_table(found: Any) -> FlatTable | None:
    """A list of mappings, or a mapping of such lists by target. None where there is nothing to show.

    A value with its limits (`x`, `x_low`, `x_high`, or {"value", "low", "high"}) is one cell; `x_note` replaces a missing x.
    A seed is never shown.
    """
    if isinstance(found, Mapping):
        found = [{"target": key, **row} for key, value in found.items() for row in _rows(value)]
    rows = [_cells(row) for row in _rows(found)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        return None
    texts = tuple(tuple(row.get(key, "–") for key in columns) for row in rows)
    return FlatTable(tuple(key.replace("_", " ") for key in columns), texts)


def set_table(found: Any) -> FlatTable | None:
    """Shares of sets that an attack told from sets of unused records: a row per part, a column per size of a set; as it came if
    it has no parts, sizes and shares."""
    rows = _rows(found)
    if not rows or not all({"target", "size", "share"} <= row.keys() for row in rows):
        return flat_table(found)
    sizes, targets = (list(dict.fromkeys(row[key] for row in rows)) for key in ("size", "target"))
    cells = {(row["target"], row["size"]): rate(limits((row["share"], row.get("low"), row.get("high")))) for row in rows}
    texts = tuple((str(target), *(cells.get((target, size), "–") for size in sizes)) for target in targets)
    return FlatTable(("part", *(f"{plain(size)} records" for size in sizes)), texts)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    listed = [value] if isinstance(value, Mapping) else value if isinstance(value, Sequence) else []
    return [row for row in listed if isinstance(row, Mapping)]


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    ends = {f"{key}{end}" for key in row for end in ("_low", "_high", "_note") if f"{key}{end}" in row}
    return {str(key): _text(row, key) for key in row if key not in ends and "seed" not in str(key)}


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    ends = (
        value if isinstance(value, Mapping) else {"value": value, "low": row.get(f"{key}_low"), "high": row.get(f"{key}_high")}
    )
    found = limits((ends.get("value"), ends.get("low"), ends.get("high")))
    if found is not None:
        return interval(found)
    return str(row.get(f"{key}_note") or "–") if value is None else plain(value)


def plain(value: Any) -> str:
    """A number in few digits, a flag as yes or no, anything else as its text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if number(value) is None or isinstance(value, str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
