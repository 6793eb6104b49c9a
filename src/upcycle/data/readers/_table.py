"""Small tables a user writes by hand: CSV in UTF-8, one header line. Every cell is text; nothing in it is ever computed."""

from __future__ import annotations

import csv
from pathlib import Path

from upcycle.errors import DataError

_MOST_BYTES = 256 * 2**20  # millions of rows; more is another file by mistake


def read_table(path: Path, what: str, columns: str) -> list[list[str]]:
    """Rows below the header, stripped, blank ones left out; at least as many cells each as `columns` names.

    Raises DataError, starting with `what`, for a file that is no such table.
    """
    try:
        if path.stat().st_size > _MOST_BYTES or not path.is_file():
            raise OSError
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)][1:]
    except (OSError, UnicodeError, csv.Error):
        advice = "Check the path, and save it as UTF-8."
        raise DataError(f"{what} must be a readable CSV in UTF-8 of less than 256 MB. Got {path}. {advice}") from None
    count = columns.count(",") + 1
    number = ("no", "one", "two", "three")[count]
    if not rows or any(len(row) < count for row in rows):
        raise DataError(
            f"{what} must be a CSV of {number} columns with a header. Got {path} without them. Write {columns} rows."
        )
    return rows
