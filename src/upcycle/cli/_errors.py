"""Which errors a user can mend, the lines they end in, and the exit code."""

from __future__ import annotations

import errno

import click

from upcycle.errors import UpcycleError

STOPPED = "stopped. The same command resumes."
_DISK = "disk must have room left. Got a full one. Free some space; the same command resumes."
_MEMORY = "memory must suffice for the preset. Got none left. Use a smaller preset, bank or batch (docs/settings.md)."
# Libraries that write or allocate outside Python report the system's error in words only; torch.save even hides the words.
_DISK_WORDS = ("No space left on device", "Disk quota exceeded", "inline_container.cc", "requested and")
_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "Cannot allocate memory")


def explain(error: BaseException) -> tuple[list[str], int]:
    """The lines and the exit code for an error the user can mend; no lines for a bug."""
    if isinstance(error, UpcycleError):
        return list(error.problems), 2
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return [STOPPED], 130
    if isinstance(error, click.ClickException):
        return [_usage(error)], 2
    if _is_disk_full(error):
        return [_DISK], 2
    if _is_out_of_memory(error):
        return [_MEMORY], 2
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return [f"path must be one you may use. Got {error.filename}: {error.strerror}. Choose another."], 2
    return [], 1


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    more = f" See `{context.command_path} --help`." if context else ""
    return error.format_message() + more


def _is_disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    text = str(error)
    return _is_native(error) and any(words in text for words in _DISK_WORDS)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (_is_native(error) and any(words in str(error) for words in _MEMORY_WORDS))


def _is_native(error: BaseException) -> bool:
    """Raised by compiled code of torch (also its OutOfMemoryError), NumPy or safetensors."""
    wordless = isinstance(error, OSError) and error.errno is None
    return isinstance(error, RuntimeError) or wordless or type(error).__name__ == "SafetensorError"
