"""One process at a time in a run folder: on one machine by the system's lock, on several by signs of life."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from upcycle.errors import RunFolderError
from upcycle.runs.folder._lock import HOLDER, Holder, only_one, read_holder

LEASE = 0.4


def elsewhere(root: Path, beat: int = 0) -> None:
    holder = Holder("another-host", 77, "2026-01-02 03:04:05", "abc", beat)
    (root / HOLDER).write_text(json.dumps(asdict(holder)))


def test_second_process_in_one_folder_is_refused_and_told_who_works_there(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(RunFolderError, match=rf"process {os.getpid()} on .* is at work"),
        only_one(tmp_path),
    ):
        pass
    with only_one(tmp_path):
        assert read_holder(tmp_path) is not None
    assert read_holder(tmp_path) is None


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    code = "import sys, os; from pathlib import Path; from upcycle.runs.folder._lock import only_one\n"
    code += "with only_one(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    assert read_holder(tmp_path) is not None
    start = time.monotonic()
    with only_one(tmp_path):
        assert time.monotonic() - start < 1


def test_a_dead_process_of_another_machine_is_watched_and_then_taken_over_from(tmp_path: Path) -> None:
    elsewhere(tmp_path)
    said: list[str] = []
    start = time.monotonic()
    with only_one(tmp_path, lease=LEASE, say=said.append):
        assert time.monotonic() - start >= LEASE
        assert read_holder(tmp_path) != Holder("another-host", 77, "2026-01-02 03:04:05", "abc")
    assert "process 77 on another-host since 2026-01-02 03:04:05" in said[0] and "gone" in said[1]


def test_a_process_at_work_on_another_machine_is_named_and_left_alone(tmp_path: Path) -> None:
    elsewhere(tmp_path)
    done = threading.Event()

    def live() -> None:
        beat = 0
        while not done.wait(LEASE / 8):
            elsewhere(tmp_path, beat := beat + 1)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(RunFolderError, match="process 77 on another-host"), only_one(tmp_path, lease=LEASE):
            pass
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "x"}'])
def test_a_damaged_note_of_the_holder_does_not_lock_the_folder_for_good(tmp_path: Path, content: str) -> None:
    (tmp_path / HOLDER).write_text(content)
    with only_one(tmp_path, lease=LEASE):
        pass
    assert not (tmp_path / HOLDER).exists()


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Started in the background, tests ignore SIGINT, and an interruption would not arrive."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_a_process_that_lost_its_folder_while_it_slept_stops(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), only_one(tmp_path, lease=LEASE):
        for beat in range(400):  # the other one gives signs of life, too
            elsewhere(tmp_path, beat)
            time.sleep(0.05)
    assert read_holder(tmp_path) is not None, "the note of the one that took over must stay"
