"""Errors that a user can correct. The command line prints each as one line and exits with 2; bugs keep their traceback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final


def printable(text: str) -> str:
    """`text` on one line: a name of a file, class or setting may hold line ends, and codes that steer a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


class UpcycleError(Exception):
    """Something about the input must change. Holds every problem found, one sentence line each.

    Each line follows `<what> must be <allowed>. Got <value>. <what to do next>.`
    """

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[UpcycleError], tuple[str, ...]]:
        """The problems stay separate when the error comes from another process."""
        return type(self), tuple(self.problems)


class DataError(UpcycleError):
    """The images, labels, groups or splits cannot be used as they are."""


class AuditInputError(DataError):
    """The scores, membership, groups or ids cannot be audited as they are. Always raised instead of a number."""


class ArgumentError(UpcycleError, TypeError):
    """An argument is of another type than the function takes."""


class ConfigError(UpcycleError):
    """A setting is unknown or outside its range."""


class RunFolderError(UpcycleError):
    """The run folder is not ours, or belongs to another configuration."""


AGAIN: Final = "Run the upcycle run command of this folder again: it makes the file again, or says what it cannot make."


class DamagedFileError(RunFolderError):
    """A file that upcycle wrote is missing, cut or changed. Names the file; the last part of the line says how to go on."""

    def __init__(self, path: Path, got: str, remedy: str = AGAIN) -> None:
        super().__init__(f"{path} must be as upcycle wrote it. Got {got}. {remedy}")
        self.path, self.got, self.remedy = path, got, remedy

    def __reduce__(self) -> tuple[type[UpcycleError], tuple[Path, str, str]]:  # type: ignore[override]
        return type(self), (self.path, self.got, self.remedy)


class ResourceError(UpcycleError):
    """Not enough disk, memory or time for what was asked."""


class TrainingError(UpcycleError):
    """A network cannot learn with these settings."""


class ReleaseError(UpcycleError):
    """Nothing may leave, or what would leave is not what it should be."""


class SealedError(RuntimeError):
    """Code that must never see a private image tried to open one. Always a bug, so it keeps its traceback."""
