"""Pictures that are small and large: most kinds are a ladder of sizes, so that the largest that is read is among them."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.reliability._hostile_kind import Kind, Kinds, checked, in_classes, whole

_SIZES = (64, 50, 42, 36, 30, 25, 20, 14)  # million pixels
_BANDS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _sides(sizes: tuple[float, ...] = _SIZES) -> list[int]:
    return [math.isqrt(int(size * 1_000_000)) for size in sizes]


def zeros(count: int) -> Iterator[bytes]:
    """`count` zeros, block by block."""
    block = bytes(2**20)
    while count > 0:
        yield block[:count]
        count -= len(block)


def _packed(count: int) -> bytes:
    """`count` zeros as zlib packs them: a block that was packed once, as often as it takes (RFC 1950 and 1951)."""
    packer = zlib.compressobj(9)
    start = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = zlib.compressobj(9, zlib.DEFLATED, -15)
    end = rest.compress(bytes(count % 2**20)) + rest.flush()
    return start + one * (count // 2**20) + end + struct.pack(">HH", count % 65521, 1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, colour: int, bits: int, *, passes: bool = False, extra: bytes = b"") -> bytes:
    """A black PNG."""
    rows = [(width, height)]
    if passes:
        rows = [((width - x + dx - 1) // dx, (height - y + dy - 1) // dy) for x, y, dx, dy in _PASSES]
    size = sum(high * (1 + (wide * _BANDS[colour] * bits + 7) // 8) for wide, high in rows)
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(passes))
    palette = _chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    parts = (_chunk(b"IHDR", head), palette, extra, _chunk(b"IDAT", _packed(size)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _pngs(colour: int, bits: int, **options: Any) -> list[bytes]:
    return [png(side, side, colour, bits, **options) for side in _sides()]


def _saved(kind: str, mode: str, sizes: tuple[float, ...] = _SIZES, **options: Any) -> list[bytes]:
    from PIL import Image

    found = []
    for side in _sides(sizes):
        buffer = io.BytesIO()
        Image.new(mode, (side, side)).save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return found


def _exif(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 274, 3, 1, orientation, 0) + bytes(4)


def _many_tags() -> bytes:
    entries = b"".join(struct.pack(">HHII", 1000 + k, 4, 1_000_000, 8) for k in range(60_000))
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", 60_000) + entries + bytes(4_100_000)


def _tiff_of(width: int, height: int, bands: int, bits: int, photometric: int, **more: tuple[int, int]) -> bytes:
    """A black deflated TIFF of one strip; `more` is a tag with its type and value."""
    data = _packed(width * height * bands * bits // 8)
    tags: dict[int, tuple[int, int, int]] = {
        **{256: (4, 1, width), 257: (4, 1, height), 259: (3, 1, 8), 262: (3, 1, photometric), 273: (4, 1, 8)},
        **{277: (3, 1, bands), 278: (4, 1, height), 279: (4, 1, len(data))},
        **{int(tag): (kind, 1, value) for tag, (kind, value) in more.items()},
    }
    depth = struct.pack("<" + "H" * bands, *[bits] * bands)
    place = 8 + len(data)
    tags[258] = (3, bands, bits if bands == 1 else bits | bits << 16 if bands == 2 else place)
    entries = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<I", place + len(depth)) + data + depth + struct.pack("<H", len(tags)) + entries + bytes(4)


def _tiffs(bands: int, bits: int, photometric: int, **more: tuple[int, int]) -> list[bytes]:
    return [_tiff_of(side, side, bands, bits, photometric, **more) for side in _sides()]


def _tiled(tile: int) -> list[bytes]:
    """One tile, far larger than the image."""
    data = _packed(tile * tile * 3)
    tags = {256: 4000, 257: 4000, 259: 8, 262: 2, 277: 3, 322: tile, 323: tile, 324: 8, 325: len(data)}
    tags[258] = 8 + len(data)
    entries = b"".join(
        struct.pack("<HHII", tag, 3 if tag in (258, 259, 262, 277) else 4, 3 if tag == 258 else 1, tags[tag])
        for tag in sorted(tags)
    )
    head = b"II*\0" + struct.pack("<I", 14 + len(data)) + data + struct.pack("<HHH", 8, 8, 8)
    return [head + struct.pack("<H", len(tags)) + entries + bytes(4)]


def _tiff_of_tags() -> bytes:
    entries = b"".join(struct.pack("<HHII", 1000 + k, 4, 2_000_000, 8) for k in range(60_000))
    return b"II*\0" + struct.pack("<I", 9_000_000) + bytes(9_000_000 - 8) + struct.pack("<H", 60_000) + entries + bytes(4)


def _bmp_of_runs() -> list[bytes]:
    """Bitmaps of a grey palette, packed by runs: a jump of some bytes stands for 255 rows."""
    found = []
    for side in _sides():
        jumps = b"\x00\x02\x00\xff" * (side // 255) + b"\x00\x02\x00" + bytes([side % 255]) + b"\x00\x01"
        colours = b"".join(bytes([k, k, k, 0]) for k in range(256))
        head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(jumps), 0, 0, 256, 0)
        place = 14 + 40 + len(colours)
        found.append(b"BM" + struct.pack("<IHHI", place + len(jumps), 0, 0, place) + head + colours + jumps)
    return found


def _moving(kind: str, mode: str, sizes: tuple[float, ...], **options: Any) -> list[bytes]:
    from PIL import Image

    found = []
    for side in _sides(sizes):
        frames = [Image.new(mode, (side, side), (k, 0, 0, 0)[: len(mode)]) for k in range(3)]
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], **options)
        found.append(buffer.getvalue())
    return found


def _scans_apart() -> list[bytes]:
    """JPEG, not progressive, whose channels come one after the other: a decoder keeps all of it until the last."""
    found = []
    for whole_file in _saved("JPEG", "RGB", (42, 30, 20), subsampling=0):
        start = whole_file.index(b"\xff\xda")
        scan = whole_file[start + 2 + struct.unpack_from(">H", whole_file, start + 2)[0] : -2]
        one = [b"\xff\xda\x00\x08\x01" + bytes([k, 0x11 if k > 1 else 0, 0, 63, 0]) + scan for k in (1, 2, 3)]
        found.append(whole_file[:start] + b"".join(one) + b"\xff\xd9")
    return found


_SLOW = (36, 25, 20, 16, 12)
_ZTXT = partial(_chunk, b"zTXt")
_CASES: dict[str, tuple[Callable[[], list[bytes]], str]] = {
    **{
        f"png {name}": (partial(_pngs, *how), ".png")
        for name, how in {
            **{"grey": (0, 8), "RGB": (2, 8), "RGBA": (6, 8), "grey with alpha": (4, 8), "palette": (3, 8), "1 bit": (0, 1)},
            **{"16-bit grey": (0, 16), "16-bit RGB": (2, 16), "16-bit RGBA": (6, 16), "16-bit grey with alpha": (4, 16)},
        }.items()
    },
    "png RGB in passes": (partial(_pngs, 2, 8, passes=True), ".png"),
    "png 16-bit grey in passes": (partial(_pngs, 0, 16, passes=True), ".png"),
    "png palette with a clear colour": (partial(_pngs, 3, 8, extra=_chunk(b"tRNS", bytes(256))), ".png"),
    "png RGB with a clear colour": (partial(_pngs, 2, 8, extra=_chunk(b"tRNS", bytes(6))), ".png"),
    "png RGB on its side": (partial(_pngs, 2, 8, extra=_chunk(b"eXIf", _exif(6))), ".png"),
    "png one column": (lambda: [png(1, n, 0, 8) for n in (64_000_000, 32_000_000, 8_000_000, 65_000, 32_000)], ".png"),
    "png one row": (lambda: [png(n, 1, 0, 8) for n in (64_000_000, 32_000_000, 8_000_000, 65_000, 32_000)], ".png"),
    "png one row on its side": (
        lambda: [png(n, 1, 0, 8, extra=_chunk(b"eXIf", _exif(6))) for n in (64_000_000, 8_000_000)],
        ".png",
    ),
    "png of packed texts": (
        lambda: [png(8, 8, 0, 8, extra=b"".join(_ZTXT(b"k%d\0\0" % k + _packed(60 << 20)) for k in range(20)))],
        ".png",
    ),
    "png profile": (lambda: [png(8, 8, 0, 8, extra=_chunk(b"iCCP", b"k\0\0" + _packed(900 << 20)))], ".png"),
    "png xmp": (lambda: [png(8, 8, 0, 8, extra=_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + _packed(900 << 20)))], ".png"),
    "png exif of many tags": (lambda: [png(8, 8, 0, 8, extra=_chunk(b"eXIf", _many_tags()))], ".png"),
    "png moving": (lambda: _moving("PNG", "RGBA", (25, 12)), ".png"),
    "jpeg grey": (partial(_saved, "JPEG", "L"), ".jpg"),
    "jpeg RGB": (partial(_saved, "JPEG", "RGB"), ".jpg"),
    "jpeg RGB progressive": (partial(_saved, "JPEG", "RGB", progressive=True, subsampling=0), ".jpg"),
    "jpeg RGB in scans": (_scans_apart, ".jpg"),
    "jpeg CMYK": (partial(_saved, "JPEG", "CMYK", (42, 30, 20, 14)), ".jpg"),
    "jpeg CMYK progressive": (partial(_saved, "JPEG", "CMYK", (42, 30, 20, 14), progressive=True), ".jpg"),
    "jpeg RGB on its side": (partial(_saved, "JPEG", "RGB", exif=b"Exif\0\0" + _exif(6)), ".jpg"),
    "tiff RGB": (partial(_tiffs, 3, 8, 2), ".tif"),
    "tiff RGBA": (partial(_tiffs, 4, 8, 2, **{"338": (3, 2)}), ".tif"),
    "tiff RGB on its side": (partial(_tiffs, 3, 8, 2, **{"274": (3, 6)}), ".tif"),
    "tiff 16-bit RGB": (partial(_tiffs, 3, 16, 2), ".tif"),
    "tiff 16-bit RGBA": (partial(_tiffs, 4, 16, 2, **{"338": (3, 2)}), ".tif"),
    "tiff 16-bit grey": (partial(_tiffs, 1, 16, 1), ".tif"),
    "tiff 16-bit grey on its side": (partial(_tiffs, 1, 16, 1, **{"274": (3, 6)}), ".tif"),
    "tiff 32-bit": (partial(_tiffs, 1, 32, 1), ".tif"),
    "tiff float": (partial(_tiffs, 1, 32, 1, **{"339": (3, 3)}), ".tif"),
    "tiff CMYK": (partial(_tiffs, 4, 8, 5), ".tif"),
    "tiff Lab": (partial(_tiffs, 3, 8, 8), ".tif"),
    "tiff planes": (partial(_saved, "TIFF", "RGB", compression="tiff_lzw"), ".tif"),
    "tiff fax": (partial(_saved, "TIFF", "1", compression="group4"), ".tif"),
    "tiff jpeg": (partial(_saved, "TIFF", "RGB", (50, 36, 25, 20), compression="jpeg"), ".tif"),
    "tiff one large tile": (partial(_tiled, 16_384), ".tif"),
    "tiff many tags": (lambda: [_tiff_of_tags()], ".tif"),
    "bmp 1 bit": (partial(_saved, "BMP", "1", (64,)), ".bmp"),
    "bmp grey in runs": (_bmp_of_runs, ".bmp"),
    "webp RGB": (partial(_saved, "WEBP", "RGB", _SLOW, method=0), ".webp"),
    "webp RGBA lossless": (partial(_saved, "WEBP", "RGBA", _SLOW, lossless=True, quality=0, method=0), ".webp"),
    "webp moving": (lambda: _moving("WEBP", "RGBA", (25, 16, 12), method=0), ".webp"),
    "avif RGB": (partial(_saved, "AVIF", "RGB", _SLOW, speed=10), ".avif"),
    "avif RGBA": (partial(_saved, "AVIF", "RGBA", _SLOW, speed=10, subsampling="4:4:4"), ".avif"),
    "avif moving": (lambda: _moving("AVIF", "RGB", (16, 12), speed=10), ".avif"),
}
PICTURES: Kinds = {
    **{name: Kind(in_classes(files, suffix), checked()) for name, (files, suffix) in _CASES.items()},
    **{
        f"{name}, {words}": Kind(in_classes(*_CASES[name]), whole(**settings))
        for name, words, settings in (
            *(
                (name, "with a side", {"side": 16})
                for name in ("png grey", "png 16-bit grey", "png RGB", "png one row", "jpeg RGB")
            ),
            ("png RGB", "made grey", {"channels": "grey", "side": 16}),
            ("png grey", "made RGB", {"channels": "rgb"}),
        )
    },
}
