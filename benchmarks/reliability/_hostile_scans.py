"""DICOM files and NIfTI volumes that are small and large."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks._fuzz_targets import _dicom
from benchmarks.reliability._hostile_kind import Kind, Kinds, checked, in_classes
from benchmarks.reliability._hostile_pictures import zeros

_EMPTY_ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"
_LONG = (b"SQ", b"OW", b"OV", b"OB", b"UN")


def _nifti(shape: tuple[int, ...], kind: int = 2, begins: int = 352, more: bytes = bytes(4)) -> bytes:
    """A header that claims voxels of `shape` from byte `begins` on."""
    head = bytearray(348)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<hh", head, 70, kind, 8)
    struct.pack_into("<8f", head, 76, *[1.0] * 8)
    struct.pack_into("<f", head, 108, float(begins))
    head[344:348] = b"n+1\0"
    return bytes(head) + more


def gzipped(*parts: bytes | int) -> bytes:
    """A gzip file of bytes, and of as many zeros as a number says."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as file:
        for part in parts:
            for block in [part] if isinstance(part, bytes) else zeros(part):
                file.write(block)
    return buffer.getvalue()


def _volumes(kind: int, each: int, slope: bool = False) -> list[bytes]:
    found = []
    for side in (290, 325, 400):  # the first that is too large ends the reading
        head = bytearray(_nifti((side, side, side), kind))
        if slope:
            struct.pack_into("<ff", head, 112, 2.5, 1.0)
        found.append(gzipped(bytes(head), side**3 * each))
    return found


_NOTE = struct.pack("<ii", 16, 6) + bytes(8)
_VOLUMES: dict[str, Callable[[], list[bytes]]] = {
    "nifti bytes": partial(_volumes, 2, 1),
    "nifti 64-bit": partial(_volumes, 64, 8),
    "nifti with a slope": partial(_volumes, 4, 2, slope=True),
    "nifti that claims much": lambda: [gzipped(_nifti((2000, 2000, 500)), 1000)],
    "nifti one row": lambda: [gzipped(_nifti((32_000, 1, 1)), 32_000), gzipped(_nifti((32_000, 2, 500)), 32_000_000)],
    "nifti far offset": lambda: [gzipped(_nifti((8, 8, 3), begins=200_000_000), 200_000_000)],
    "nifti long note": lambda: [
        gzipped(
            _nifti((8, 8, 3), begins=352 + 1_600_000_000, more=b"\1\0\0\0"), struct.pack("<ii", 1_600_000_000, 6), 1_600_000_192
        )
    ],
    "nifti many notes": lambda: [
        gzipped(_nifti((8, 8, 3), begins=352 + 96_000_000, more=b"\1\0\0\0"), *[_NOTE * 60_000] * 100, 192)
    ],
}


def _with(tag: int, kind: bytes, value: bytes, *, open_end: bool = False) -> list[bytes]:
    """A small DICOM image with one more element, before its pixels."""
    whole = _dicom(np.arange(64, dtype=np.uint8).reshape(8, 8))
    head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, kind, 0, 0xFFFFFFFF if open_end else len(value))
    end = b"\xfe\xff\xdd\xe0\0\0\0\0" if open_end else b""
    place = whole.index(b"\xe0\x7f\x10\x00")
    return [whole[:place] + head + value + end + whole[place:]]


def _many_elements() -> list[bytes]:
    whole = _dicom(np.arange(64, dtype=np.uint8).reshape(8, 8))
    place = whole.index(b"\xe0\x7f\x10\x00")
    elements = b"".join(struct.pack("<HH2sH", 9, k, b"LO", 0) for k in range(0x10, 0xFFFF)) * 18
    return [whole[:place] + elements + whole[place:]]


