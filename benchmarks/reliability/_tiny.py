"""Runs of seconds that write all that a long run writes, and commands called in a fork of a warm process."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path

import click
import numpy as np

from upcycle._files import read_rows

SIDE, CLASSES, IMAGES = 8, 3, 240
_COMMON = (
    *("threads=1", "generator.images=256", "generator.channels=[8,8]", "generator.batch=64", "sampler.steps=2"),
    *("teacher.min_images=256", "teacher.max_images=256", "teacher.width=4", "teacher.blocks=1", "teacher.batch=64"),
    *("bank.min_images=128", "bank.max_images=128", "student.epochs=2", "release.synthetic_images=20", "audit.folds=2"),
)
# what differs between two uninterrupted runs: times, and pages that show them
_VARIES = ("manifest.json", "seconds.json", "log.txt", "metrics.jsonl", "environment.json", "report.html", "SHA256SUMS")
_VARIES += ("report-shareable.html", ".lock", ".lock-holder.json", "test_read.json", "croissant.json", "resume.damaged")


@dataclass(frozen=True)
class Case:
    """A recipe to try."""

    name: str
    settings: tuple[str, ...]

    def arguments(self, data: Path, out: Path, command: str = "run") -> list[str]:
        sets = [word for setting in (*_COMMON, *self.settings) for word in ("--set", setting)]
        return [command, str(data), "--out", str(out), "--preset", "smoke", *sets]


STANDARD = Case("standard", ())
RICH = Case(
    "rich",
    (
        *("plain=true", "teachers=2", "cleaning.folds=2", "cleaning.images=128", "bank.refresh=0.25"),
        *("tuning.strategy=greedy", 'tuning.settings=["sampler.spread"]', "tuning.grid=2", "tuning.images=128"),
    ),
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `code` negative: by that signal."""

    code: int
    text: str

    @property
    def broke(self) -> bool:
        """Whether it ended in a traceback, or in no way that a command may end in."""
        return "Traceback (most recent call last)" in self.text or self.code not in (0, 2, 3, 130, 143)


def write_data(folder: Path) -> Path:
    """An .npz of images whose bright bar tells the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES) % CLASSES
    images = rng.integers(0, 60, (IMAGES, SIDE, SIDE))
    for k, label in enumerate(labels):
        images[k, :, 2 * label : 2 * label + 2] += 150
    path = folder / "data.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return path


def warm() -> None:
    """Import what commands import, once; and leave out what takes seconds and writes nothing: figures, measured rates, whole
    batches, the attacks that are learned, and exported programs."""
    import torch
    import torch._dynamo

    from upcycle import runs
    from upcycle.cli import cli

    torch.set_num_threads(1)
    context = click.Context(cli)
    for name in cli.list_commands(context):
        cli.get_command(context, name)
    for name in runs.__all__:
        getattr(runs, name)
    for module in ("generators._stored", "generators._edm"):
        import_module(f"upcycle.{module}").SAMPLE_BATCH = 64
    import_module("upcycle.runs.stages._gate")._SYNTHETIC = 32
    for module, name, quick in _QUICK:
        getattr(import_module(f"upcycle.{module}"), name).__code__ = quick.__code__
    with (
        tempfile.TemporaryDirectory() as place,
        redirect_stdout(StringIO()),
    ):  # what a first run compiles and measures, children need not do again
        run = Path(place) / "run"
        assert _main(RICH.arguments(write_data(Path(place)), run)) == 0
        assert _main(["show", str(run)]) == 0


def _no_figure(draw, *, name, label, size, columns=1):  # type: ignore[no-untyped-def]  # noqa: ARG001 - that of the product
    return "<svg></svg>"


def _rates(config, shape, device, networks):  # type: ignore[no-untyped-def]  # noqa: ARG001 - that of the product
    return Rates(1e5, 1e5, 1e5, 1e5, 0.0)  # type: ignore[name-defined]  # noqa: F821 - the product's


def _few_rounds(seed):  # type: ignore[no-untyped-def]  # noqa: ARG001 - that of the product
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _no_programs(material, options, folder, compare):  # type: ignore[no-untyped-def]  # noqa: ARG001 - that of the product
    (folder / PROGRAM).write_bytes(b"program")  # type: ignore[name-defined]  # noqa: F821 - the product's
    return Programs({}, {})  # type: ignore[name-defined]  # noqa: F821 - the product's


_QUICK = (
    ("report._svg", "svg", _no_figure),
    ("runs.stages._plan", "measure_rates", _rates),
    *(("audit.attacks._learned", name, _few_rounds) for name in ("_random_forest", "_nearest_neighbours", "_perceptron")),
    ("release._exports", "write_programs", _no_programs),
)


def call(arguments: Sequence[str], before: Callable[[], None] = lambda: None) -> Outcome:
    """The command, in a child of this process, in which `before` is called first."""
    with tempfile.TemporaryFile() as said:
        child = start(arguments, said.fileno(), before)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return Outcome(os.waitstatus_to_exitcode(status), said.read().decode(errors="replace"))


def start(arguments: Sequence[str], said: int, before: Callable[[], None] = lambda: None) -> int:
    """The number of a child process that does the command; all that it says goes to the descriptor `said`."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        code = _main(arguments, before)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main(arguments: Sequence[str], before: Callable[[], None] = lambda: None) -> int:
    from upcycle.cli import main

    try:
        before()
        main(list(arguments))
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    return 1


def fingerprint(out: Path) -> dict[str, str]:
    """SHA-256 of every file whose bytes must not depend on when and how often a run was stopped."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name not in _VARIES:
            found[path.relative_to(out).as_posix()] = hashlib.sha256(_content(path)).hexdigest()
    return found


def _content(path: Path) -> bytes:
    """The bytes; of lines of trials, whose order and times vary, and of which a kill may leave half a one, the number of whole ones."""
    return str(sum(1 for _ in read_rows(path))).encode() if path.name == "trials.jsonl" else path.read_bytes()


def names(out: Path) -> set[str]:
    """Every file and folder of a run, but for those of the lock."""
    every = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    return every - {".lock", ".lock-holder.json"}
