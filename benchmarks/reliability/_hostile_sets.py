"""Hugging Face data sets, saved or as parquet, that are small and large."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.reliability._hostile_kind import MOST, Kind, Kinds, whole


def _cell() -> bytes:
    from benchmarks._fuzz_targets import IMAGES, _picture

    return _picture("PNG")(IMAGES[0])


def _images(cells: Any, count: int) -> Any:
    """A column of images, each a binary value of `cells`, which is an Arrow array."""
    import pyarrow as pa

    return pa.StructArray.from_arrays([cells, pa.nulls(count, pa.string())], ["bytes", "path"])


def _alike(value: Any, count: int) -> Any:
    """`value` `count` times, as words of a dictionary: one copy in the file, and while it is written."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value]))


def _small(count: int = 60, **more: Any) -> Any:
    import pyarrow as pa

    return pa.table({"image": [{"bytes": _cell(), "path": None}] * count, "label": [k % 2 for k in range(count)], **more})


def _rows(count: int) -> Any:
    import numpy as np
    import pyarrow as pa

    labels = pa.array(np.arange(count) % 2)
    return pa.table({"image": _images(_alike(_cell(), count).cast(pa.binary()), count), "label": labels})


def _cells(size: int, count: int) -> Any:
    import pyarrow as pa

    labels = pa.array([k % 2 for k in range(count)])
    return pa.table({"image": _images(pa.array([bytes(size)] * count), count), "label": labels})


def _words(size: int, count: int) -> Any:
    import pyarrow as pa

    labels = pa.array([k % 2 for k in range(count)])
    return pa.table({"image": _images(_alike(bytes(size), count), count), "label": labels})


def _nested(depth: int) -> Any:
    import pyarrow as pa

    kind: Any = pa.int8()
    for _ in range(depth):
        kind = pa.struct([("a", kind)])
    return _small(z=pa.nulls(60, kind))


def _texts(place: Path) -> None:
    import pyarrow as pa

    _parquet(place, lambda: _small(z=_alike("x" * 4_000_000, 60)).append_column("y", pa.array([str(k) for k in range(60)])))


def _parquet(place: Path, table: Callable[[], Any], **options: Any) -> None:
    from pyarrow import parquet

    parquet.write_table(table(), place / "data.parquet", **{"compression": "zstd", **options})


def _lists() -> Any:
    import pyarrow as pa

    return _small(z=pa.array([[0] * 500_000] * 60, pa.list_(pa.int8())))


def _columns(count: int) -> Any:
    return _small(2, **{f"c{k}": [1, 1] for k in range(count)})


def _facts() -> Any:
    deep = b'{"info":{"features":{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}}}"
    return _small().replace_schema_metadata({b"huggingface": deep})


def _long_facts() -> Any:
    names = json.dumps({"info": {"features": {f"c{k}": {"dtype": "int8", "_type": "Value"} for k in range(60_000)}}})
    return _small().replace_schema_metadata({b"huggingface": names.encode()})


def _lying(place: Path) -> None:
    """A column that says, in the file's summary, to be one byte."""
    from pyarrow import parquet

    _parquet(place, lambda: _cells(900_000_000, 1))
    path = place / "data.parquet"
    said = _varint(2 * parquet.read_metadata(path).row_group(0).column(0).total_uncompressed_size)
    content = path.read_bytes()
    at = content.rindex(said)
    path.write_bytes(content[:at] + bytes([2 | 128, *[128] * (len(said) - 2), 0]) + content[at + len(said) :])
    assert parquet.read_metadata(path).row_group(0).column(0).total_uncompressed_size == 1


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _saved(place: Path, change: Callable[[Path], None] | None = None) -> None:
    from datasets import ClassLabel, Dataset, Features, Image, disable_progress_bars

    disable_progress_bars()
    features = Features(image=Image(), label=ClassLabel(names=["a", "b"]))
    rows = {"image": [{"bytes": _cell(), "path": None}] * 60, "label": [k % 2 for k in range(60)]}
    Dataset.from_dict(rows, features=features).save_to_disk(str(place / "data"))
    if change:
        change(place / "data")


def _longer(folder: Path, name: str, more: Callable[[], Any]) -> None:
    found = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(found | {"more": more()}, separators=(",", ":")))


def _classes(folder: Path, count: int) -> None:
    path = folder / "dataset_info.json"
    found = json.loads(path.read_text())
    found["features"]["label"]["names"] = [f"c{k}" for k in range(count)]
    path.write_text(json.dumps(found))


