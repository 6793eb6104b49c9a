"""The command line through its entry point: fast help, one line per mistake, exit codes, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import blobs
from tests.fakes import upcycle
from upcycle.cli._group import cli

COMMANDS = ("demo", "run", "check", "train-teacher", "train-generator", "distil", "audit", "report", "release")
HEAVY = ("torch", "numpy", "sklearn", "scipy", "matplotlib", "pydantic", "yaml", "rich")
SMOKE = ("--preset", "smoke", "--device", "cpu", "--set", "threads=1")


def process(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "upcycle", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def refused(*args: str | Path) -> str:
    """The single line on standard error of a command that must end in exit code 2."""
    result = upcycle(*args)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("upcycle: error: ")
    return line.removeprefix("upcycle: error: ")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, labels = blobs(360)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, images=images, labels=labels)
    return path


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["run", "--help"], ["demo", "--help"]])
def test_help_takes_less_than_a_second(args: list[str]) -> None:
    """Of the processor: the limit is about our imports, not about a busy machine."""
    before = os.times()
    assert process(*args).returncode == 0
    spent = os.times()
    assert spent.children_user + spent.children_system - before.children_user - before.children_system < 1


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from upcycle.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command_and_every_command_has_help() -> None:
    text = CliRunner().invoke(cli, ["--help"]).output
    for command in COMMANDS:
        assert f"\n  {command} " in text
        result = CliRunner().invoke(cli, [command, "-h"])
        assert result.exit_code == 0 and result.output.startswith(f"Usage: cli {command} ")


def test_stage_commands_take_the_arguments_of_run() -> None:
    def parameters(name: str) -> list[str | None]:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        return [parameter.name for parameter in command.params]

    for name in COMMANDS[3:-1]:
        more = ["budget", "jobs", "engine", "early_look", "dp", "dp_clip"] if name == "audit" else []
        assert parameters(name) == [*parameters("run"), *more]


def test_no_command_shows_the_help() -> None:
    result = process()
    assert result.returncode == 2 and result.stderr.startswith("Usage: upcycle")


def test_mistyped_command_preset_option_and_setting_each_name_the_nearest(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert "Did you mean 'check'?" in refused("chek", "x")
    assert "Did you mean 'quick'?" in refused("run", "digits", "--out", out, "--preset", "quik")
    assert "'--preset'" in refused("run", "digits", "--out", out, "--presets", "quick")
    assert "Did you mean 'generator.channels'?" in refused("run", "digits", "--out", out, "--set", "generator.chanels=3")
    assert "--out" in refused("run", "digits")
    assert not out.exists()


def test_preset_is_named_once(tmp_path: Path) -> None:
    line = refused("run", "digits", "--out", tmp_path / "run", "--preset", "best", "--set", "preset=quick")
    assert line.startswith("preset must be named once. Got --preset best and 'quick'")


def test_several_problems_are_several_lines(tmp_path: Path) -> None:
    result = process("run", "digits", "--out", tmp_path / "run", "--set", "bank.refresh=2", "--set", "teacher.width=1")
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize("command", ["run", "audit", "check"])
def test_missing_data_is_one_line_and_leaves_nothing(command: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    where = [] if command == "check" else ["--out", out, *SMOKE]
    assert "nowhere.npz" in refused(command, tmp_path / "nowhere.npz", *where)
    assert not out.exists()


def test_out_that_is_not_ours_is_one_line_and_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert refused("run", data, "--out", tmp_path, *SMOKE).startswith("out must be an empty folder or an earlier run.")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_device_that_is_not_there_is_one_line(data: Path, tmp_path: Path) -> None:
    assert "nosuch" in refused("run", data, "--out", tmp_path / "run", "--preset", "smoke", "--device", "nosuch")
    assert not (tmp_path / "run").exists()


def test_check_counts_in_text_and_in_json(data: Path) -> None:
    text = upcycle("check", data)
    assert text.returncode == 0 and "8 x 8 grey, 3 classes" in text.stdout
    facts = json.loads(upcycle("check", data, "--json").stdout)
    assert (facts["size"], facts["channels"]) == (8, 1)
    assert np.sum(list(facts["counts"].values()), axis=0).tolist() == [120, 120, 120]
    assert "NO LEAK FOUND is out of reach" in text.stdout and "docs/verdicts.md" in text.stdout
    assert [found["counted_in"] for found in facts["forecasts"]] == ["records"] * 3 and facts["minutes"] is None


def test_json_of_a_bad_file_keeps_standard_output_clean(write_npz: Callable[..., Path]) -> None:
    refused("check", write_npz(images=np.zeros((40, 8, 8), np.uint8), labels=np.zeros(40, int)), "--json")


def test_reader_of_a_pipe_may_leave(data: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "upcycle", "check", str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)


def test_stage_says_the_next_command_resumes_and_refuses_another_configuration(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = ["--set", "teacher.min_images=600", "--set", "teacher.max_images=600", "--set", "augment.flip=none"]
    first = upcycle("train-teacher", data, "--out", out, *SMOKE, *small)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1] == "next: upcycle train-generator with the same arguments"
    assert "images" in first.stdout and " min in all on this machine" in first.stdout
    assert "forecast     the run's own audit: rests on" in first.stdout and "--evidence none" in first.stdout
    again = upcycle("train-teacher", data, "--out", out, *SMOKE, *small)
    assert again.returncode == 0 and "teacher    was finished before" in again.stdout
    changed = upcycle("train-teacher", data, "--out", out, *SMOKE, *small, "--seed", "7")
    assert changed.returncode == 2 and "  seed: 0 -> 7" in changed.stderr


def _hear_interrupts() -> None:
    """A job that a shell put in the background ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_interrupt_ends_in_one_line(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "upcycle", "train-teacher", str(data), "--out", str(tmp_path / "run"), *SMOKE]
    long = ["--set", "teacher.min_images=10000000", "--set", "teacher.max_images=10000000", "--set", "augment.flip=none"]
    process = subprocess.Popen(
        [*command, *long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("views"):  # the next stage is the long one
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == "upcycle: stopped. The same command resumes."
