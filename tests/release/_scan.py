"""Takes every file of a release apart, containers inside containers too, and looks for what must not be there."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

_DATA_URI = re.compile(rb"data:[\w/+.;=-]*;base64,([A-Za-z0-9+/=]+)")
BLOCK = 4


def payloads(name: str, payload: bytes) -> Iterator[tuple[str, bytes | np.ndarray]]:
    """The bytes themselves, then everything that they contain: bytes, and pixel arrays uint8 (n, height, width, channels)."""
    yield name, payload
    for opens, kind in ((_zip, b"PK\x03\x04"), (_table, b"PAR1"), (_png, b"\x89PNG\r\n\x1a\n"), (_array, b"\x93NUMPY")):
        if payload.startswith(kind):
            yield from opens(name, payload)
    if payload[257:262] == b"ustar":
        yield from _tar(name, payload)
    if name.endswith(".safetensors"):
        length = struct.unpack("<Q", payload[:8])[0]
        yield f"{name}!header", json.dumps(json.loads(payload[8 : 8 + length])).encode()
    for k, found in enumerate(_DATA_URI.findall(payload)):
        yield from payloads(f"{name}!uri{k}", base64.b64decode(found))


def _zip(name: str, payload: bytes) -> Iterator[tuple[str, bytes | np.ndarray]]:
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        for entry in archive.infolist():
            yield from payloads(f"{name}!{entry.filename}", archive.read(entry))


def _tar(name: str, payload: bytes) -> Iterator[tuple[str, bytes | np.ndarray]]:
    with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
        for member in archive:
            inner = archive.extractfile(member)
            if inner is not None:
                yield from payloads(f"{name}!{member.name}", inner.read())


def _png(name: str, payload: bytes) -> Iterator[tuple[str, bytes | np.ndarray]]:
    image = Image.open(io.BytesIO(payload))
    yield f"{name}!text", json.dumps({str(key): str(value) for key, value in image.info.items()}).encode()
    yield f"{name}!pixels", np.asarray(image.convert("RGB" if image.mode in ("P", "RGBA", "RGB") else "L"))[None]


def _array(name: str, payload: bytes) -> Iterator[tuple[str, bytes | np.ndarray]]:
    array = np.load(io.BytesIO(payload), allow_pickle=False)
    yield f"{name}!values", array.tobytes()
    if array.dtype == np.uint8 and array.ndim >= 3:
        yield f"{name}!pixels", array


def _table(name: str, payload: bytes) -> Iterator[tuple[str, bytes | np.ndarray]]:
    table = pq.read_table(io.BytesIO(payload))
    yield f"{name}!schema", str(table.schema.metadata).encode()
    for column in table.column_names:
        for k, value in enumerate(table[column].to_pylist()):
            inner = value.get("bytes") if isinstance(value, dict) else None
            yield from payloads(f"{name}!{column}{k}", inner if inner is not None else json.dumps(value).encode())


def blocks(pixels: np.ndarray) -> set[bytes]:
    """Every BLOCK x BLOCK window of uint8 (n, height, width[, channels]), channel by channel; flat windows (all pixels
    equal) left out, since background is alike everywhere."""
    planes = pixels if pixels.ndim == 3 else np.moveaxis(pixels, -1, 1).reshape(-1, *pixels.shape[1:3])
    if min(planes.shape[1:]) < BLOCK:
        return set()
    windows = np.lib.stride_tricks.sliding_window_view(planes, (BLOCK, BLOCK), axis=(1, 2)).reshape(-1, BLOCK * BLOCK)
    windows = np.unique(windows, axis=0)
    return {row.tobytes() for row in windows if row.min() != row.max()}


def found(folder: Path, markers: Mapping[str, bytes], planted: set[bytes]) -> list[str]:
    """Where in `folder` a marker's bytes (case-sensitive) or a planted pixel block is; a file's own name counts too."""
    hits = []
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        hits += [f"{what} in the name {relative}" for what, marker in markers.items() if marker in relative.encode()]
        for where, payload in payloads(relative, path.read_bytes()) if path.is_file() else ():
            if isinstance(payload, bytes):
                hits += [f"{what} in {where}" for what, marker in markers.items() if marker in payload]
            elif blocks(payload) & planted:
                hits.append(f"pixel block in {where}")
    return hits
