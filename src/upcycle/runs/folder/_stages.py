"""Stages: idempotent steps of a run, each with a manifest that is written last."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upcycle.errors import RunFolderError
from upcycle.runs.folder._energy import metered
from upcycle.runs.folder._folder import write_json

MANIFEST = "manifest.json"


def content_key(*parts: Any) -> str:
    """A short hash of JSON-able values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class StageRecord:
    """What a finished stage left: its key, seconds of work (over all attempts), facts for later stages, and joules of the last
    attempt where the machine counts them (None: it does not, or there were several attempts)."""

    key: str
    seconds: float
    facts: dict[str, Any]
    joules: float | None = None


def read_record(folder: Path) -> StageRecord | None:
    """The record of a finished stage, None if it has not finished."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return StageRecord(found["key"], found["seconds"], found["facts"], found.get("joules"))


def run_stage(folder: Path, key: str, work: Callable[[], dict[str, Any]]) -> tuple[StageRecord, bool]:
    """Do `work` in `folder` unless its manifest says it was done under the same key; returns the record and whether it ran.

    Raises RunFolderError where a finished stage belongs to other inputs. `work` returns the facts later stages need.
    """
    record = read_record(folder)
    if record is not None:
        if record.key != key:
            raise RunFolderError(
                f"stage {folder.name} must belong to these inputs. Got a result of other data or of another version. "
                "Choose another --out."
            )
        return record, False
    whole = not (folder / "seconds.json").exists()
    with stopwatch(folder) as spent, metered() as meter:
        facts = work()
        joules = meter.joules()
    record = StageRecord(key, round(spent(), 2), facts, joules if whole else None)
    write_json(folder / MANIFEST, record.__dict__)
    return record, True


@contextmanager
def stopwatch(folder: Path) -> Iterator[Callable[[], float]]:
    """Seconds of work in `folder`, attempts that stopped early included (a killed one is not counted)."""
    path, start = folder / "seconds.json", time.monotonic()
    before = float(json.loads(path.read_text())) if path.exists() else 0.0

    def spent() -> float:
        return before + time.monotonic() - start

    try:
        yield spent
    finally:
        write_json(path, spent())
