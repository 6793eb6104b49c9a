"""Who may read what a run leaves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from upcycle._private import close_to_others, open_to_readers


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_a_link_in_a_run_changes_nobody_elses_file(tmp_path: Path) -> None:
    """A run folder may come from others, and a link in it may lead to a key."""
    key, place, folder = tmp_path / "key", tmp_path / "place", tmp_path / "release"
    key.touch(mode=0o600)
    place.mkdir(mode=0o700)
    folder.mkdir()
    (folder / "file").symlink_to(key)
    (folder / "folder").symlink_to(place)
    (folder / "nothing").symlink_to(tmp_path / "nothing")
    open_to_readers(folder, 0o022)
    assert (stat.S_IMODE(key.stat().st_mode), stat.S_IMODE(place.stat().st_mode)) == (0o600, 0o700)
    key.chmod(0o644)
    close_to_others(folder)
    assert stat.S_IMODE(key.stat().st_mode) == 0o644


def test_a_release_that_is_itself_a_link_opens_nobody_elses_files(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / "key").touch(mode=0o600)
    (tmp_path / "release").symlink_to(keys)
    open_to_readers(tmp_path / "release", 0o022)
    assert (stat.S_IMODE(keys.stat().st_mode), stat.S_IMODE((keys / "key").stat().st_mode)) == (0o700, 0o600)
