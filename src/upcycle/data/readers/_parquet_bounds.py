"""Parquet files that are small and take gigabytes: a page says how long it is unpacked (parquet.thrift, PageHeader), and so
does a summary, which may lie."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from upcycle.data.readers._hf_bounds import MOST_COLUMNS, Bomb
from upcycle.data.readers._raw import Source

_DEEPEST: Final = 20
_BATCH: Final = 2**26  # bytes of rows that are unpacked at a time
_INTEGERS, _BYTES, _SEVERAL, _STRUCTURE = (4, 5, 6), 8, (9, 10), 12
_FIXED: Final = {1: 0, 2: 0, 3: 1, 7: 8}  # types by the bytes of their values


class _Compact:
    """Values of Thrift's compact protocol, from a place in a file on."""

    def __init__(self, content: mmap.mmap | bytes, at: int) -> None:
        self.content, self.at = content, at

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.content[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number without an end")

    def signed(self) -> int:
        value = self.number()
        return value >> 1 ^ -(value & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of every field of a structure; the caller reads its value."""
        last = 0
        while head := self.content[self.at]:
            self.at += 1
            last = last + (head >> 4) if head >> 4 else self.signed()
            yield last, head & 15
        self.at += 1

    def several(self) -> tuple[int, int]:
        """Count and type of the values of a list."""
        head = self.content[self.at]
        self.at += 1
        return (self.number() if head >> 4 == 15 else head >> 4), head & 15

    def elements(self, wanted: int) -> Iterator[int]:
        """Index of every value of the list in field `wanted` of a structure; the caller reads it, all else is passed over."""
        for field, kind in self.fields():
            if field == wanted:
                yield from range(self.several()[0])
            else:
                self.value(kind)

    def value(self, kind: int, depth: int = 0) -> int:
        """A value of which only numbers matter; 0 for any other, which is passed over."""
        if depth > _DEEPEST:
            raise ValueError("a header nested too deeply")
        if kind in _INTEGERS:
            return self.signed()
        if kind in _FIXED:
            self.at += _FIXED[kind]
        elif kind == _BYTES:
            length = self.number()
            self.at += length
        elif kind in _SEVERAL:
            count, each = self.several()
            for _ in range(count):
                self.at += each in (1, 2)
                self.value(each, depth + 1)
        elif kind == _STRUCTURE:
            for _, each in self.fields():
                self.value(each, depth + 1)
        else:
            raise ValueError("a header of an unknown type")
        return 0


def check_summary(path: Path) -> None:
    """Raise Bomb for a summary at the end of a parquet file that is far too long, or a schema too wide or too deep: the
    library takes a kB for ten bytes of it, and a call for every level."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 8, 0))
        length = int.from_bytes(file.read(4), "little")
        if length > size:
            return  # damaged, as the library will say
        if length > 2**20 + size // 20:
            raise Bomb(f"a summary of {length / 1e6:.1f} MB in {size / 1e6:.1f} MB")
        file.seek(max(size - 8 - length, 0))
        _check_schema(_Compact(file.read(length), 0))


def _check_schema(summary: _Compact) -> None:
    for field, kind in summary.fields():
        if field != 2:
            summary.value(kind)
            continue
        count, _ = summary.several()
        if count > MOST_COLUMNS:
            raise Bomb(f"{count:,} columns")
        open_levels: list[int] = []
        for _ in range(count):
            found = {number: summary.value(each) for number, each in summary.fields()}
            open_levels = _deeper(open_levels, found.get(5, 0))
        return


def _deeper(levels: list[int], children: int) -> list[int]:
    """How many columns are still to come at every level, after one with `children`."""
    levels = [*levels[:-1], levels[-1] - 1] if levels else []
    levels = [*levels, children] if children else levels
    while levels and levels[-1] <= 0:
        levels.pop()
    if len(levels) > _DEEPEST:
        raise Bomb(f"columns nested more than {_DEEPEST} deep")
    return levels


@dataclass
class _Widest:
    """Bytes of the longest dictionary and of the longest other page of a column."""

    words: int = 0
    page: int = 0


def rows_at_a_time(path: Path, columns: list[int], source: Source) -> int:
    """How many rows of these columns may be unpacked at once. Raises DataError where even one would take too much, and
    ValueError or IndexError for a damaged summary.

    The summary is read here: of one that is damaged the library's own account of a chunk ends the process.
    """
    widest, read = {column: _Widest() for column in columns}, set[int]()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = len(content) - 8
        summary = _Compact(content[max(end - int.from_bytes(content[end : end + 4], "little"), 0) : end], 0)
        for column, chunk in _chunks(summary):
            if column in widest:
                _pages(content, chunk, widest[column], read)
    one = sum(max(each.words, each.page) for each in widest.values())
    # a word of no letter takes 4 bytes in the file, and 16 more in a list
    work = sum(5 * each.words + each.page for each in widest.values())
    source.check_work(work + max(one, _BATCH), path.stat().st_size)
    return max(1, min(256, _BATCH // max(one, 1)))


_GROUPS, _CHUNKS, _ABOUT = 4, 1, 3  # fields of FileMetaData, RowGroup and ColumnChunk
_PACKED, _PAGES, _WORDS = 7, 9, 11  # of ColumnMetaData: bytes of the chunk, where its pages and its dictionary begin


def _chunks(summary: _Compact) -> Iterator[tuple[int, dict[int, int]]]:
    """Number of the column, and the numbers that ColumnMetaData holds, of every chunk of every row group."""
    for _ in summary.elements(_GROUPS):
        for column in summary.elements(_CHUNKS):
            yield column, _about(summary)


def _about(summary: _Compact) -> dict[int, int]:
    """The numbers in the ColumnMetaData of a ColumnChunk, by field (parquet.thrift); empty where it has none."""
    found: dict[int, int] = {}
    for field, kind in summary.fields():
        if field == _ABOUT and kind == _STRUCTURE:
            found = {number: summary.value(each) for number, each in summary.fields()}
        else:
            summary.value(kind)
    return found


def _pages(content: mmap.mmap, chunk: dict[int, int], widest: _Widest, read: set[int]) -> None:
    """Note the pages of a chunk. Raises ValueError for one that was `read` before: chunks that share their pages would take
    the square of their number."""
    place = min(start for start in (chunk.get(_PAGES, 0), chunk.get(_WORDS, 0)) if start > 0)
    end = place + chunk.get(_PACKED, 0)
    while place < min(end, len(content)):
        if place in read:
            raise ValueError("chunks that share a page")
        read.add(place)
        header = _Compact(content, place)
        found = {field: header.value(kind) for field, kind in header.fields()}
        unpacked, packed = found.get(2, -1), found.get(3, -1)
        if unpacked < 0 or packed < 0:
            raise ValueError("a damaged page")
        if found.get(1) == 2:
            widest.words = max(widest.words, unpacked)
        else:
            widest.page = max(widest.page, unpacked)
        place = header.at + packed
