"""The one way to open a run: what it checks, what it makes again, what it refuses, and who may read what it writes."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import blobs
from upcycle._files import sha256
from upcycle._settings import resolve
from upcycle.config import Config
from upcycle.data import Dataset, from_arrays
from upcycle.errors import DamagedFileError, RunFolderError
from upcycle.runs import run_dataset
from upcycle.runs.folder import RunFolder
from upcycle.runs.stages import prepare
from upcycle.runs.watch import SilentDisplay

SETTINGS = (
    *("threads=1", "teacher.min_images=128", "teacher.max_images=128", "teacher.width=4", "teacher.blocks=1"),
    *("generator.images=128", "generator.channels=[4,4]", "augment.flip=none"),
)


class Told(SilentDisplay):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def config() -> Config:
    return resolve("smoke", config_file=None, overrides=SETTINGS)


@pytest.fixture(scope="module")
def dataset(config: Config) -> Dataset:
    return from_arrays(*blobs(240), config=config.data, seed=0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, config: Config) -> Path:
    """A run up to its generator, made under the usual umask."""
    out = tmp_path_factory.mktemp("runs") / "run"
    before = os.umask(0o022)
    try:
        run_dataset(dataset, out, config, until="generator")
    finally:
        os.umask(before)
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def bits(run: Path) -> dict[str, str]:
    return {path.relative_to(run).as_posix(): sha256(path) for path in run.rglob("*.safetensors")}


DAMAGES = pytest.mark.parametrize("damage", [flip, empty, Path.unlink], ids=["flip", "empty", "delete"])


@DAMAGES
@pytest.mark.parametrize(
    "name",
    [
        "private/teacher/model.safetensors",
        "private/generator/class_counts.json",
        "private/views/views.json",
        "private/store/train_images.npy",
        "private/store/test_labels.npy",
        "private/store/meta.json",
        "private/store/manifest.json",
        "private/teacher/manifest.json",
        "config.yaml",
    ],
)
def test_what_is_damaged_is_made_again_with_a_line_and_the_same_bits(
    run: Path, finished: Path, dataset: Dataset, config: Config, name: str, damage: Callable[[Path], None]
) -> None:
    damage(run / name)
    told = Told()
    run_dataset(dataset, run, config, until="generator", display=told)
    assert (bits(run) == bits(finished) and (run / name).read_bytes() == (finished / name).read_bytes()) or "manifest" in name
    if name != "private/teacher/manifest.json" or damage is not Path.unlink:  # an unfinished stage is no damage
        assert any(Path(name).name in note or "store" in note for note in told.notes), told.notes
        assert any(Path(name).name in line or "store" in line for line in (run / "log.txt").read_text().splitlines())


@DAMAGES
@pytest.mark.parametrize(
    "name",
    ["private/teacher/model.safetensors", "private/generator/manifest.json", "private/store/manifest.json", "config.yaml"],
)
def test_without_the_data_a_damaged_file_is_named_with_what_to_do(run: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(run / name)
    with pytest.raises(RunFolderError) as found, prepare(None, run, needs="generator"):
        pass
    assert "run" in str(found.value) and str(found.value).endswith((".", "again.", "path."))
    if damage is not Path.unlink:
        assert Path(name).name in str(found.value)


def test_a_stage_is_made_again_where_an_earlier_one_came_out_otherwise(
    run: Path, dataset: Dataset, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import upcycle.runs.stages._road as road

    (run / "private" / "teacher" / "model.safetensors").unlink()
    classifier_stage = road.classifier_stage

    def another(*arguments: object, **more: object) -> dict[str, object]:  # as another machine would make it
        facts = classifier_stage(*arguments, **more)  # type: ignore[arg-type]
        (run / "private" / "teacher" / "note").write_text("other bits")
        return facts

    monkeypatch.setattr(road, "classifier_stage", another)
    told = Told()
    run_dataset(dataset, run, config, until="generator", display=told)
    assert any("generator is made again: teacher" in note for note in told.notes), told.notes


def test_other_settings_under_a_damaged_config_are_refused(run: Path, dataset: Dataset, config: Config) -> None:
    flip(run / "config.yaml")
    with pytest.raises(RunFolderError, match="the same data under other settings"):
        run_dataset(dataset, run, config.model_copy(update={"seed": 5}), until="generator")


@pytest.mark.parametrize(
    "left",
    [
        (),
        ("private/",),
        ("private/", "release/"),
        ("private/DO_NOT_SHARE.txt", "release/", "config.yaml.77.partial", ".lock", ".lock-holder.json"),
    ],
)
def test_what_a_run_left_that_was_killed_at_once_does_not_make_the_command_refuse(
    tmp_path: Path, dataset: Dataset, config: Config, left: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    for name in left:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).mkdir() if name.endswith("/") else (out / name).write_text("")
    (out / ".lock-holder.json").unlink(missing_ok=True)
    run_dataset(dataset, out, config, until="teacher")
    assert not list(out.rglob("*.partial"))


def test_settings_are_compared_under_the_lock(tmp_path: Path, dataset: Dataset, config: Config) -> None:
    """Another process begins a run with another seed in the folder while this one checks its data."""
    out, other = tmp_path / "run", config.model_copy(update={"seed": 1})

    class Sly(SilentDisplay):
        def plan(self, lines: object) -> None:
            if not (out / "config.yaml").exists():
                with prepare(dataset, out, other):
                    pass

    with pytest.raises(RunFolderError, match="seed: 1 -> 0"), prepare(dataset, out, config, display=Sly()):
        pass
    assert RunFolder(out).config().seed == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_private_files_are_for_their_owner_whatever_the_umask_and_the_release_is_not(finished: Path) -> None:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [finished / "private", *(finished / "private").rglob("*")]}
    assert not {path: oct(mode) for path, mode in modes.items() if mode & 0o077}
    assert stat.S_IMODE((finished / "release").stat().st_mode) == 0o755 == stat.S_IMODE(finished.stat().st_mode)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_an_open_private_folder_is_closed_and_said(run: Path) -> None:
    (run / "private").chmod(0o755)
    (run / "private" / "store" / "train_images.npy").chmod(0o644)
    told = Told()
    with prepare(None, run, display=told):
        import resource

        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0, "a crash must not write private images into a core file"
    assert any("2 entries could be read by others" in note for note in told.notes)
    assert stat.S_IMODE((run / "private" / "store" / "train_images.npy").stat().st_mode) == 0o600


def test_work_files_of_a_killed_process_are_gone_when_the_run_is_opened(run: Path) -> None:
    for name in ("work/shadow-abc/private/store/train_images.npy", "teacher/resume.pt.77.partial"):
        (run / "private" / name).parent.mkdir(parents=True, exist_ok=True)
        (run / "private" / name).write_bytes(b"private")
    with prepare(None, run) as bench:
        assert not any(bench.folder.work.iterdir()) and not list(run.rglob("*.partial"))


def test_a_gate_that_ran_and_whose_finding_is_lost_is_an_error(run: Path) -> None:
    with prepare(None, run, needs="generator") as bench:
        assert bench.passed_snapshots(), "all pass where the gate has not run"
        bench.folder.stage("gate")
        (run / "private" / "gate" / "manifest.json").write_text(json.dumps({"key": "k"}))
        with pytest.raises(DamagedFileError, match=r"gate\.json"):
            bench.passed_snapshots()


def test_a_run_that_is_none_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="run must be a folder written by upcycle run"), prepare(None, tmp_path / "x"):
        pass
    assert not (tmp_path / "x").exists()
