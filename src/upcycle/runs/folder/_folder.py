"""The run folder: what may leave (`release/`), what must not (`private/`), and which configuration it belongs to."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from upcycle._settings import differences, resolve, to_yaml
from upcycle.config import Config
from upcycle.errors import RunFolderError

_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "pillow", "matplotlib")


FREE_SETTINGS = frozenset({"device", "threads", "precision", "watts"})  # may change between two calls of one run


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. Create it with `open_run`."""

    root: Path

    @property
    def private(self) -> Path:
        return self.root / "private"

    @property
    def release(self) -> Path:
        return self.root / "release"

    @property
    def store(self) -> Path:
        return self.private / "store"

    def stage(self, name: str) -> Path:
        """The private folder of a stage, made if needed."""
        folder = self.private / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log_metrics(self, stage: str, images_seen: int, metrics: Mapping[str, float]) -> None:
        row = {"stage": stage, "images": images_seen, "time": round(time.time(), 1), **metrics}
        with (self.root / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def curves(self) -> dict[str, list[dict[str, float]]]:
        """Rows of metrics.jsonl by stage, in the order of images seen; a row repeated after a resume is listed once."""
        path = self.root / "metrics.jsonl"
        rows: dict[str, dict[int, dict[str, float]]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            with contextlib.suppress(json.JSONDecodeError):  # a kill may cut the last line
                row = json.loads(line)
                rows.setdefault(row.pop("stage"), {})[row["images"]] = row
        return {stage: [found[k] for k in sorted(found)] for stage, found in rows.items()}

    def log(self, text: str) -> None:
        with (self.root / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the whole new one."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text so that a reader sees the old file or the whole new one."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def read_config(path: Path) -> Config:
    """The configuration that a run or a saved model was made with."""
    return resolve("quick", config_file=path, overrides=())


def check_run(out: Path, config: Config) -> None:
    """Raise RunFolderError if `out` cannot hold this run: a file, somebody else's folder, or another configuration."""
    if out.exists() and not out.is_dir():
        raise RunFolderError(f"out must be a folder. Got the file {out}. Choose another --out.")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / "config.yaml").exists():
        raise RunFolderError(
            f"out must be an empty folder or an earlier run. Got {out} with other files in it. Choose another --out."
        )
    old = read_config(out / "config.yaml")
    changed = [line for line in differences(old, config) if line.split(":")[0] not in FREE_SETTINGS]
    if changed:
        raise RunFolderError(
            f"configuration must be the one that {out} was started with. Got other values. "
            "Restore them or choose another --out.",
            *[f"  {line}" for line in changed],
        )


def open_run(out: Path, config: Config) -> RunFolder:
    """The run folder at `out`, made and described if it is new. Call check_run first."""
    run = RunFolder(out)
    run.private.mkdir(parents=True, exist_ok=True)
    run.release.mkdir(exist_ok=True)
    (run.private / "DO_NOT_SHARE.txt").write_text(
        "Everything in this folder derives from private images. Share release/ only.\n"
    )
    if not (out / "config.yaml").exists():
        partial = out / "config.partial"
        partial.write_text(to_yaml(config), encoding="utf-8")
        os.replace(partial, out / "config.yaml")
    write_json(out / "environment.json", environment())
    return run


def environment() -> dict[str, Any]:
    """Versions and hardware, without user or host names."""
    return {
        "upcycle": metadata.version("upcycle"),
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
    }


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises RunFolderError while another process works in it; a killed one leaves no lock behind."""
    try:
        import fcntl
    except ImportError:  # Windows: no advisory locks in the standard library
        yield
        return
    with (root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunFolderError(
                f"out must not be in use. Got {root}, where another upcycle is at work. Wait for it or stop it."
            ) from error
        yield
