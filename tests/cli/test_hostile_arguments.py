"""Settings, paths and names that were tried against the tool: each ends in plain lines, at once, and none steers the terminal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PIL import Image

from tests.run_folders import write_run
from upcycle._files import read_record, sha256, write_json, write_record
from upcycle._settings import resolve
from upcycle.cli._group import main
from upcycle.errors import ConfigError

Say = Callable[..., list[str]]
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    """What waits for a pipe, or parses for minutes, fails."""

    def late(_: int, __: FrameType | None) -> None:
        raise TimeoutError("took more than 60 seconds")

    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, late)
        signal.alarm(60)
    yield
    if hasattr(signal, "SIGALRM"):
        signal.alarm(0)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Say:
    """The lines in which a command refuses."""

    def call(*arguments: str | Path) -> list[str]:
        with pytest.raises(SystemExit) as left:
            main([str(each) for each in arguments])
        lines = capsys.readouterr().err.splitlines()
        assert left.value.code == 2 and lines, lines
        assert all(line.startswith("upcycle: error: ") and line.isprintable() for line in lines), lines
        return lines

    return call


VALUES = [
    *("seed=2001-99-99", "seed=!!int x", "seed=!!bool x", "seed=!!timestamp x", "seed=!!float x", f"seed={'9' * 5_000}"),
    *("seed={null: 1}", f"seed={'[' * 20_000}", "seed=.nan", "seed=-.inf", "seed=!!python/object/apply:os.getcwd []"),
    *("seed=&a [*a]", "seed={1: {2: 3}}", "seed=!!binary x", "seed=!!set {a}", "seed=2001-01-01", "seed=0x1p3", "seed=\x00"),
    *("generator.lr=.nan", "generator.lr=.inf", "teacher.lr=-0.0", "minutes=.nan", "minutes=1e-9", "audit.confidence=.nan"),
    *("generator.channels=[0]", "generator.channels=[-1]", "generator.channels=[]", "generator.channels={a: 1}"),
    *("generator.ema_stds=[0]", "generator.ema_stds=[0.5]", "generator.ema_stds=[.nan]", "generator.patch=1000"),
    *("sampler.rho=1e-9", "sampler.sigma_min=100", "teacher.batch=9223372036854775808", "data.side=10000000"),
    *("generator.images=-1", "release.synthetic_images=1e300", "threads=-5", "generator=7", "generator.family={a: b}"),
]


@pytest.mark.parametrize("text", VALUES, ids=lambda text: text[:30].encode("unicode_escape").decode())
def test_a_setting_without_a_meaning_is_one_line_that_names_it(text: str, tmp_path: Path) -> None:
    name, _, value = text.partition("=")
    with pytest.raises(ConfigError) as first:
        resolve("quick", config_file=None, overrides=[text])
    assert any(name.split(".")[0] in line for line in first.value.problems)
    assert all(len(line) < 600 and line.isprintable() and line.endswith(".") for line in first.value.problems)
    outer, _, inner = name.partition(".")
    (tmp_path / "c.yaml").write_text(f"{outer}: {{{inner}: {value}}}\n" if inner else f"{outer}: {value}\n")
    with pytest.raises(ConfigError) as second:
        resolve("quick", config_file=tmp_path / "c.yaml", overrides=[])
    assert all(len(line) < 600 and line.isprintable() for line in second.value.problems)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"seed: \x80",
        b"[" * 20_000,
        b"a: " * 5_000,
        b"? {a: b}: c",
        b"- 1",
        b"%YAML 9.9\n---\nseed: 1",
        b"\x1b]0;x\x07: 1",
    ],
)
def test_a_file_of_settings_that_is_none_is_named(content: bytes, tmp_path: Path, refused: Say) -> None:
    (tmp_path / "c.yaml").write_bytes(content)
    (line, *_) = refused("run", "digits", "--out", tmp_path / "run", "--config", tmp_path / "c.yaml")
    assert " must " in line and not (tmp_path / "run").exists()


PATHS = ["/dev/null/x", "x" * 5_000, "a\0b", "/nope/nope", ""]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path[:12]))
def test_a_path_that_cannot_be_is_one_line_for_every_command(path: str, tmp_path: Path, refused: Say) -> None:
    run = write_run(tmp_path / "r")
    commands: list[list[str | Path]] = [
        *[["show", path], ["compare", path, run], ["release", path], ["audit-scores", path], ["check", path]],
        *[["predict", path, "x.png"], ["run", path, "--out", tmp_path / "o"], ["audit", path, "--budget", "quick"]],
        *[["run", "digits", "--out", tmp_path / "o", "--config", path], ["check", "digits", "--groups", path]],
    ]
    for command in commands:
        assert len(refused(*command)) == 1, command
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("path", ["/dev/null/x", "x" * 5_000, "a\0b", "FILE/x"], ids=lambda path: repr(path[:12]))
def test_a_place_to_write_that_cannot_be_is_one_line(path: str, tmp_path: Path, refused: Say) -> None:
    (tmp_path / "file").write_text("")
    path = path.replace("FILE", str(tmp_path / "file"))
    runs = [write_run(tmp_path / name) for name in "rs"]
    for command in (["run", "digits", "--out", path, "--preset", "smoke"], ["compare", *runs, "--html", path]):
        assert len(refused(*command)) == 1, command
    (line, *_) = refused("frontier", "digits", "--out", path, "--pipelines", "2")
    assert " must " in line


@needs_pipes
def test_nothing_waits_for_a_pipe(tmp_path: Path, refused: Say) -> None:
    """A pipe that nobody writes to has no end: a file of settings, a data set, scores, a student, a file of a run."""
    pipe, run = tmp_path / "pipe.npz", write_run(tmp_path / "r")
    os.mkfifo(pipe)
    (tmp_path / "student").mkdir()
    os.mkfifo(tmp_path / "student" / "config.json")
    os.mkfifo(tmp_path / "p.png")
    for command in (
        *[["run", "digits", "--out", tmp_path / "o", "--config", pipe], ["check", pipe], ["check", f"npz:{pipe}"]],
        *[["check", f"hf:{pipe}"], ["check", f"dicom:{pipe}"], ["check", "digits", "--groups", pipe], ["audit-scores", pipe]],
        *[["predict", tmp_path / "student", tmp_path / "p.png"], ["show", pipe]],
    ):
        assert len(refused(*command)) == 1, command
    for name in ("private/plan/manifest.json", "private/evaluation/predictions.npz", "private/audit/audit.json", "config.yaml"):
        content = (run / name).read_bytes()
        (run / name).unlink()
        os.mkfifo(run / name)
        refused("show", run)
        refused("compare", run, write_run(tmp_path / f"s{len(name)}"))
        (run / name).unlink()
        (run / name).write_bytes(content)


@needs_pipes
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_student_that_is_a_pipe_is_refused(name: str, tmp_path: Path) -> None:
    from tests.release.conftest import light, made_of
    from upcycle.errors import UpcycleError
    from upcycle.release import load_program, load_student, write_release

    write_release(tmp_path / "r", made_of(), light(images=0))
    (tmp_path / "r" / "student" / name).unlink()
    os.mkfifo(tmp_path / "r" / "student" / name)
    with pytest.raises(UpcycleError, match=r"must be"):
        load_student(tmp_path / "r")
    with pytest.raises(UpcycleError, match="a pipe or a device"):
        load_program(tmp_path / "r" / "student" / name)


STEERING = ["\x1b]0;pwned\x07", "two\nlines", "\u202eabc", "a\rb", "\x9b31m", "\u2028x"]


@pytest.mark.parametrize("name", STEERING, ids=lambda name: name.encode("unicode_escape").decode())
def test_names_of_classes_and_data_do_not_steer_the_terminal(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Say
) -> None:
    rng = np.random.default_rng(0)
    root = tmp_path / f"set{name}"
    for k in range(60):
        path = root / "ab"[k % 2] / f"{k:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    with pytest.raises(SystemExit) as left:
        main(["check", str(root)])
    out, err = capsys.readouterr()
    assert not left.value.code and all(line.isprintable() for line in (out + err).split("\n")), out + err
    (root / "b" / "01.png").write_bytes(b"no image")
    refused("check", root)
    refused("show", root)
    (root / "a").rename(root / name)
    refused("check", root)  # also as the name of a class


def test_a_run_of_a_stranger_does_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "r")
    meta = run / "private" / "store" / "meta.json"
    found = json.loads(meta.read_text())
    write_json(meta, {**found, "name": STEERING[0], "class_names": [STEERING[1], STEERING[2]]})
    record = read_record(meta.parent / "manifest.json")
    write_record(meta.parent / "manifest.json", {**record, "files": {**record["files"], "meta.json": sha256(meta)}})
    for command in (["show", str(run)], ["compare", str(run), str(write_run(tmp_path / "s"))]):
        with pytest.raises(SystemExit):
            main(command)
        out, err = capsys.readouterr()
        assert all(line.isprintable() for line in (out + err).split("\n")), out + err
