"""Small tables a user writes by hand: CSV in UTF-8, one header line. Every cell is text; nothing in it is ever computed."""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from upcycle._bounded import TooLarge, csv_rows
from upcycle.data.readers._raw import Findings, shown
from upcycle.data.readers._split_names import words_of
from upcycle.errors import DataError

_MOST_BYTES = 256 * 2**20  # millions of rows; more is another file by mistake
_MOST_COLUMNS = 2_000  # tables of clinics have hundreds
FILE_WORDS = (
    *("file", "filename", "filepath", "path", "image", "img", "imagename", "imagefile", "imagepath", "imageid", "picture"),
    *("row", "name", "id"),
)
_NOTHING_SAID = {"", "unnamed", "index"}  # columns that tables get by themselves


@dataclass(frozen=True)
class Table:
    """`header` and `rows` of cells without spaces at their ends, at most as many in a row as in the header."""

    path: Path
    header: tuple[str, ...]
    rows: list[list[str]]

    def cells(self, column: str | None) -> list[str]:
        """One column; empty cells where it is None."""
        if column is None:
            return [""] * len(self.rows)
        place = self.header.index(column)
        return [row[place] if place < len(row) else "" for row in self.rows]

    def named(self, words: Sequence[str]) -> str | None:
        """The column whose name is one of `words`, the first of these that is there, in any spelling."""
        plain = {"".join(words_of(column)): column for column in reversed(self.header)}
        return next((plain[word] for word in words if word in plain), None)

    def others(self, used: Iterable[str | None]) -> list[str]:
        """Columns with a unique name that are not `used`."""
        return [
            c for c in self.header if c not in set(used) and "".join(w for w in words_of(c) if w.isalpha()) not in _NOTHING_SAID
        ]


def read_table(path: Path, what: str, columns: str, findings: Findings) -> Table:
    """The table, blank lines left out. Cells are parted by commas, semicolons or tabs, whichever the header holds most of.

    Raises DataError, starting with `what`, for a file that is no such table.
    """
    try:
        if path.stat().st_size > _MOST_BYTES or not path.is_file():
            raise OSError
        text = re.sub(r"\Asep=.\r?\n", "", path.read_text(encoding="utf-8-sig"))  # which Excel writes and hides
        rows = [row for row in csv_rows(text, _delimiter(next(io.StringIO(text.lstrip()), ""))) if any(row)]
    except TooLarge as error:
        raise DataError(f"{what} must be a CSV of whole rows. Got {path}: {error}. Remove what is not needed.") from None
    except (OSError, UnicodeError, csv.Error):
        advice = "Check the path, and save it as UTF-8."
        raise DataError(f"{what} must be a readable CSV in UTF-8 of less than 256 MB. Got {path}. {advice}") from None
    if rows and len(rows[0]) > _MOST_COLUMNS:
        got = f"{len(rows[0]):,} in {path}"
        raise DataError(f"columns of {what} must number {_MOST_COLUMNS:,} or fewer. Got {got}. Keep those that are needed.")
    count = columns.count(",") + 1
    if len(rows) < 2 or len(rows[0]) < count:
        number = ("no", "one", "two", "three")[count]
        raise DataError(
            f"{what} must be a CSV of {number} columns with a header. Got {path} without them. Write {columns} rows."
        )
    return Table(path, tuple(rows[0]), _even(rows, what, findings))


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _even(rows: list[list[str]], what: str, findings: Findings) -> list[list[str]]:
    """Rows below the header, none longer: cells that are missing at the end are empty, surplus ones would be lost."""
    width = len(rows[0])
    long = [k for k, row in enumerate(rows[1:], 2) if any(row[width:])]
    if long:
        got = f"{len(rows[long[0] - 1])} cells in row {long[0]} below {width} names ({len(long)} such rows)"
        findings.problem(f"rows of {what}", "as long as the header", got, "Quote cells that hold commas.")
    twice = [name for name, times in Counter(rows[0]).items() if name and times > 1]
    if twice:
        findings.problem(f"columns of {what}", "of different names", f"{shown(twice)} twice", "Rename one.")
    return [row[:width] if len(row) > width else row for row in rows[1:]]


class FileNames:
    """Finds a file that a table names: by its path, or by its bare name, with or without suffix, where only one has that."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = list(files)
        self._exact = set(self._files)
        self._composed = {unicodedata.normalize("NFC", file): file for file in self._files if not file.isascii()}
        self._bare: dict[str, list[str]] = {}
        for file in self._files:
            name = file.rpartition("/")[2]
            for key in {name, name.rpartition(".")[0]} - {""}:
                self._bare.setdefault(key, []).append(file)

    def find(self, name: str) -> list[str]:
        """The files that `name` may mean: one where it is clear, none where there is none."""
        if name in self._exact:
            return [name]
        if (composed := unicodedata.normalize("NFC", name)) in self._composed:
            return [self._composed[composed]]
        return self._bare.get(name, []) if "/" not in name else self._below(name)

    def _below(self, name: str) -> list[str]:
        """A name with folders above the data's, or without its suffix."""
        return [
            file
            for file in self._bare.get(name.rpartition("/")[2], [])
            if f"/{name}/".endswith((f"/{file}/", f"/{_stem(file)}/"))
        ]


def _stem(file: str) -> str:
    return file.rpartition(".")[0]


def file_key(text: str) -> str:
    """A file name of a table as the readers write it: slashes forward, none at its start."""
    return text.strip().replace("\\", "/").removeprefix("./")
