"""Arrays out of an .npz that somebody else may have made: sizes are checked before anything is unpacked."""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from upcycle._bounded import DEFAULT, Limits, TooLarge, check_unpacked, one_line, opened

DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, OverflowError),
    *(SyntaxError, tokenize.TokenError, IndexError, MemoryError),
)
"""Raised by zipfile and NumPy on a damaged, encrypted or foreign file; around opening and decoding alone, never around work."""


class NotPlainArrays(ValueError):
    """The file is no .npz of plain arrays, or would take too much memory; the text says why, in a few words."""


def read_arrays(
    path: Path, wanted: Callable[[str], bool] = lambda _: True, limits: Limits = DEFAULT, *, numbers: bool = False
) -> tuple[Mapping[str, np.ndarray], tuple[str, ...]]:
    """The arrays of `path` whose names are `wanted`, and the names of all. `numbers` says that they will be made float64.

    Raises NotPlainArrays for anything else than plain arrays, or for more of them than `limits` allow.
    """
    try:
        with opened(path) as handle:  # opened here, as NumPy leaves its own handle open when the archive is damaged
            names = _checked(handle, path, wanted, limits, numbers)
            handle.seek(0)
            with np.load(handle, allow_pickle=False) as file:
                return {name: _array(file, name) for name in names if wanted(name)}, names
    except (NotPlainArrays, TooLarge) as error:
        raise NotPlainArrays(str(error)) from None
    except DAMAGED as error:
        raise NotPlainArrays(f"a damaged or foreign file ({one_line(error)})") from None


def _checked(handle: IO[bytes], path: Path, wanted: Callable[[str], bool], limits: Limits, numbers: bool) -> tuple[str, ...]:
    """Names of the arrays in the archive. Raises before anything is unpacked that is too large or lies about its size.

    NumPy allocates what an array's header claims before it reads the first byte.
    """
    if not zipfile.is_zipfile(handle):
        raise NotPlainArrays("one array, not an archive" if _is_single(handle) else "a file that is no zip archive")
    with zipfile.ZipFile(handle) as archive:
        members = archive.infolist()
        if len(members) > limits.entries:
            raise TooLarge(f"{len(members):,} entries, more than {limits.entries:,}")
        chosen = [member for member in members if wanted(_name(member))]
        check_unpacked(sum(member.file_size for member in chosen), path.stat().st_size, limits)
        sizes = [check_header(archive, member) for member in chosen]
        if numbers:
            check_unpacked(sum(map(at_work, sizes)), path.stat().st_size, limits)
    return tuple(map(_name, members))


def _is_single(handle: IO[bytes]) -> bool:
    handle.seek(0)
    return handle.read(6) == np.lib.format.MAGIC_PREFIX


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


Size = tuple[int, int]  # how many values, and bytes of each


def at_work(size: Size) -> int:
    """Bytes that an array takes while it is worked on as numbers of 64 bits, of which there is a copy at times."""
    count, each = size
    return 2 * count * max(each, 8)


def check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Size:
    """The size of an array. Raises NotPlainArrays for what is none of plain values, and ValueError for a size that is a lie."""
    with archive.open(member) as file:
        header = _npy_header(file)
        if header is None:
            raise NotPlainArrays(f"{_name(member)}, which is no array")
        shape, dtype = header
        if dtype.hasobject:
            raise NotPlainArrays(f"Python objects in {_name(member)}, which would run code")
        if math.prod(shape) * dtype.itemsize + file.tell() != member.file_size:
            raise ValueError(f"{member.filename} does not hold the array it claims")
        return math.prod(shape), dtype.itemsize


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type of the array in `file`, read up to its first value; None for a member that is no array."""
    start = file.read(8)
    if start[:6] != np.lib.format.MAGIC_PREFIX:
        return None
    reading = np.lib.format.read_array_header_1_0 if start[6:] == b"\x01\x00" else np.lib.format.read_array_header_2_0
    shape, _, dtype = reading(file)
    return shape, dtype


def _array(file: Any, name: str) -> np.ndarray:
    array = file[name]
    if not isinstance(array, np.ndarray):
        raise NotPlainArrays(f"{name}, which is no array")
    return array
