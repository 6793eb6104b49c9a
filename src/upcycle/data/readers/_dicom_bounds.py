"""DICOM files that are small and take gigabytes: found before the parser or a decoder makes anything of them."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from upcycle._bounded import Limits
from upcycle.data.readers._picture import Unreadable

_DEFLATED: Final = "1.2.840.10008.1.2.1.99"  # PS3.5, A.5
_ITEMS: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # begin an item of a sequence, 8 bytes that become an object of 1 kB
_MOST_ITEMS: Final = 50_000
_MOST_TEXT: Final = 2**12  # bytes of a value that is parsed into words or numbers, of which one is used
_MOST_TABLE: Final = 2**20  # bytes of a lookup table, also inside a sequence
_TABLES: Final = ("SQ", "OW", "OB", "OV", "UN")
_LARGEST_FRAME: Final = 2**20  # packed bytes of a frame that may be more than a multiple of its pixels
_BLOCK: Final = 2**20
_JPEG: Final = re.compile(
    rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xf7](..).(....)(.)", re.DOTALL
)  # T.81, B.2.2: start of frame
_JPEG_2000: Final = re.compile(rb"\xff\x4f\xff\x51(..)..(.{32})(..)", re.DOTALL)  # T.800, A.5.1: image and tile size


def check_before_parsing(path: str, limits: Limits) -> None:
    """Raise Unreadable for a data set of too many items, or one that inflates to more than `limits` allow: the parser makes
    an object of every item of some sequences, and inflates at once."""
    from pydicom.filereader import read_dataset

    items = _Items()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            items.count(block)
        meta: Any = None
        for implicit in (False, True):  # as the parser does it: the second for files of a wrong make
            file.seek(132)
            meta = read_dataset(file, implicit, True, stop_when=lambda tag, _, __: tag >> 16 != 2)
            try:
                for first in list(meta.elements())[:1]:
                    meta[first.tag]
                break
            except NotImplementedError:
                continue
        if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
            _check_inflated(file, limits.allowed(Path(path).stat().st_size))


class _Items:
    """Counts beginnings of items in blocks that follow each other; raises Unreadable at one too many."""

    def __init__(self) -> None:
        self._found, self._end = 0, b""

    def count(self, block: bytes) -> None:
        whole = self._end + block
        self._found += max(whole.count(mark) for mark in _ITEMS)
        self._end = whole[-3:]
        if self._found > _MOST_ITEMS:
            raise Unreadable(f"more than {_MOST_ITEMS:,} items in sequences")


def _check_inflated(file: IO[bytes], left: float) -> None:
    unpacker, items = zlib.decompressobj(-zlib.MAX_WBITS), _Items()
    while block := file.read(2**16):
        while block and left > 0:
            found = unpacker.decompress(block, _BLOCK)
            items.count(found)
            left, block = left - len(found), unpacker.unconsumed_tail
        if left <= 0:
            raise Unreadable("deflated to a fraction of its size, as bombs are")


def check_values(dataset: Any, names: tuple[str, ...]) -> None:
    """Raise Unreadable for a value far longer than any that is needed, before it is turned into a million numbers."""
    from pydicom.datadict import tag_for_keyword

    for name in names:
        tag = tag_for_keyword(name)
        raw: Any = dataset.get_item(tag) if tag is not None and tag in dataset else None
        value = getattr(raw, "value", None)
        table = str(getattr(raw, "VR", "")) in _TABLES and name.endswith(("Data", "Sequence", "Table", "Lengths"))
        if name != "PixelData" and isinstance(value, bytes) and len(value) > (_MOST_TABLE if table else _MOST_TEXT):
            raise Unreadable(f"{len(value):,} bytes of {name}")


def check_packed(dataset: Any) -> None:
    """Raise Unreadable for packed pixels that are far more than those they would become: a decoder unpacks them whole."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    depth = int(dataset.get("SamplesPerPixel", 1)) * max(int(dataset.get("BitsAllocated", 8)) // 8, 1)
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    plain = int(dataset.Rows) * int(dataset.Columns) * depth
    if len(dataset.PixelData) > frames * max(2 * plain, _LARGEST_FRAME):
        raise Unreadable(f"{len(dataset.PixelData):,} packed bytes of {frames * plain:,}")


def check_frame(dataset: Any, index: int) -> None:
    """Raise Unreadable for packed pixels that say themselves to be more than the file says: a decoder believes them."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    from pydicom.encaps import get_frame

    frame = get_frame(dataset.PixelData, index, number_of_frames=int(dataset.get("NumberOfFrames", 1) or 1))
    plain = int(dataset.Rows) * int(dataset.Columns)
    if most := max((pixels for pixels in _claims(frame) if pixels > plain), default=0):
        raise Unreadable(f"{most:,} packed pixels of {plain:,}")


def _claims(frame: bytes) -> Iterator[int]:
    """Pixels that headers in `frame` speak of; of more channels than an image has, as many times more."""
    for length, size, bands in _JPEG.findall(frame):
        height, width = struct.unpack(">HH", size)
        if int.from_bytes(length, "big") == 8 + 3 * bands[0]:
            yield height * width * max(bands[0] // 4, 1)
    for _, sizes, count in _JPEG_2000.findall(frame):
        right, below, left, above, wide, high, *_ = struct.unpack(">8I", sizes)
        yield max((right - left) * (below - above), min(wide, right) * min(high, below)) * max(
            int.from_bytes(count, "big") // 4, 1
        )
