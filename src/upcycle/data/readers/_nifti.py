"""Folders of NIfTI volumes: slices in a named plane, as 8-bit images; the header is used for orientation only."""

import contextlib
import gzip
import io
import logging
import math
import struct
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from upcycle.data.readers._extra import need
from upcycle.data.readers._folder import FileKind, Opened, read_files
from upcycle.data.readers._grey import chosen, stretched, to_bytes, window
from upcycle.data.readers._picture import Unreadable
from upcycle.data.readers._raw import RawImages, Source
from upcycle.errors import DataError

_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}  # of a volume turned to right, anterior, superior
_BYTES_AT_WORK = 12  # per voxel: the volume, turned, and as shares, each float32
_MAX_VOXELS = 2**29  # 1024 x 1024 x 512; as float32 2 GB


_MOST_NOTES = 2**23  # bytes behind the header, which usually hold a protocol
_MOST_NOTE_COUNT = 10_000  # each becomes an object of 1 kB


@dataclass(frozen=True)
class _Head:
    """A header of `size` bytes: where it says how many axes there are, and where the pixels begin."""

    size: int
    axes: tuple[int, str]
    pixels: tuple[int, str]

    def fits(self, head: bytes, mark: str) -> bool:
        """Whether `head` is one, its numbers in the order of bytes that `mark` stands for."""
        return (
            len(head) >= self.size
            and self._read(head, mark, (0, "i")) == self.size
            and 1 <= self._read(head, mark, self.axes) <= 7
        )

    def offset_of_pixels(self, head: bytes, mark: str) -> int:
        found = self._read(head, mark, self.pixels)
        return int(found) if math.isfinite(found) else 0

    def _read(self, head: bytes, mark: str, field: tuple[int, str]) -> float:
        place, kind = field
        return float(struct.unpack_from(mark + kind, head, place)[0])


_HEADS = (_Head(348, (40, "h"), (108, "f")), _Head(540, (16, "q"), (168, "q")))


def read_nifti(source: Source) -> RawImages:
    """Slices of .nii and .nii.gz files in class folders or named by a labels.csv; groups are volumes."""
    return read_files(source, VOLUME)


