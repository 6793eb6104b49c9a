"""A run folder that goes with the object that made it, or with the next one where its process was killed."""

import contextlib
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Final, final

from filelock import FileLock, Timeout

from upcycle._private import exit_on_sigterm

PREFIX: Final = "upcycle-run-"
_ALIVE: Final = "alive.lock"  # held as long as the process may need the folder


@final
class TemporaryRun:
    """`folder` holds private images, for this user alone. It is removed with the object, at the end of the process (SIGTERM
    included), and after a SIGKILL by the next one that is made."""

    def __init__(self) -> None:
        exit_on_sigterm()
        remove_abandoned()
        root = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = FileLock(root / _ALIVE)
        lock.acquire(timeout=0)
        self.folder = root / "run"
        self._finalizer = weakref.finalize(self, _remove, root, lock)

    def remove(self) -> None:
        """Remove it now."""
        self._finalizer()


def remove_abandoned() -> None:
    """Remove what killed processes of this user left in the temporary folder."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if root.is_symlink() or (hasattr(os, "getuid") and root.lstat().st_uid != os.getuid()):
            continue
        lock = FileLock(root / _ALIVE)
        with contextlib.suppress(Timeout, OSError):
            lock.acquire(timeout=0)
            _remove(root, lock)


def _remove(root: Path, lock: FileLock) -> None:
    shutil.rmtree(root, ignore_errors=True)
    lock.release()
    shutil.rmtree(root, ignore_errors=True)  # Windows removes no file that is open
