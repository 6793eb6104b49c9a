"""Which errors end in a line, and which are bugs and keep their traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import click
import numpy as np
import pytest
import torch

from upcycle.cli import _group as group
from upcycle.cli._errors import explain
from upcycle.cli._group import main
from upcycle.errors import DataError, SealedError


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError("1000000 requested and 131056 written"), "disk"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), "disk"),
        (MemoryError(), "memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: ..."), "memory"),
        (torch.OutOfMemoryError("out of memory"), "memory"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "path"),
        (click.UsageError("no"), "no"),
    ],
)
def test_full_disk_no_memory_and_no_permission_are_one_line(error: Exception, word: str) -> None:
    (line,), code = explain(error)
    assert line.startswith(word) and "\n" not in line and code == 2


@pytest.mark.parametrize(
    "words", ["1000 requested and 13 written", "[enforce fail at inline_container.cc:672] . unexpected pos"]
)
def test_a_failed_write_whose_reason_a_library_hides_is_not_called_a_full_disk_alone(words: str) -> None:
    assert "ulimit -f" in explain(OSError(words))[0][0]


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("shape mismatch"), OSError("odd"), SealedError("x"), KeyError("x")]
)
def test_bugs_keep_their_traceback(error: Exception) -> None:
    assert explain(error) == ([], 1)


def test_interrupt_has_the_exit_code_of_a_shell() -> None:
    assert explain(KeyboardInterrupt())[1] == explain(click.Abort())[1] == 130


def test_real_lack_of_memory_is_recognised() -> None:
    for allocate in (lambda: torch.zeros(10**15), lambda: np.zeros(10**16)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            allocate()
        assert explain(caught.value)[1] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_really_full_disk_is_recognised() -> None:
    with pytest.raises(OSError) as caught, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    assert explain(caught.value)[0][0].startswith("disk must have room left.")


def test_main_prints_every_problem_and_raises_bugs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(error: BaseException) -> None:
        def command(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(group.cli, "main", command)
        main([])

    with pytest.raises(SystemExit) as ended:
        fails(DataError("a must be b. Got c.", "d must be e. Got f."))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "upcycle: error: a must be b. Got c.\nupcycle: error: d must be e. Got f.\n"
    with pytest.raises(ZeroDivisionError):
        fails(ZeroDivisionError())
