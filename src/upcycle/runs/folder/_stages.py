"""Stages: idempotent steps of a run, each with a manifest that is written last and holds the hash of every file it left."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from upcycle import _files
from upcycle._files import PARTIAL, check_hash, forced_hash, write_record
from upcycle.errors import DamagedFileError, RunFolderError
from upcycle.runs.folder._resources import metered

MANIFEST: Final = "manifest.json"
RELEASE_OPTIONS: Final = "options"  # in private/release: how `upcycle release` was last called
_SECONDS = "seconds.json"
# in the folder of a stage, and yet not what it leaves: notes of work in progress, and what other commands keep there
_NOT_LEFT = (
    *(MANIFEST, _SECONDS, "resume.*", "bank", "member-*", "trials.jsonl", f"*{PARTIAL}"),
    *("shadows", "secret.json", "pipeline*", "at_risk.csv", f"{RELEASE_OPTIONS}.json"),
)
Say = Callable[[str], None]


def content_key(*parts: Any) -> str:
    """A short hash of JSON-able values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class StageRecord:
    """What a finished stage left: its key, seconds of work (over all attempts), facts for later stages, and joules of the last
    attempt where the machine counts them (None: it does not, or there were several attempts). `files`: path from the stage's
    folder -> SHA-256; `inputs`: earlier stage -> what it had left, as `left` of its record says."""

    key: str
    seconds: float
    facts: dict[str, Any]
    joules: float | None = None
    files: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def left(self) -> str:
        """Changes with every byte that the stage left."""
        return content_key(self.files)

    def verify(self, folder: Path) -> None:
        """Raise DamagedFileError unless every file that the stage left in `folder` is as it was."""
        for name, known in self.files.items():
            check_hash(Path(os.path.normpath(folder / name)), known)


def read_record(folder: Path) -> StageRecord | None:
    """The record of a finished stage, None if it has not finished. Raises DamagedFileError for a manifest that is not whole."""
    path = folder / MANIFEST
    return StageRecord(**_files.read_record(path, "key", "seconds", "facts")) if path.exists() else None


def finished_record(folder: Path) -> StageRecord:
    """The record of a stage whose files are all as it left them. Raises RunFolderError where it has not finished, and
    DamagedFileError."""
    record = read_record(folder)
    if record is None:
        raise RunFolderError(
            f"run must have finished its {folder.name}. Got {folder.parent.parent}, which has not. "
            "Run the upcycle run command of this folder first."
        )
    record.verify(folder)
    return record


def run_stage(
    folder: Path,
    key: str,
    work: Callable[[], dict[str, Any]],
    *,
    inputs: Mapping[str, str] | None = None,
    also: Sequence[Path] = (),
    say: Say = lambda _: None,
) -> tuple[StageRecord, bool]:
    """Do `work` in `folder` unless its manifest says it was done under the same key; returns the record and whether it ran.

    Raises RunFolderError where a finished stage belongs to other inputs. `work` returns the facts later stages need, and leaves
    files in `folder` and at `also`. Done again, which `say` is told, where one of them is damaged or lost or `inputs`, what
    earlier stages left, has changed.
    """
    record, given = _still_whole(folder, say), dict(inputs or {})
    if record is not None:
        if record.key != key:
            raise RunFolderError(
                f"stage {folder.name} must belong to these inputs. Got a result of other data or of another version. "
                "Choose another --out."
            )
        if record.inputs == given:
            return record, False
        say(f"{folder.name} is made again: {_changed(record.inputs, given)} came out differently")
    (folder / MANIFEST).unlink(missing_ok=True)
    whole = not (folder / _SECONDS).exists()
    with stopwatch(folder) as spent, metered() as meter:
        facts = work()
        joules = meter.joules()
    record = StageRecord(key, round(spent(), 2), facts, joules if whole else None, _left(folder, also), given)
    write_record(folder / MANIFEST, record.__dict__)
    return record, True


def _still_whole(folder: Path, say: Say) -> StageRecord | None:
    """The record of the stage if it has finished and nothing of it is damaged."""
    try:
        record = read_record(folder)
        if record is not None:
            record.verify(folder)
        return record
    except DamagedFileError as error:
        say(f"{folder.name} is made again: {error.path} is damaged or lost (got {error.got})")
        return None


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    return ", ".join(name for name in {**old, **new} if old.get(name) != new.get(name))


def _left(folder: Path, also: Sequence[Path]) -> dict[str, str]:
    """Path from `folder` -> SHA-256 of every file that the stage left."""
    own = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _working(path.relative_to(folder))]
    more = [path for path in also if path.exists()]
    return {Path(os.path.relpath(path, folder)).as_posix(): forced_hash(path) for path in [*own, *more]}


def _working(path: Path) -> bool:
    return any(fnmatch.fnmatch(path.parts[0], pattern) for pattern in _NOT_LEFT) or path.name.endswith(PARTIAL)


@contextmanager
def stopwatch(folder: Path) -> Iterator[Callable[[], float]]:
    """Seconds of work in `folder`, attempts that stopped early included (a killed one is not counted, nor one whose note is
    damaged)."""
    path, start = folder / _SECONDS, time.monotonic()
    before = 0.0
    if path.exists():
        try:
            before = float(_files.read_record(path, "seconds")["seconds"])
        except DamagedFileError:
            path.unlink()

    def spent() -> float:
        return before + time.monotonic() - start

    try:
        yield spent
    finally:
        write_record(path, {"seconds": spent()})