def _open(path: str, source: Source) -> Opened:
    try:
        with _quiet():
            volume = _volume(Path(path), source)
    except (DataError, Unreadable):
        raise
    except Exception as error:  # of the parser, which may raise whatever Python has on a damaged file
        raise Unreadable(
            textwrap.shorten(" ".join(str(error).split()), 120, placeholder=" ...").rstrip(".,: ") or type(error).__name__
        ) from None
    shares = _shares(volume, source)
    settings = source.settings
    slices = np.moveaxis(shares, _AXIS[settings.plane], 0)
    indices = chosen(len(slices), settings.slices, settings.slice_share)
    if len(indices) < settings.slices:
        source.findings.count(f"NIfTI volumes with fewer than {settings.slices} such slices gave all that they have")
    source.findings.note(f"NIfTI volumes were cut into {settings.plane} slices: {settings.slices or 'all'} of each")
    # the patient's right (or front) is on the left of the image, the front (or head) at the top, as radiologists look
    return Opened([to_bytes(np.flip(slices[index].T)) for index in indices])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what nibabel warns of and prints about header fields that are not used here."""
    logger = logging.getLogger("nibabel.global")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _volume(path: Path, source: Source) -> np.ndarray:
    """float32 (x, y, z), axes turned to right, anterior, superior."""
    nibabel: Any = need("nibabel", "medical", "NIfTI files")
    _check_suffix(path)
    _check_extensions(path)
    image = nibabel.load(path)
    shape = tuple(int(n) for n in image.shape)
    if len(shape) == 4 and shape[3] == 1:
        image, shape = image.slicer[..., 0], shape[:3]
    if len(shape) != 3 or min(shape) < 1:
        raise Unreadable(f"shape {' x '.join(map(str, shape))}, not one volume")
    if image.get_data_dtype().fields is not None or image.get_data_dtype().kind == "c":
        raise Unreadable("colour or complex voxels")
    if math.prod(shape) > _MAX_VOXELS:
        raise Unreadable(f"{math.prod(shape):.0e} voxels")
    _check_length(path, math.prod(shape) * image.get_data_dtype().itemsize, source)
    source.check_work(math.prod(shape) * _BYTES_AT_WORK, path.stat().st_size)
    upright = nibabel.as_closest_canonical(image)
    wide = [float(side) for axis, side in enumerate(upright.header.get_zooms()[:3]) if axis != _AXIS[source.settings.plane]]
    if 0 < 1.01 * min(wide) < max(wide):
        source.findings.count("files whose pixels are higher than wide, or wider than high: they were read as squares")
    values = upright.get_fdata(dtype=np.float32, caching="unchanged")
    if not np.isfinite(values).all():
        raise Unreadable("voxels that are NaN or infinite")
    return np.asarray(values)


def _check_suffix(path: Path) -> None:
    """Raise Unreadable for a suffix that hides whether the file is packed, by which nibabel opens it."""
    with path.open("rb") as file:
        start = file.read(348)
    if start.startswith(b"\x1f\x8b") and not _is_packed(path):
        raise Unreadable("packed by gzip, call it .nii.gz")
    if start[344:347] == b"n+1" and _is_packed(path):
        raise Unreadable("not packed by gzip, call it .nii")


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _check_extensions(path: Path) -> None:
    """Raise Unreadable where the notes behind the header are longer than notes are, or claim it: the parser reads each of them
    whole, and of a packed file that may be gigabytes (NIfTI-1 and -2, "extended header")."""
    with gzip.open(path) if _is_packed(path) else path.open("rb") as file:
        head = file.read(_HEADS[1].size)
        kind = next((kind for kind in _HEADS for mark in "<>" if kind.fits(head, mark)), None)
        if kind is None:
            raise Unreadable("a header of no NIfTI volume")
        mark = "<" if kind.fits(head, "<") else ">"
        file.seek(kind.size)
        if file.read(4)[:1] in (b"", b"\0"):
            return
        left, notes = kind.offset_of_pixels(head, mark) - kind.size - 4, 0
        while left >= 16:
            (length,) = struct.unpack(f"{mark}i", file.read(4).ljust(4, b"\0"))
            notes += 1
            if not 8 <= length <= left <= _MOST_NOTES or notes > _MOST_NOTE_COUNT:
                raise Unreadable(f"notes of {max(length, left):,} bytes behind the header")
            file.seek(length - 4, io.SEEK_CUR)
            left -= length


def _check_length(path: Path, claimed: int, source: Source) -> None:
    """Raise Unreadable before anything is allocated where the file is too short for its header, or packs like a bomb."""
    size = path.stat().st_size
    if not _is_packed(path):
        if size < claimed:
            raise Unreadable("shorter than its header says")
        return
    source.check_unpacked(claimed, size)
    with gzip.open(path, "rb") as file:
        left = claimed
        while left > 0 and (block := file.read(min(left, 2**22))):
            left -= len(block)
    if left > 0:
        raise Unreadable("shorter than its header says")


def _shares(volume: np.ndarray, source: Source) -> np.ndarray:
    """[0, 1] (x, y, z): by the window asked for, or from the 0.5th to the 99.5th percentile of the whole volume."""
    if source.settings.window:
        return window(volume, *source.settings.window, "LINEAR_EXACT")
    source.findings.note("NIfTI volumes without data.window were stretched from their 0.5th to their 99.5th percentile")
    low, high = np.percentile(volume, [0.5, 99.5])
    if low == high:  # of a mask, a lesion map, a scan of few hot spots
        source.findings.count(
            "NIfTI volumes with one value nearly everywhere were stretched from their lowest to their highest"
        )
        low, high = volume.min(), volume.max()
    return stretched(volume, float(low), float(high))


VOLUME: Final = FileKind("volume", "NIfTI", _open)