def _encapsulated(frame: bytes, syntax: str, rows: int = 8, columns: int = 8, samples: int = 1) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    meta.TransferSyntaxUID = UID(syntax)
    file = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID, file.PatientID = meta.MediaStorageSOPClassUID, "1.2.3", "p"
    file.Rows, file.Columns, file.SamplesPerPixel = rows, columns, samples
    file.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "RGB"
    if samples > 1:
        file.PlanarConfiguration = 0
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = encapsulate([frame])
    file["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    file.save_as(buffer)
    return buffer.getvalue()


def _framed(kind: str, syntax: str, mode: str, claim: int | None, sides: tuple[int, ...], **options: Any) -> list[bytes]:
    """JPEG or JPEG 2000 in DICOM, whose header claims `claim` pixels a side, or the truth."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    found = []
    for side in sides:
        buffer = io.BytesIO()
        Image.new(mode, (side, side)).save(buffer, kind, **options)
        found.append(_encapsulated(buffer.getvalue(), syntax, claim or side, claim or side, 3 if mode == "RGB" else 1))
    return found


def _runs() -> list[bytes]:
    head = struct.pack("<16I", 1, 64, *[0] * 14)
    return [_encapsulated(head + b"\x81\0" * 4_000_000, "1.2.840.10008.1.2.5")]


def _runs_of(side: int) -> bytes:
    head = struct.pack("<16I", 1, 64, *[0] * 14)
    return _encapsulated(head + b"\x81\0" * (side * side // 128), "1.2.840.10008.1.2.5", side, side)


def _deflated() -> list[bytes]:
    """Behind a long header, so that the syntax stands far from the start."""
    whole = _dicom(np.zeros((8, 8), np.uint8))
    place = whole.index(b"DICM") + 4
    body = whole[place + 12 + int.from_bytes(whole[place + 8 : place + 12], "little") :]
    meta = struct.pack("<HH2sHI", 2, 1, b"OB", 0, 100_000) + bytes(100_000)
    for element, value in ((2, b"1.2.840.10008.5.1.4.1.1.7"), (3, b"1.2.3"), (0x10, b"1.2.840.10008.1.2.1.99")):
        even = value + b"\0" * (len(value) % 2)
        meta += struct.pack("<HH2sH", 2, element, b"UI", len(even)) + even
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [body, struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 500_000_000), *[bytes(1_000_000)] * 500]
    packed = b"".join([*map(packer.compress, parts), packer.flush()])
    return [
        bytes(128)
        + b"DICM"
        + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))[:8]
        + struct.pack("<I", len(meta))
        + meta
        + packed
    ]


_JPEG, _JPEG_2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"
_TRUE = (3200, 4100, 5000)  # the first that is too large ends the reading
_DICOM: dict[str, Callable[[], list[bytes]]] = {
    **{
        f"dicom {name}": partial(_with, tag, b"UN", value)
        for name, tag, value in (
            ("window of millions", 0x00281050, b"1\\" * 4_000_000 + b"1 "),
            ("patient of millions", 0x00100020, b"1\\" * 4_500_000 + b"1 "),
            ("frames of millions", 0x00280008, b"1\\" * 4_000_000 + b"1 "),
            ("character sets", 0x00080005, b"ISO_IR 100\\" * 800_000 + b"ISO_IR 100"),
        )
    },
    "dicom items": partial(_with, 0x00283010, b"SQ", _EMPTY_ITEM * 1_000_000),
    "dicom items without an end": partial(_with, 0x00081140, b"SQ", _EMPTY_ITEM * 1_000_000, open_end=True),
    "dicom palette": partial(_with, 0x00281201, b"OW", bytes(9_000_000)),
    "dicom offsets": partial(_with, 0x7FE00001, b"OV", bytes(9_000_000)),
    "dicom elements": _many_elements,
    "dicom deflated": _deflated,
    "dicom runs": _runs,
    "dicom large runs": lambda: [_runs_of(side) for side in _TRUE],
    "dicom jpeg larger than said": partial(_framed, "JPEG", _JPEG, "L", 8, (13_000, 9_000)),
    "dicom jpeg RGB larger than said": partial(_framed, "JPEG", _JPEG, "RGB", 8, (13_000, 9_000), quality=1),
    "dicom jpeg": partial(_framed, "JPEG", _JPEG, "L", None, _TRUE),
    "dicom jpeg RGB": partial(_framed, "JPEG", _JPEG, "RGB", None, _TRUE),
    "dicom jpeg progressive": partial(_framed, "JPEG", _JPEG, "RGB", None, _TRUE, progressive=True, subsampling=0),
    "dicom jpeg 2000 larger than said": partial(_framed, "JPEG2000", _JPEG_2000, "L", 8, (9_000,), no_jp2=True),
    "dicom jpeg 2000": partial(_framed, "JPEG2000", _JPEG_2000, "L", None, _TRUE, no_jp2=True),
    "dicom jpeg 2000 RGB": partial(_framed, "JPEG2000", _JPEG_2000, "RGB", None, _TRUE, no_jp2=True),
}
SCANS: Kinds = {
    **{name: Kind(in_classes(files, ".nii.gz", 6), checked()) for name, files in _VOLUMES.items()},
    **{name: Kind(in_classes(files, ".dcm", 6), checked()) for name, files in _DICOM.items()},
}
