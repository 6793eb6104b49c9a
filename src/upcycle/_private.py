"""What a process that holds private data does for them: nobody else may read its files, and it leaves no core file."""

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

TERMINATED: Final = 128 + signal.SIGTERM  # the exit code of a process that SIGTERM ended
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@contextlib.contextmanager
def closed_to_others() -> Iterator[None]:
    """While active, new files are 0600 and new folders 0700, whatever the user's umask, and a crash writes no core file.

    The umask is one of the whole process: other threads write closed files, too.
    """
    before = os.umask(_OTHERS)
    try:
        with _no_core_files():
            yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def _no_core_files() -> Iterator[None]:
    """A core file holds the memory of the process, private images included."""
    try:
        import resource
    except ImportError:  # Windows writes none unless the administrator asks for them
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def close_to_others(folder: Path) -> int:
    """Take from everybody but the owner what they may do with `folder` and what lies in it; how many entries were open.

    Windows has no such bits: there a folder inherits who may read it.
    """
    if os.name == "nt":
        return 0
    found = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink() and path.lstat().st_mode & _OTHERS]
    for path in found:
        path.chmod(path.lstat().st_mode & ~_OTHERS)
    return len(found)


def open_to_readers(folder: Path, umask: int) -> None:
    """Give a folder that may leave, and all in it, the bits that `umask` leaves to new files. Not to what a link leads to."""
    found = () if folder.is_symlink() else (folder, *folder.rglob("*"))
    for path in (path for path in found if not path.is_symlink()):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)


def exit_on_sigterm() -> None:
    """Have SIGTERM (a scheduler, docker stop, a logout) end this process as an exception does, so that work files are removed.

    A handler of somebody else's stays, and only the main thread may set one.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(_: int, __: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end the cleaning up
    sys.exit(TERMINATED)
