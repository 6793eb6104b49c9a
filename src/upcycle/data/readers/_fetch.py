"""Files from the network into a cache: resumed where they were cut off, checked, and whole or not there at all."""

import contextlib
import hashlib
import http.client
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from upcycle.errors import DataError

_BLOCK = 2**18


_SECONDS = 30.0  # without a byte, after which a connection counts as lost


_TRIES = 4  # connections in a row that bring nothing


def cache_folder() -> Path:
    """UPCYCLE_CACHE, or the cache folder of this platform."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("UPCYCLE_CACHE") or user_cache_path("upcycle", appauthor=False))


def fetch(address: str, md5: str, target: Path, *, most_bytes: int = 2**36) -> Path:
    """`target`, downloaded from `address` unless it is there; its MD5 is checked either way.

    The download goes to `target` + ".partial", which the next call continues, and is renamed when it is complete. Of two
    processes the second waits. Raises DataError where there is no network, and for a file that is not the one expected: a
    download is then removed, a file that was there before is left alone.
    """
    from filelock import FileLock

    if target.exists():  # before the lock, as a cache shared by many may be read-only
        return _checked(target, md5)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(target.name + ".lock")):
        if target.exists():
            return _checked(target, md5)
        partial = target.with_name(target.name + ".partial")
        for attempt in ("resumed", "again"):
            resumed = partial.exists()
            _download(address, partial, most_bytes)
            if (found := _md5(partial)) == md5:
                os.replace(partial, target)
                return target
            partial.unlink()
            if attempt == "again" or not resumed:
                break
        raise DataError(
            f"{target.name} must be the official file (MD5 {md5}). Got MD5 {found} from {_host(address)}, and removed it. "
            "Try again later, or fetch it by hand."
        )


def _checked(path: Path, md5: str) -> Path:
    found = _md5(path)
    if found == md5:
        return path
    raise DataError(f"{path} must be the official file (MD5 {md5}). Got MD5 {found}. Delete it to fetch it again.")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _download(address: str, partial: Path, most_bytes: int) -> None:
    """All of `address` in `partial`, over as many connections as it takes while each brings something."""
    idle, reason = 0, ""
    while idle < _TRIES:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            if _one_connection(address, partial, most_bytes):
                return
            reason = "the connection was cut"
        except HTTPError as error:
            with error:  # its body is an open connection
                if error.code != 416:
                    raise _no_network(address, f"HTTP {error.code}", partial) from None
            partial.unlink(missing_ok=True)  # more than there is: another file's
            reason = "HTTP 416"
        except (URLError, OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        now = partial.stat().st_size if partial.exists() else 0
        idle = 0 if now > before else idle + 1
    raise _no_network(address, reason, partial)


def _no_network(address: str, reason: str, partial: Path) -> DataError:
    name = partial.name.removesuffix(".partial")
    kept = partial.stat().st_size if partial.exists() else 0
    then = f"The same command continues after {kept / 1e6:.1f} MB" if kept else "Connect"
    return DataError(
        f"{name} must come from {_host(address)}. Got {' '.join(reason.split())}. "
        f"{then}, or put the file into {partial.parent}."
    )


def _host(address: str) -> str:
    return address.split("/")[2]


def _one_connection(address: str, partial: Path, most_bytes: int) -> bool:
    """Whether `partial` is whole after one connection, which starts where it ended if the server can do that."""
    start = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "upcycle"} | ({"Range": f"bytes={start}-"} if start else {})
    with urlopen(Request(address, headers=headers), timeout=_SECONDS) as response:
        if start and not _goes_on(response, start):
            start = 0  # a server without ranges sends the whole file
        total = _total(response, start)
        if total is not None and total > most_bytes:
            raise _no_network(address, f"a file of {total / 1e9:.0f} GB", partial)
        with partial.open("r+b" if start else "wb") as file, _progress(partial, total) as show:
            file.seek(start)
            while block := _block(response):
                file.write(block)
                show(file.tell())
                if file.tell() > (total or most_bytes):
                    break
            file.truncate()
            return total is None or file.tell() >= total


def _block(response: Any) -> bytes:
    """What came; nothing where the connection broke, so that what came before is kept."""
    try:
        return bytes(response.read1(_BLOCK))
    except (OSError, http.client.HTTPException):
        return b""


def _goes_on(response: Any, start: int) -> bool:
    return response.status == 206 and str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _total(response: Any, start: int) -> int | None:
    length = response.headers.get("Content-Length")
    return start + int(length) if length and length.isdecimal() else None


@contextlib.contextmanager
def _progress(partial: Path, total: int | None) -> Iterator[Any]:
    """A function of the bytes so far that shows them, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    of = f" of {total / 1e6:.0f}" if total else ""
    name = partial.name.removesuffix(".partial")
    yield lambda done: print(f"\rfetching {name}: {done / 1e6:.0f}{of} MB", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