def _arrow(folder: Path, table: Callable[[], Any], **options: Any) -> None:
    """Put `table` in place of the rows of the set, and let it say itself what its columns are."""
    import pyarrow as pa

    found = table()
    path = folder / "dataset_info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"features": None}))
    with (
        pa.OSFile(str(next(folder.glob("*.arrow"))), "wb") as out,
        pa.ipc.new_stream(out, found.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer,
    ):
        writer.write_table(found)


def _of_arrow(place: Path, table: Callable[[], Any], **options: Any) -> None:
    _saved(place, partial(_arrow, table=table, **options))


def _empty_rows() -> Any:
    """Rows that take no byte."""
    import pyarrow as pa

    return pa.table({"image": pa.nulls(10**9), "label": pa.nulls(10**9)})


def _lists_of_nothing() -> Any:
    import pyarrow as pa

    most = 2**31 - 1
    return _small(patient=pa.ListArray.from_arrays(pa.array([0, *[most] * 60], pa.int32()), pa.nulls(most)))


def _many_pieces(folder: Path) -> None:
    import pyarrow as pa

    path = next(folder.glob("*.arrow"))
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_stream(source).read_all()
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
        for _ in range(MOST // 700):
            writer.write_batch(table.to_batches()[0].slice(0, 1))


def _overlapping() -> Any:
    """Text cells that all lie in the same four megabytes."""
    import numpy as np
    import pyarrow as pa

    count, size = 2000, 4_000_000
    offsets = np.tile(np.array([0, size], np.int32), count // 2 + 1)[: count + 1]
    text = pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"x" * size)])
    return _small(count, z=text)


_SEVEN = 7_000_000
SETS: Kinds = {
    **{
        name: Kind(make, whole("data.parquet"))
        for name, make in {
            "parquet of many rows": partial(_parquet, table=partial(_rows, 2_000_000)),
            "parquet of many rows, fewer": partial(_parquet, table=partial(_rows, 900_000)),
            "parquet of one huge cell": partial(_parquet, table=partial(_cells, 1_400_000_000, 1)),
            "parquet of large cells": partial(_parquet, table=partial(_cells, 4_000_000, 200)),
            "parquet of large cells, fewer": partial(_parquet, table=partial(_cells, 4_000_000, 25)),
            "parquet of a large word": partial(_parquet, table=partial(_words, _SEVEN, 256)),
            "parquet of a large word, plain": partial(_parquet, table=partial(_words, 200_000, 20_000)),
            "parquet whose summary lies": _lying,
            "parquet of shared beginnings": partial(
                _parquet,
                table=partial(_cells, 4_000_000, 100),
                use_dictionary=False,
                column_encoding={"image.bytes": "DELTA_BYTE_ARRAY"},
            ),
            "parquet with another column": partial(_parquet, table=lambda: _small(z=_alike(bytes(25_000_000), 60))),
            "parquet of lists": partial(_parquet, table=_lists),
            "parquet of many columns": partial(_parquet, table=partial(_columns, 12_000)),
            "parquet of long text": _texts,
            "parquet of deep facts": partial(_parquet, table=_facts),
            "parquet of long facts": partial(_parquet, table=_long_facts),
            "parquet of a deep schema": partial(_parquet, table=partial(_nested, 3_000)),
        }.items()
    },
    **{
        name: Kind(make, whole())
        for name, make in {
            "saved set of many classes": partial(_saved, change=partial(_classes, count=700_000)),
            "saved set of long state": partial(
                _saved, change=partial(_longer, name="state.json", more=lambda: [{}] * 3_000_000)
            ),
            "saved set of long facts": partial(
                _saved, change=partial(_longer, name="dataset_info.json", more=lambda: [{}] * 3_000_000)
            ),
            "saved set, packed": partial(_of_arrow, table=partial(_cells, 1_000_000, 800), compression="zstd"),
            "saved set, packed and small": partial(_of_arrow, table=partial(_cells, 1_000_000, 150), compression="zstd"),
            "saved set of words": partial(_of_arrow, table=lambda: _small(2000, z=_alike("x" * 4_000_000, 2000))),
            "saved set of overlapping text": partial(_of_arrow, table=_overlapping),
            "saved set of empty rows": partial(_of_arrow, table=_empty_rows),
            "saved set of lists of nothing": partial(_of_arrow, table=_lists_of_nothing),
            "saved set of many pieces": partial(_saved, change=_many_pieces),
            "saved set of many classes, fewer": partial(_saved, change=partial(_classes, count=200_000)),
            "saved set of many columns": partial(_of_arrow, table=partial(_columns, 8_000)),
        }.items()
    },
}
