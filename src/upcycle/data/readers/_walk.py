"""The files of a folder, in order; a file that can be neither opened nor ruled out is reported."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from upcycle.data.readers._raw import Findings, shown

_DEEPEST = 100  # folders within folders; more are a mistake, and Python's own depth ends at some hundreds


@dataclass
class Walk:
    """Walks folders below `root` and keeps what could not be read; `report` says it once."""

    root: Path
    closed: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._real = os.path.realpath(self.root)

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in `folder`, a path relative to the root; links to folders included."""
        return [entry.name for entry in self._entries(folder) if self._kind(entry) == "folder"]

    def loose(self, folder: str) -> list[str]:
        """Files in `folder` itself, relative to the root."""
        return [_joined(folder, entry.name) for entry in self._entries(folder) if self._kind(entry) == "file"]

    def files(self, folder: str) -> Iterator[str]:
        """Files below `folder` in order of name, relative to the root. A folder behind several links is walked once."""
        below = []
        for entry in self._entries(folder):
            name, kind = _joined(folder, entry.name), self._kind(entry)
            if kind == "file":
                below.append((name, False))
            elif kind == "folder" and self._is_new(entry, name):
                below.append((name, True))
        for name, is_folder in sorted(below):
            if is_folder and name.count("/") >= _DEEPEST:
                self.closed.append(f"{name[:40]}... (a folder within {_DEEPEST} others)")
            elif is_folder:
                yield from self.files(name)
            else:
                yield name

    def report(self, findings: Findings) -> None:
        """Say what is closed (a problem) and which links lead to what is read anyway (a note)."""
        if self.closed:
            got = shown(sorted(set(self.closed)))
            findings.problem("every entry", "a file or folder that can be opened", got, "Repair or remove them.")
        if self.known:
            findings.note(f"links to folders that are read anyway were not followed: {shown(sorted(set(self.known)))}")

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as found:
                return sorted((entry for entry in found if not hidden(entry.name)), key=lambda entry: entry.name)
        except OSError:
            self.closed.append(f"{folder or '.'} (a folder that cannot be opened)")
            return []

    def _kind(self, entry: os.DirEntry[str]) -> str:
        """file, folder or "" for what cannot be opened, which is kept for the report."""
        try:
            if entry.is_dir():
                return "folder"
            if entry.is_file():
                return "file"
        except OSError:
            pass
        self._close(entry, "a link to nothing" if entry.is_symlink() else "neither a file nor a folder")
        return ""

    def _close(self, entry: os.DirEntry[str], why: str) -> None:
        self.closed.append(f"{os.path.relpath(entry.path, self.root).replace(os.sep, '/')} ({why})")

    def _is_new(self, entry: os.DirEntry[str], name: str) -> bool:
        """Whether a folder is to be walked: a link only where it leads to what no other way leads to, so no loop is endless."""
        if not entry.is_symlink():
            return True
        real = os.path.realpath(entry.path)
        if any(os.path.commonpath([real, other]) in (real, other) for other in (self._real, *self._seen)):
            self.known.append(name)
            return False
        self._seen.add(real)
        return True


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def hidden(name: str) -> bool:
    """What systems and editors hide."""
    return name.startswith(".") or name == "__MACOSX"
