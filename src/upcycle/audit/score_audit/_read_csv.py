"""Scores of other people's models from a table: one record a row, columns called as the arrays of an .npz are."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np

from upcycle._bounded import Limits, csv_rows, one_line
from upcycle.errors import AuditInputError, printable

SUFFIXES: Final = (".csv", ".tsv", ".txt")
_FLAGS: Final = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "member", "in"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "non-member", "out"), False),
}
_LISTED: Final = 5


def read_score_table(path: Path, limits: Limits) -> Mapping[str, np.ndarray]:
    """Name -> array (n,) of every column: booleans for `member`, whole numbers for `labels`, text for `groups` and `ids`, and
    numbers for scores. `TARGET/logits/0`, `TARGET/logits/1` ... become one array (n, classes).

    Cells are parted by commas, semicolons or tabs, whichever the header holds most of; numbers may then have a decimal comma.
    Raises AuditInputError with a line for every column with cells that are empty, NaN or of another kind, and their rows: row 1
    is the first below the header.
    """
    header, rows = _cells(path, limits)
    problems: list[str] = []
    columns = {name: [row[place] for row in rows] for place, name in enumerate(header) if name}
    arrays = {name: _array(name, cells, problems) for name, cells in columns.items()}
    found = arrays if problems else _with_logits(arrays, problems)
    if problems:
        raise AuditInputError(*(printable(f"{path.name}: {line}") for line in problems))
    return found


def _cells(path: Path, limits: Limits) -> tuple[list[str], list[list[str]]]:
    """Header and rows, as long as it. Raises AuditInputError for anything else."""
    try:
        if path.stat().st_size > limits.allowed(0):
            raise ValueError(f"more than {limits.allowed(0) / 2**20:.0f} MB")
        text = re.sub(
            r"\Asep=.*\n\s*", "", path.read_text(encoding="utf-8-sig").lstrip(), flags=re.IGNORECASE
        )  # Excel's, hidden
        mark = max(",;\t", key=next(io.StringIO(text), "").count)
        header, *rows = [*csv_rows(text, mark, limits)] or [[]]
        if not rows:
            raise ValueError("no rows")
        twice = sorted(name for name, times in Counter(header).items() if name and times > 1)
        odd = [k for k, row in enumerate(rows, 1) if len(row) != len(header)]
        if twice or odd:
            reason = f"{', '.join(twice)} twice" if twice else f"{len(rows[odd[0] - 1])} cells in row {odd[0]}"
            raise ValueError(f"{reason} below {len(header)} names")
    except (OSError, ValueError, csv.Error) as error:
        allowed = "a table in UTF-8: a header of different names, and a row as long for each record"
        raise AuditInputError(f"{path.name} must be {allowed}. Got {one_line(error)}. Save it again as CSV.") from None
    return header, rows if mark == "," else [[_with_point(cell) for cell in row] for row in rows]


def _with_point(cell: str) -> str:
    """A number with a decimal comma as one with a point; any other cell as it is."""
    point = cell.replace(",", ".")
    return point if cell.count(",") == 1 and _finite(point) is not None else cell


def _finite(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _whole(cell: str) -> int | None:
    value = _finite(cell)
    return None if value is None or value != int(value) else int(value)


_Kind = tuple[str, Callable[[str], Any], Any]  # what a cell must be, its value or None, and the type of the array
_NUMBERS: Final[_Kind] = ("finite numbers", _finite, np.float64)
_KINDS: Final[dict[str, _Kind]] = {
    **dict.fromkeys(("member", "members"), ("1 or 0, true or false, yes or no", lambda c: _FLAGS.get(c.casefold()), bool)),
    **dict.fromkeys(("groups", "ids"), ("something", lambda c: c or None, object)),
    "labels": ("whole numbers", _whole, np.int64),
}


def _array(name: str, cells: list[str], problems: list[str]) -> np.ndarray:
    allowed, value_of, kind = _KINDS.get(name, _NUMBERS)
    values = [value_of(cell) for cell in cells]
    bad = [k for k, value in enumerate(values) if value is None]
    if bad:
        got = ", ".join(f"{repr(cells[k][:40]) if cells[k] else 'nothing'} in row {k + 1}" for k in bad[:_LISTED])
        more = f" and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
        problems.append(f"column {name} must hold {allowed}. Got {got}{more}. Mend or remove the rows.")
        return np.zeros(len(cells))
    return np.array(values, kind)


def _with_logits(arrays: dict[str, np.ndarray], problems: list[str]) -> dict[str, np.ndarray]:
    """Columns `logits/0`, `logits/1` ... of one target as one array (n, classes), in the order of their numbers."""
    parts: dict[str, dict[int, np.ndarray]] = {}
    rest: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        base, _, number = name.rpartition("/")
        if base.rpartition("/")[2] == "logits" and number.isdecimal():
            parts.setdefault(base, {})[int(number)] = values
        else:
            rest[name] = values
    for base, found in parts.items():
        if sorted(found) != list(range(len(found))):
            got = ", ".join(map(str, sorted(found)))
            problems.append(f"columns {base}/0, {base}/1 ... must be one for each class. Got {got}. Add or rename them.")
    return rest | {base: np.stack([found[k] for k in sorted(found)], axis=1) for base, found in parts.items()}
