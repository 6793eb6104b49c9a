"""TensorBoard gets what metrics.jsonl gets; and watching a run changes none of its bits."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import blobs
from upcycle._settings import resolve
from upcycle.data import from_arrays
from upcycle.errors import ConfigError
from upcycle.runs import run_dataset
from upcycle.runs.watch._display import Display, SilentDisplay
from upcycle.runs.watch._tensorboard import TensorBoardDisplay


def events(folder: Path) -> Iterator[Any]:
    """Every value in the event files: records of length, checksum, protocol buffer, checksum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    for path in sorted(folder.glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack("<Q", data[at : at + 8])
            for value in event_pb2.Event.FromString(data[at + 12 : at + 12 + length]).summary.value:
                yield event_pb2.Event.FromString(data[at + 12 : at + 12 + length]).step, value
            at += length + 16


def watched(folder: Path) -> TensorBoardDisplay:
    pytest.importorskip("tensorboardX")
    return TensorBoardDisplay(SilentDisplay(), folder)


def run_small(out: Path, display: Display) -> None:
    overrides = ["threads=1", "generator.images=1500", "augment.flip=none", "audit.min_non_members=20"]
    config = resolve("smoke", config_file=None, overrides=[*overrides, "teacher.min_images=256", "teacher.max_images=256"])
    run_dataset(from_arrays(*blobs(), config=config.data, seed=0), out, config, until="generator", display=display)
    display.close()


def test_event_files_hold_the_metrics_by_stage_and_images_seen(tmp_path: Path) -> None:
    display = watched(tmp_path / "board")
    display.stage("student", 100)
    display.advance(0, {"drawn": 5})
    assert not (tmp_path / "board").exists(), "a run that has measured nothing must leave nothing"
    display.advance(40, {"loss": 0.5})
    display.samples(np.zeros((2, 8, 8, 1), np.uint8))
    display.close()
    display.close()
    (step, scalar), (at, image) = events(tmp_path / "board")
    assert (step, scalar.tag, scalar.simple_value) == (40, "student/loss", 0.5)
    assert (at, image.tag, image.image.height, image.image.width) == (40, "student/samples", 8, 16)


def test_missing_writer_is_one_line_that_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r"pip install 'upcycle\[tensorboard\]'"):
        TensorBoardDisplay(SilentDisplay(), tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_watched_run_has_the_bits_of_an_unwatched_one_and_a_sample_per_snapshot(tmp_path: Path) -> None:
    run_small(tmp_path / "a", SilentDisplay())
    board = tmp_path / "b" / "private" / "tensorboard"
    run_small(tmp_path / "b", watched(board))
    for path in sorted((tmp_path / "a").rglob("*.safetensors")):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest(), path.name
    found = list(events(board))
    assert sum(value.tag == "generator/samples" for _, value in found) >= 1
    logged = [json.loads(line) for line in (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()]
    wanted = {(row["stage"], row["images"], round(row["loss"], 4)) for row in logged}
    assert {(v.tag.split("/")[0], s, round(v.simple_value, 4)) for s, v in found if v.tag.endswith("/loss")} == wanted
    assert not any((tmp_path / "b" / "release").rglob("events.*")), "samples of an unaudited generator must not leave"
