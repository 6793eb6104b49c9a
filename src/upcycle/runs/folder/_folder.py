"""The run folder: what may leave (`release/`), what must not (`private/`), and which configuration it belongs to.

Every file of it is named here, and read here: whoever asks gets the value, or a line that names the damaged file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from upcycle import _npz
from upcycle._files import PARTIAL, append_row, read_json, read_record, read_rows, write_record, write_text
from upcycle._private import close_to_others
from upcycle._settings import differences, resolve, to_yaml
from upcycle.config import Config
from upcycle.errors import DamagedFileError, RunFolderError
from upcycle.runs.folder._lock import HOLDER, LOCK

if TYPE_CHECKING:
    from upcycle.data import Store, StoreMeta

_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "pillow", "matplotlib")
_SEAL: Final = "# sha256 of the lines above: "
_WARNING: Final = "DO_NOT_SHARE.txt"
FREE_SETTINGS = frozenset(  # may change between two calls
    {"device", "threads", "precision", "watts", "evidence", "evidence_networks", "gate"}
)


class _At:
    """A path below the root of a run; of the class itself, relative to it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __get__(self, run: RunFolder | None, owner: type) -> Path:
        return Path(self._path) if run is None else run.root / self._path


@dataclass(frozen=True)
class RunFolder:
    """Files of one run. Made, checked and locked by `prepare`; a reader only looks."""

    root: Path
    private = _At("private")
    release = _At("release")
    store = _At("private/store")  # of private images
    work = _At("private/work")  # for files that no later call needs; emptied whenever the run is opened
    config_file = _At("config.yaml")
    environment_file = _At("environment.json")
    metrics_file = _At("metrics.jsonl")
    log_file = _At("log.txt")
    report = _At("private/report.html")  # the internal page
    shareable_report = _At("private/report-shareable.html")  # the page that a release gets a copy of
    released_report = _At("release/report.html")
    synthetic = _At("release/synthetic/synthetic.npz")  # the synthetic set that may leave
    preview = _At("private/copies/synthetic.npz")  # the synthetic images that were checked for copies
    scores = _At("private/audit/scores.npz")  # of every audited record and attack
    pipelines_page = _At("private/audit/pipeline.html")  # the page of the audit by shadow pipelines
    trials = _At("private/tuning/trials.jsonl")  # of the search for a sampler, a line each
    kept = _At("private/cleaning/kept.npy")  # which members the cleaning kept, bool (members,)
    predictions = _At("private/evaluation/predictions.npz")  # logits of every judged classifier on the test split

    def stage(self, name: str) -> Path:
        """The private folder of a stage, made if needed."""
        folder = self.private / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def environment(self) -> dict[str, Any]:
        """Versions and hardware. Raises DamagedFileError."""
        return read_record(self.environment_file)

    def weights(self, stage: str) -> Path:
        """Of the classifier of `stage`."""
        return self.private / stage / "model.safetensors"

    def checkpoint(self, stage: str) -> Path:
        """Where the loop of `stage` goes on from."""
        return self.private / stage / "resume.pt"

    def bank(self, stage: str) -> Path:
        """The folder of the bank that `stage` learns from."""
        return self.private / stage / "bank"

    def document(self, stage: str, name: str) -> Path:
        """A JSON file that `stage` leaves."""
        return self.private / stage / f"{name}.json"

    def facts(self, stage: str, name: str) -> Any:
        """What a stage left in `document(stage, name)`, None where there is no such file."""
        path = self.document(stage, name)
        return read_json(path) if path.exists() else None

    def arrays(self, path: Path) -> dict[str, np.ndarray]:
        """Every array of a file of this folder. Raises DamagedFileError."""
        return read_arrays(path)

    def array(self, path: Path) -> np.ndarray:
        """The one array of an .npy. Raises DamagedFileError."""
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except FileNotFoundError:
            raise DamagedFileError(path, "none") from None
        except _npz.DAMAGED as error:
            raise DamagedFileError(path, "one that is not whole") from error

    def open_store(self) -> Store:
        """The private images. Raises RunFolderError."""
        from upcycle.data import Store

        return Store(self.store)

    def data_facts(self) -> StoreMeta:
        """What is known of the private images without opening one. Raises DamagedFileError."""
        from upcycle.data import read_meta

        return read_meta(self.store)

    def config(self) -> Config:
        """The settings that the run was started with. Raises RunFolderError where there is no run, DamagedFileError where the
        file is not as it was written."""
        return read_sealed_config(self.config_file)

    def log_metrics(self, stage: str, images_seen: int, metrics: Mapping[str, float]) -> None:
        """Add a row to metrics.jsonl; "check" is a CRC-32 of the rest of the row."""
        row = {"stage": stage, "images": images_seen, "time": round(time.time(), 1), **metrics}
        append_row(self.metrics_file, row)

    def curves(self) -> dict[str, list[dict[str, float]]]:
        """Rows of metrics.jsonl by stage, in the order of images seen; a row repeated after a resume is listed once, and a row
        that a kill cut or that was damaged since is left out."""
        rows: dict[str, dict[int, dict[str, float]]] = {}
        for row in read_rows(self.metrics_file):
            known = {name: value for name, value in row.items() if value is not None}  # null: it was not finite
            rows.setdefault(known.pop("stage"), {})[row["images"]] = known
        return {stage: [found[k] for k in sorted(found)] for stage, found in rows.items()}

    def log(self, text: str) -> None:
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz. Raises DamagedFileError: the format has a checksum of each."""
    try:
        return dict(_npz.read_arrays(path)[0])
    except _npz.NotPlainArrays as error:
        raise DamagedFileError(path, f"one that is not whole: {error}" if path.exists() else "none") from error


def read_config(path: Path) -> Config:
    """The configuration of a file of settings."""
    return resolve("quick", config_file=path, overrides=())


def write_sealed_config(path: Path, config: Config) -> None:
    """Write settings with their own hash in a last line, which YAML takes for a comment."""
    text = to_yaml(config)
    write_text(path, f"{text}{_SEAL}{_hash(text)}\n")


def read_sealed_config(path: Path) -> Config:
    """What `write_sealed_config` wrote. Raises RunFolderError."""
    if not path.is_file():
        raise RunFolderError(
            f"run must be a folder written by upcycle run. Got {path.parent}, which has no {path.name}. Check the path."
        )
    text = path.read_text(encoding="utf-8", errors="replace")
    body, _, known = text.rpartition(_SEAL)
    if known.strip() != _hash(body):
        raise DamagedFileError(path, "settings that do not have the SHA-256 that stands in their last line")
    return read_config(path)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def check_run(out: Path, config: Config) -> None:
    """Raise RunFolderError if `out` cannot hold this run: a file, somebody else's folder, or another configuration.

    A damaged config.yaml is no reason: the keys of the stages tell whether the settings are those of the run.
    """
    if out.exists() and not out.is_dir():
        raise RunFolderError(f"out must be a folder. Got the file {out}. Choose another --out.")
    check_no_links(out)
    if not out.exists() or _just_begun(out):
        return
    folder = RunFolder(out)
    if not folder.config_file.exists() and not (folder.private / "data").is_dir():
        raise RunFolderError(
            f"out must be an empty folder or an earlier run. Got {out} with other files in it. Choose another --out."
        )
    with contextlib.suppress(DamagedFileError):
        check_settings(folder, config)


def check_no_links(out: Path) -> None:
    """Raise RunFolderError if a half of the run in `out`, or a folder of a stage, is a link: what it leads to would stay open
    to others, and a release that replaces a link leaves the link behind. The run itself may be one."""
    private = out / RunFolder.private
    for path in (private, out / RunFolder.release, *(private.iterdir() if private.is_dir() else ())):
        if path.is_symlink():
            raise RunFolderError(
                f"run must hold its folders itself. Got {path}, a link to {path.readlink()}. "
                "Put the folder back in its place; for more room move the whole run."
            )


def check_settings(folder: RunFolder, config: Config) -> None:
    """Raise RunFolderError, with the differences, unless the run was started with these settings."""
    if not folder.config_file.exists():
        return
    changed = [line for line in differences(folder.config(), config) if line.split(":")[0].split(".")[0] not in FREE_SETTINGS]
    if changed:
        raise RunFolderError(
            f"configuration must be the one that {folder.root} was started with. Got other values. "
            "Restore them or choose another --out.",
            *[f"  {line}" for line in changed],
        )


def _just_begun(out: Path) -> bool:
    """Whether there is nothing in `out` but what a run that was killed in its first milliseconds left."""
    expected = {".": {LOCK, HOLDER, "private", "release"}, "private": {_WARNING, "work", "tensorboard"}, "release": set[str]()}
    return all(
        path.name in known or path.name.endswith(PARTIAL)
        for name, known in expected.items()
        for path in ((out / name).iterdir() if (out / name).is_dir() else ())
    )


def make_folders(folder: RunFolder, config: Config) -> int:
    """Make or describe the folder of a run; how many entries of its private half others could have read, until now. Call it
    under `closed_to_others`, with the lock held and the settings compared."""
    if not folder.config_file.exists() and _just_begun(folder.root):
        write_sealed_config(folder.config_file, config)
    folder.private.mkdir(exist_ok=True)
    folder.release.mkdir(exist_ok=True)
    shutil.rmtree(folder.work, ignore_errors=True)
    folder.work.mkdir()
    opened = close_to_others(folder.private)
    (folder.private / _WARNING).write_text("Everything in this folder derives from private images. Share release/ only.\n")
    write_record(folder.environment_file, environment())
    return opened


def environment() -> dict[str, Any]:
    """Versions and hardware, without user or host names."""
    return {
        "upcycle": metadata.version("upcycle"),
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
    }
