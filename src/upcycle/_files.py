"""Files that outlive a power cut, and that tell whether they are whole.

Without these steps a file system with delayed allocation may keep a new name and lose the bytes behind it: an empty manifest,
or a manifest whose files are empty. So every file is written next to its place, forced to the disk, renamed, and the folder is
forced to the disk after it (Pillai et al., OSDI 2014). What a caller writes later is on the disk later, too.
"""

import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from upcycle import _bounded
from upcycle.errors import AGAIN, DamagedFileError

PARTIAL: Final = ".partial"  # ends the name of whatever is not in its place yet
_CHECK: Final = "check"
_DIGEST: Final = 32  # bytes of a SHA-256
_SUM: Final = "sha256"  # the field of a record that holds the hash of the others


def durable_replace(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` make a file at the path it is given, and put that file in the place of `path`.

    A reader sees the old file or the whole new one, and after a power cut that stays so. Returns when the disk has it.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")  # two workers may write one file
    try:
        write(partial)
        sync(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)  # a full disk would stay full
        raise
    sync(path.parent)


def durable_swap(partial: Path, folder: Path) -> None:
    """As `durable_replace` for a folder: `partial` takes the place of `folder`, which is removed."""
    for path in (*partial.rglob("*"), partial):
        sync(path)
    old = folder.with_name(folder.name + ".old")
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk. Windows cannot open folders; there it keeps names by its journal."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    number = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_text(path: Path, text: str) -> None:
    """Write a text, durably."""
    durable_replace(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, durably."""
    durable_replace(path, lambda partial: partial.write_bytes(content))


def json_text(value: Any, indent: int | None = 1) -> str:
    """`value` as JSON that every reader takes: a number that is not finite, which JSON cannot hold, becomes null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def write_json(path: Path, value: Any) -> None:
    """Write JSON, durably."""
    write_text(path, json_text(value) + "\n")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy, durably."""
    durable_replace(path, lambda partial: _fill(partial, lambda file: np.save(file, array)))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = True) -> None:
    """Write named arrays as .npz, durably."""
    save = np.savez_compressed if compressed else np.savez
    durable_replace(path, lambda partial: _fill(partial, lambda file: save(file, **arrays)))  # type: ignore[arg-type]


def _fill(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write through an open file: NumPy would add its own ending to a name."""
    with path.open("wb") as file:
        write(file)


def write_record(path: Path, facts: Mapping[str, Any]) -> None:
    """Write JSON that holds its own hash, for `read_record`."""
    plain = json.loads(json_text(dict(facts)))  # keys and numbers as a reader will find them
    write_json(path, {**plain, _SUM: _hash_of(plain)})


def read_record(path: Path, *needed: str) -> dict[str, Any]:
    """What `write_record` wrote. Raises DamagedFileError where a single byte of it changed, or a field `needed` is missing."""
    found = read_json(path)
    if not isinstance(found, dict) or found.pop(_SUM, None) != _hash_of(found):
        raise DamagedFileError(path, "one whose content does not have the SHA-256 that stands in it")
    if missing := [name for name in needed if name not in found]:
        raise DamagedFileError(path, f"the record of something else, without {missing[0]!r}")
    return found


def read_json(path: Path) -> Any:
    """The JSON in `path`. Raises DamagedFileError where it is missing or does not parse."""
    try:
        return _bounded.read_json(path, _bounded.OWN)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise DamagedFileError(path, "none") from None
    except ValueError as error:
        raise DamagedFileError(path, "one that is not JSON") from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits, as `sha256sum` prints it."""
    with _bounded.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_hash(path: Path, known: str | None, remedy: str = AGAIN, source: str = "was written") -> None:
    """Raise DamagedFileError unless the file is there and has the SHA-256 `known`; `source` says whence."""
    try:
        found = sha256(path) if path.is_file() else None  # a pipe or a device never ends
    except (OSError, ValueError):
        found = None
    if found is None:
        raise DamagedFileError(path, "none", remedy)
    if found != known:
        raise DamagedFileError(path, f"one of SHA-256 {found[:12]}... where {(known or 'none')[:12]}... {source}", remedy)


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line of JSON to a file of such lines; its "check" is a CRC-32 of the rest.

    It is one write, after a line break where a kill left half a line: that spoils no other, and processes that append at the
    same time do not mix their lines.
    """
    row = _finite(row)
    text = json_text({**row, _CHECK: _crc(row)}, indent=None)
    with path.open("a+b") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        start = "\n" if file.read(1) not in (b"", b"\n") else ""
        file.write(f"{start}{text}\n".encode())


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of `append_row`, without those that a kill cut or that were damaged since."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        try:
            row = json.loads(line)
            if row.pop(_CHECK) == _crc(row):
                yield row
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


def _crc(row: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(row).encode()):08x}"


def seal(path: Path) -> None:
    """Append the file's own SHA-256 to it, for `unsealed`. For formats that do not notice a changed byte."""
    with path.open("r+b") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        file.seek(0, os.SEEK_END)
        file.write(digest)


def unsealed(path: Path) -> bytes:
    """What `path` held before `seal`. Raises DamagedFileError where a single byte of it changed, or none is left."""
    with _bounded.opened(path) as file:
        content = file.read()
    if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise DamagedFileError(path, "one that is cut or changed")
    return content[:-_DIGEST]


def forced_hash(path: Path) -> str:
    """The SHA-256 of a file that was written in whatever way, after forcing it and its name to the disk: what a manifest says
    of it then holds after a power cut, too."""
    sync(path)
    sync(path.parent)
    return sha256(path)


def sweep(folder: Path) -> None:
    """Remove what a process that was killed left half-written in `folder` and below."""
    for path in sorted(folder.rglob(f"*{PARTIAL}")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _hash_of(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
