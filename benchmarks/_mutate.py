"""Mutations that keep most of a file's structure: members of an archive, values of JSON, else bytes."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

# not from the package: what is imported before the fuzzer instruments modules is not seen by it
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, OSError, ValueError, NotImplementedError, RuntimeError, EOFError)
Plain = Callable[[bytes], bytes]
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, float("nan"), float("inf"), -0.0, 1e308),
    *("", "x", "\x1b[31m", "\n", "\u202e", "\0", "../x", "a" * 5_000, "NaN", [], {}, [[]], [None], {"": None}, [0] * 40),
)
_WORDS = (
    *(b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", b"nan", b"inf", b"-1", b"1e999", b"[", b"{", b'"'),
    *(
        b"!!int ",
        b"!!timestamp ",
        b"!!python/object:os.x ",
        b"&a *a",
        b"\r\n",
        b"\x1b]0;x\x07",
        b",",
        b"\t",
        b"9" * 60,
        b"object",
    ),
)


def mutated(data: bytes, rng: random.Random, plain: Plain | None = None) -> bytes:
    """`data` with something changed; `plain` mutates bytes without structure (None: `damaged`)."""
    change = plain or (lambda part: damaged(part, rng))
    if data[:2] == b"PK" and rng.random() < 0.9:
        return _in_archive(data, rng, change)
    return _in_part(data, rng, change)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to four places changed, cut, repeated or filled with a word that parsers know."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(5)
        if kind == 0 and out:
            out[min(at, len(out) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at:at] = rng.choice(_WORDS)
        elif kind == 2:
            del out[at : at + rng.choice((1, 2, 4, 16, 10_000))]
        elif kind == 3:
            out[at:at] = out[at : at + rng.randint(1, 64)]
        else:
            word = rng.choice(_WORDS)
            out[at : at + len(word)] = word
    return bytes(out)


def _in_part(data: bytes, rng: random.Random, plain: Plain) -> bytes:
    if data[:1] in (b"{", b"[") and rng.random() < 0.6:
        try:
            return json.dumps(_in_value(json.loads(data), rng)).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            pass
    return plain(data)


def _in_value(value: Any, rng: random.Random) -> Any:
    """JSON with one value, somewhere, replaced, removed or repeated."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return rng.choice(_ODD)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key: Any = rng.choice(keys)
    if rng.random() < 0.1:
        del value[key]
    elif isinstance(value, list) and rng.random() < 0.1:
        value.append(value[key])
    else:
        value[key] = _in_value(value[key], rng)
    return value


def _in_archive(data: bytes, rng: random.Random, plain: Plain) -> bytes:
    """The archive with one member mutated, renamed, removed or doubled, and perhaps packed another way."""
    try:
        parts = unpacked(data)
    except _UNREADABLE:
        return plain(data)
    if not parts:
        return plain(data)
    at = rng.randrange(len(parts))
    name, content = parts[at]
    kind = rng.randrange(20)
    if kind == 0:
        del parts[at]
    elif kind == 1:
        parts[at] = (plain(name.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")[:200] or "x", content)
    elif kind == 2:
        parts.append((name, rng.choice(parts)[1]))
    elif kind == 3:
        parts[at] = (name, rng.choice(parts)[1])
    else:
        parts[at] = (name, _in_part(content, rng, plain))
    return packed(parts, zipfile.ZIP_DEFLATED if rng.random() < 0.2 else zipfile.ZIP_STORED)


def unpacked(data: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of an archive that is not too large."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > 2**24:
            raise ValueError("too large")
        return [(member.filename, archive.read(member)) for member in archive.infolist()]


def packed(parts: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of `parts`; names may come twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in parts:
            info = zipfile.ZipInfo(name or "x")
            info.compress_type = method
            archive.writestr(info, content)
    return buffer.getvalue()
