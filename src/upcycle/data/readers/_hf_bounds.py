"""Hugging Face sets that are small and take gigabytes: known by their headers, before a library unpacks anything.

Rows of `save_to_disk` are a stream of Arrow messages (Message.fbs); what the library saves is not packed, and is mapped, not
read.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from upcycle._bounded import Limits, TooLarge
from upcycle.data.readers._raw import Source

FACTS: Final = Limits(text_mb=2)  # of the JSON next to a saved set: its columns, and the names of its classes
MOST_COLUMNS: Final = 5_000
_VIEWS: Final = ("dictionary", "view", "run_end_encoded")  # types of which a few bytes stand for many


class Bomb(TooLarge):
    """What the file is, in a few words that follow "Got"."""


def check_rows(rows: int, path: Path, limits: Limits) -> None:
    """Raise Bomb for more rows than a file of this size may have: some take no bytes."""
    if rows > max(limits.rows, path.stat().st_size // 20):
        raise Bomb(f"{rows:,} rows in {path.stat().st_size / 1e6:.1f} MB")


def check_arrow(path: Path, source: Source) -> None:
    """Raise Bomb for a file of rows that `save_to_disk` does not write and that may unpack to far more, or is damaged."""
    import pyarrow as pa

    messages = 0
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.MessageReader.open_stream(file)
        for message in _messages(reader):
            messages += 1
            if message.metadata.size > FACTS.text_mb * 2**20:
                raise Bomb(f"a header of {message.metadata.size / 1e6:.1f} MB")
            if message.type == "dictionary" or (message.type == "record batch" and _is_packed(message.metadata)):
                raise Bomb("rows that are packed")
    if messages > source.limits.entries + path.stat().st_size // 1000:
        raise Bomb(f"{messages:,} pieces")
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        _check_types(stream.schema)
        table = stream.read_all()
    check_rows(len(table), path, source.limits)
    table.validate(full=True)  # else cells may lie on top of each other


def _messages(reader: Any) -> Iterator[Any]:
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _is_packed(metadata: Any) -> bool:
    """Whether the header of a batch of rows (a FlatBuffer) has the field that says how its buffers are packed."""
    content = metadata.to_pybytes()

    def field(table: int, number: int) -> int:
        layout = table - struct.unpack_from("<i", content, table)[0]
        (length,) = struct.unpack_from("<H", content, layout)
        place = struct.unpack_from("<H", content, layout + 4 + 2 * number)[0] if 4 + 2 * number < length else 0
        return table + place if place else 0

    header = field(struct.unpack_from("<I", content)[0], 2)
    return bool(field(header + struct.unpack_from("<I", content, header)[0], 3))


def _check_types(schema: Any) -> None:
    if len(schema) > MOST_COLUMNS:
        raise Bomb(f"{len(schema):,} columns")
    if odd := [field.name for field in schema if any(word in str(field.type) for word in _VIEWS)]:
        raise Bomb(f"columns of a type that is not read ({odd[0]})")
