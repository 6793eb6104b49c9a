"""Tables on a narrow screen: cells carry the names of their columns, so that a row can stand as a list and no column hides."""

import re
from typing import Final

_TABLE: Final = re.compile(r"<table(?! class=\"sheet).*?</table>", re.DOTALL)  # those of pictures wrap by themselves
_HEAD: Final = re.compile(r"<thead>.*?</thead>", re.DOTALL)
_NAME: Final = re.compile(r"<th scope=\"col\">(.*?)</th>", re.DOTALL)
_ROW: Final = re.compile(r"<tr[^>]*>.*?</tr>", re.DOTALL)
_CELL: Final = re.compile(r"<(td|th)(?=[ >])(?![^>]*colspan)")


def stacked(html: str) -> str:
    """The page with `data-column` on every cell below a head; the style sheet shows it where the screen is narrow."""
    return _TABLE.sub(lambda table: _named(table.group()), html)


def _named(table: str) -> str:
    head = _HEAD.search(table)
    if head is None:
        return table
    names = [re.sub(r"<[^>]*>", "", name) for name in _NAME.findall(head.group())]
    return table[: head.end()] + _ROW.sub(lambda row: _row(row.group(), names), table[head.end() :])


def _row(row: str, names: list[str]) -> str:
    """A row whose cells are named in turn; the cell that names the row needs no name."""
    left = iter(names)

    def cell(found: re.Match[str]) -> str:
        name = next(left, "").replace('"', "&quot;")
        return found.group() if found.group(1) == "th" or not name else f'{found.group()} data-column="{name}"'

    return _CELL.sub(cell, row)
