"""Writing durably: whole or not at all, forced to the disk in the right order, and every changed byte noticed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upcycle import _files
from upcycle._files import (
    append_row,
    check_hash,
    durable_replace,
    durable_swap,
    read_record,
    read_rows,
    seal,
    sha256,
    sweep,
    unsealed,
    write_arrays,
    write_json,
    write_record,
    write_text,
)
from upcycle._training import Checkpoint
from upcycle._weights import load_weights, save_weights
from upcycle.errors import DamagedFileError


def test_the_bytes_reach_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def told_fsync(number: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    monkeypatch.setattr(_files.os, "fsync", told_fsync)
    monkeypatch.setattr(_files.os, "replace", lambda a, b: (events.append("rename"), replace(a, b)))
    write_text(tmp_path / "a.txt", "x")
    assert events == ["file", "rename", "folder"]


def test_a_writer_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(partial: Path) -> None:
        partial.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="space"):
        durable_replace(path, full)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_swapped_folder_is_the_new_one_alone(tmp_path: Path) -> None:
    old, new = tmp_path / "release", tmp_path / "release.partial"
    for folder, text in ((old, "old"), (new, "new")):
        folder.mkdir()
        (folder / "a").write_text(text)
    (old / "only-old").write_text("")
    durable_swap(new, old)
    assert [(p.name, p.read_text()) for p in old.iterdir()] == [("a", "new")]
    assert [p.name for p in tmp_path.iterdir()] == ["release"]


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.npz.123.partial").write_text("")
    (tmp_path / "release.partial").mkdir()
    (tmp_path / "release.partial" / "y").write_text("")
    (tmp_path / "deep" / "partial.txt").write_text("mine")
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "partial.txt"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_every_flipped_byte_of_a_record_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: int, change: int) -> None:
    path = tmp_path_factory.mktemp("record") / "r.json"
    facts = {"key": "k", "seconds": 1.25, "facts": {"a": [1, 2.5, None], "b": "é"}}
    write_record(path, facts)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= change
    path.write_bytes(bytes(content))
    try:
        assert read_record(path) == facts  # white space between the parts means nothing
    except DamagedFileError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'{"key": 1}', b"[" * 100_000])
def test_a_record_that_is_none_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"r\.json must be as upcycle wrote it\. Got .*\. Run the upcycle run command"):
        read_record(path)
    with pytest.raises(DamagedFileError, match="Got none"):
        read_record(tmp_path / "missing.json")


def test_a_hash_is_compared_and_a_missing_file_named(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    check_hash(tmp_path / "a.json", sha256(tmp_path / "a.json"))
    with pytest.raises(DamagedFileError, match="SHA-256"):
        check_hash(tmp_path / "a.json", "0" * 64)
    with pytest.raises(DamagedFileError, match="Got none"):
        check_hash(tmp_path / "b.json", "0" * 64)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_every_flipped_byte_of_weights_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: int, change: int) -> None:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(7), "empty": torch.zeros(0)}
    save_weights(path, tensors)
    whole = path.read_bytes()
    content = bytearray(whole)
    content[place % len(content)] ^= change
    path.write_bytes(bytes(content))
    try:
        found = load_weights(path)
    except DamagedFileError:
        return
    assert set(found) == set(tensors) and all(torch.equal(found[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("keep", [0, 1, 7, 50, -1])
def test_cut_weights_are_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, {"a": torch.ones(8)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedFileError, match=r"model\.safetensors"):
        load_weights(path)


def test_equal_tensors_give_equal_files_with_the_modes_of_the_umask(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_weights(tmp_path / name, {"x": torch.ones(3), "y": torch.zeros(2)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda _: b"", lambda b: b[:50] + bytes([b[50] ^ 4]) + b[51:]])
def test_a_damaged_checkpoint_is_set_aside_and_the_loop_starts_over(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "resume.pt"
    Checkpoint(path).save({"net": {"w": torch.ones(4)}, "images_seen": 8})
    loaded = Checkpoint(path).load()
    assert loaded is not None and loaded["images_seen"] == 8
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert Checkpoint(path).load() is None
    assert not path.exists() and (tmp_path / "resume.damaged").exists()
    assert "starts over" in caplog.text and "resume.pt" in caplog.text


def test_a_sealed_file_gives_its_bytes_back(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    seal(path)
    assert unsealed(path) == b"abc"
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(DamagedFileError):
        unsealed(path)


def test_arrays_keep_their_names_and_the_files_theirs(tmp_path: Path) -> None:
    write_arrays(tmp_path / "scores.npz", {"student/loss": np.arange(3)})
    with np.load(tmp_path / "scores.npz", allow_pickle=False) as saved:
        assert saved["student/loss"].tolist() == [0, 1, 2]
    assert [p.name for p in tmp_path.iterdir()] == ["scores.npz"]


def test_half_a_row_spoils_no_other_and_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for k in range(3):
        append_row(path, {"k": k})
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])  # a kill
    append_row(path, {"k": 3})
    assert [row["k"] for row in read_rows(path)] == [0, 1, 3]
    path.write_bytes(whole.replace(b'"k": 1', b'"k": 5'))
    assert [row["k"] for row in read_rows(path)] == [0, 2]
    path.write_bytes(b"\xff\n[]\n3\n" + whole)
    assert [row["k"] for row in read_rows(path)] == [0, 1, 2]
    assert whole.count(b"\n") == 3 and not whole.startswith(b"\n"), "one object a line, for other tools"
