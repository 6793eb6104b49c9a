"""The list of readers, and which of them a source belongs to."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from upcycle._arguments import typed
from upcycle.data.readers._raw import RawImages, Source
from upcycle.errors import DataError

Read = Callable[[Source], RawImages]


@dataclass(frozen=True)
class Reader:
    """`read` turns a source into raw images, asked for as `NAME` or `NAME:REST`, or where `accepts` says yes to a path."""

    name: str
    read: Read
    accepts: Callable[[Path], bool] | None = None


_added: dict[str, Reader] = {}  # one per process, as the command line and the Python API read through the same door


@typed()
def register_reader(name: str, read: Read, *, accepts: Callable[[Path], bool] | None = None) -> None:
    """Make `read` the reader of `NAME` and `NAME:REST`, and of every existing path that `accepts` says yes to.

    A reader added here is asked before the ones that come with upcycle and before those added earlier; the same name again
    replaces it. `name`: small letters, digits, - and _, two or more. Raises DataError for another name.

    >>> def read_tiles(source: Source) -> RawImages:
    ...     images, labels = load_tiles(source.path)                  # (n, side, side[, 3]) and (n,)
    ...     return RawImages([RawSplit("all", images, labels)], class_names=("benign", "malignant"))
    >>> register_reader("tiles", read_tiles, accepts=lambda path: path.suffix == ".tiles")
    >>> upcycle.run("slides.tiles", Path("RUN"), Config())             # or "tiles:slides"
    """
    if not re.fullmatch(r"[a-z0-9_-]{2,}", name):  # one letter would be a drive on Windows
        raise DataError(f"name of a reader must be two or more of a-z, 0-9, - and _. Got {name!r}. Choose another.")
    _added.pop(name, None)
    _added[name] = Reader(name, read, accepts)


def added_readers() -> list[Reader]:
    """Readers added by `register_reader`, the newest first."""
    return list(_added.values())[::-1]


def choose(data: str, readers: list[Reader]) -> tuple[Reader, str]:
    """The reader for `data` and the text it is given. What exists as a path is a path; else `NAME:REST` and `NAME` count.

    Raises DataError where no reader wants it, with the nearest name.
    """
    path = Path(data)
    if not _exists(path):
        return _named(data, readers)
    for reader in readers:
        if reader.accepts is not None and reader.accepts(path):
            return reader, data
    raise DataError(f"data must be an .npz, a folder of images, or a registered reader's name. Got {data}. See docs/data.md.")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def _named(data: str, readers: list[Reader]) -> tuple[Reader, str]:
    head, mark, rest = data.partition(":")
    known = {reader.name: reader for reader in readers}
    if head in known:
        return known[head], rest
    looks_named = mark and re.fullmatch(r"[\w-]{2,}", head)
    near = difflib.get_close_matches(head, known, n=1) if looks_named or "." not in data else []
    if looks_named:
        hint = f"Did you mean {near[0] + ':' + rest!r}?" if near else "See docs/data.md."
        raise DataError(f"reader must be one of {', '.join(known)}. Got {head!r}. {hint}")
    hint = f"Did you mean {near[0]!r}?" if near else "Check the path."
    raise DataError(f"data must be an existing file or folder. Got {data!r}, which is not there. {hint}")
