"""Which errors a user can correct, the lines they end in, and the exit code."""

import errno
from typing import Final

import click

from upcycle.errors import UpcycleError

STOPPED = "stopped. The same command resumes."
_DISK = "disk must have room left. Got a full one. Free some space; the same command resumes."
_DISK_OR_LIMIT = (
    "disk must take what is written. Got a full one, or the limit of this process (ulimit -f). "
    "Free some space or raise the limit; the same command resumes."
)
_LIMIT = "files must be allowed to grow. Got the limit of this process (ulimit -f). Raise it; the same command resumes."
_MEMORY = "memory must suffice for the preset. Got none left. Use a smaller preset, bank or batch (docs/settings.md)."
_FILES = "more files must be allowed to be open. Got the limit (ulimit -n). Raise it; the same command resumes."
_ZERO = "path must be without a zero byte. Got one with it. Check how it was put together."
# Libraries that write or allocate outside Python report the system's error in words only; torch.save and NumPy hide the words.
_DISK_WORDS = ("No space left on device", "Disk quota exceeded")
_HIDDEN_WORDS = ("inline_container.cc", "requested and")
_LIMIT_WORDS = ("File too large",)
_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "Cannot allocate memory")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_SILENT_DISK: Final = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV, errno.ENXIO, errno.EBUSY)
_NO_SUCH_PLACE: Final = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENOENT, errno.EEXIST, errno.EXDEV)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def explain(error: BaseException) -> tuple[list[str], int]:
    """The lines and the exit code for an error that the user can correct; no lines for a bug."""
    if isinstance(error, UpcycleError):
        return list(error.problems), 2
    if isinstance(error, click.Abort) and isinstance(error.__cause__ or error.__context__, EOFError):
        return [], 1  # click takes the end of a damaged file for the end of what is typed
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return [STOPPED], 130
    if isinstance(error, click.ClickException):
        return [_usage(error)], 2
    line = _of_the_system(error)
    return ([line], 2) if line else ([], 1)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    more = f" See `{context.command_path} --help`." if context else ""
    return error.format_message() + more


def _of_the_system(error: BaseException) -> str:
    """The line for what disk, memory or a path answered; empty for anything else."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL or _says(error, _DISK_WORDS):
        return _DISK
    if _says(error, _HIDDEN_WORDS):
        return _DISK_OR_LIMIT
    if number == errno.EFBIG or _says(error, _LIMIT_WORDS):
        return _LIMIT
    if isinstance(error, MemoryError) or number == errno.ENOMEM or _says(error, _MEMORY_WORDS):
        return _MEMORY
    if number in (errno.EMFILE, errno.ENFILE):
        return _FILES
    if isinstance(error, ValueError) and ("null byte" in str(error) or "null character" in str(error)):
        return _ZERO
    return _of_the_path(error) if isinstance(error, OSError) else ""


def _of_the_path(error: OSError) -> str:
    """The line for an error that names a path; empty where it names none, as then nobody could mend it."""
    if error.errno in _SILENT_DISK:
        return f"disk must answer. Got {error.strerror} for {error.filename or 'a file'}. Check it; the same command resumes."
    if error.filename is None or error.errno not in (*_FORBIDDEN, *_NO_SUCH_PLACE):
        return ""
    return f"path must be one you may use. Got {shown(str(error.filename))}: {error.strerror}. Choose another."


def shown(path: str, most: int = 200) -> str:
    """A path for a line, cut where it is long."""
    return path if len(path) <= most else f"{path[:most]}... ({len(path):,} characters)"


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    return _is_native(error) and any(word in str(error) for word in words)


def _is_native(error: BaseException) -> bool:
    """Raised by compiled code of torch (also its OutOfMemoryError), NumPy or safetensors."""
    wordless = isinstance(error, OSError) and error.errno is None
    return isinstance(error, RuntimeError) or wordless or type(error).__name__ == "SafetensorError"
