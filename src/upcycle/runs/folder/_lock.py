"""One process at a time in a run folder, on one machine or on several that share a disk.

The operating system's lock tells whether another process of this machine works here, and ends with that process. Whether a
network disk hands it on to other machines cannot be known from here. So whoever holds it also writes a file every few seconds
that names its host and process. A file of another host that changes is one of a process at work; one that stands still for as
long as a lease was left by a process that is gone.
"""

import contextlib
import json
import os
import platform
import secrets
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from upcycle.errors import RunFolderError

LOCK: Final = ".lock"
HOLDER: Final = ".lock-holder.json"
LEASE: Final = 30.0  # seconds without a sign of life after which a process of another machine counts as gone
_BEATS = 6  # signs of life in a lease


@dataclass(frozen=True)
class Holder:
    """Who works in a run folder; `beat` goes up with every sign of life, `token` is one process's own."""

    host: str
    process: int
    since: str
    token: str
    beat: int = 0

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"


@contextlib.contextmanager
def only_one(root: Path, *, lease: float = LEASE, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the folder's lock. Raises RunFolderError, which names the other process, while another one works in it.

    A killed process leaves no lock behind. One of another machine is watched for `lease` seconds first, which `say` is told.
    """
    lock = FileLock(root / LOCK)
    try:
        with warnings.catch_warnings():  # on a disk without locks filelock makes do with a file, and says so
            warnings.simplefilter("ignore")
            lock.acquire(timeout=0)
    except Timeout:
        raise _in_use(root, read_holder(root)) from None
    try:
        _wait_for_others(root, lease, say)
        with _signs_of_life(root, lease):
            yield
    finally:
        lock.release()


def read_holder(root: Path) -> Holder | None:
    """Who says that it works in `root`, None where nobody does."""
    try:
        found: dict[str, Any] = json.loads((root / HOLDER).read_text(encoding="utf-8"))
        return Holder(**found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return Holder("an unknown host", 0, "an unknown time", "")


def _in_use(root: Path, holder: Holder | None) -> RunFolderError:
    who = f", where {holder or 'another upcycle'} is at work"
    return RunFolderError(f"out must not be in use. Got {root}{who}. Wait for it or stop it.")


def _wait_for_others(root: Path, lease: float, say: Callable[[str], None]) -> None:
    """Return at once if nobody of another machine was here last, else when a lease went by without a sign of life."""
    first = read_holder(root)
    if first is None or first.host == platform.node():
        return  # the lock of this machine has told that no process of it is at work
    say(f"{root} was last in use by {first}: watching for {lease:.0f} s whether it still is")
    end = time.monotonic() + lease
    while time.monotonic() < end:
        time.sleep(lease / (4 * _BEATS))
        found = read_holder(root)
        if found is None:
            return
        if found != first:
            raise _in_use(root, found)
    say(f"{first} is gone: going on in its place")


@contextlib.contextmanager
def _signs_of_life(root: Path, lease: float) -> Iterator[None]:
    holder = Holder(platform.node(), os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S"), secrets.token_hex(8))
    _write(root, holder)
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(root, holder, done, lease / _BEATS), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        found = read_holder(root)
        if found is not None and found.token == holder.token:
            (root / HOLDER).unlink(missing_ok=True)


def _beat(root: Path, holder: Holder, done: threading.Event, every: float) -> None:
    """Give a sign of life every so often. A process that slept for longer than its lease may find another in its place, and
    then stops: two in one folder would mix their results."""
    while not done.wait(every):
        found = read_holder(root)
        if found is not None and found.token not in ("", holder.token):
            _interrupt_main()
            return
        holder = replace(holder, beat=holder.beat + 1)
        with contextlib.suppress(OSError):  # a full disk stops the work, which says so
            _write(root, holder)


def _interrupt_main() -> None:
    """Stop as Ctrl-C would; under `nohup`, where Ctrl-C is ignored and the process would go on, as a request to end."""
    import _thread

    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    _thread.interrupt_main(signal.SIGTERM if ignored else signal.SIGINT)


def _write(root: Path, holder: Holder) -> None:
    """Not forced to the disk: after a power cut nobody is at work."""
    partial = root / f"{HOLDER}.{holder.token}.partial"
    partial.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    os.replace(partial, root / HOLDER)
