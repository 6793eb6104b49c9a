"""Hostile small files, each read by the product's own loader in a fresh process: how much memory it takes at its peak."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

BOUND: Final = 500  # MB (2^20 bytes) that a file of 10 MB may take, above what the process has after its imports
_INPUT: Final = 10_000_000  # bytes
_BELT: Final = 6 * 2**30  # of address space: ends the child, not the machine
_PATIENCE: Final = 180  # seconds
LIBRARIES: Final = (
    *("numpy", "torch", "scipy.stats", "sklearn.ensemble", "yaml", "safetensors.torch", "pydantic"),
    *(
        "PIL.Image",
        "PIL.ImageCms",
        *(f"PIL.{name}ImagePlugin" for name in ("Png", "Jpeg", "Mpo", "Tiff", "Bmp", "WebP", "Avif")),
    ),
    *("pydicom.pixels", "nibabel", "pyarrow.parquet", "pyarrow.compute", "datasets"),
    *("upcycle", "upcycle.data", "upcycle.audit", "upcycle.release", "upcycle.runs", "upcycle.cli.show", "upcycle.cli.compare"),
)


def memory(folder: Path, most: int | None) -> Iterator[dict[str, Any]]:
    """A row for each kind of hostile file; of `most` kinds, if it is given, spread over all."""
    from benchmarks.reliability._hostile import KINDS

    names = list(KINDS)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__ + "_imports"])
    for name in names if most is None else names[:: max(len(names) // most, 1)]:
        place = folder / "hostile"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        if "trouble" in (made := _answer(context, _make, name, place)):
            raise RuntimeError(f"{name} could not be made: {made['trouble']}")
        yield _row(name, made["bytes"], _answer(context, _read, name, place))


def _row(name: str, size: int, found: dict[str, Any]) -> dict[str, Any]:
    outcome = found.get("outcome", "killed")
    within = outcome in ("read", "refused") and found["megabytes"] <= BOUND
    return {
        **{"harness": "memory", "case": name, "points": 1, "survived": int(within), "named": int(outcome == "refused")},
        **{"silent": 0, "tracebacks": int(outcome not in ("read", "refused")), "file_megabytes": round(size / 2**20, 2)},
        **{"bound": BOUND, "megabytes": None, "outcome": outcome, **found},
    }


def _answer(context: Any, work: Callable[[str, Path, Path], None], name: str, place: Path) -> dict[str, Any]:
    """What `work` in a new process wrote down; nothing where it was killed."""
    note = place.parent / "note.json"
    note.unlink(missing_ok=True)
    child = context.Process(target=work, args=(name, place, note))
    child.start()
    child.join(_PATIENCE)
    if child.is_alive():
        child.kill()
        child.join()
    return dict(json.loads(note.read_text())) if note.exists() else {}


def _make(name: str, place: Path, note: Path) -> None:
    from benchmarks.reliability._hostile import KINDS

    try:
        KINDS[name].make(place)
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        assert size <= _INPUT * 1.01, f"{size} bytes"
        found: dict[str, Any] = {"bytes": size}
    except BaseException as error:
        found = {"trouble": f"{type(error).__name__}: {error}"}
    note.write_text(json.dumps(found))


def _read(name: str, place: Path, note: Path) -> None:
    import resource

    from benchmarks.reliability._hostile import KINDS
    from upcycle.errors import UpcycleError

    resource.setrlimit(resource.RLIMIT_AS, (_BELT, _BELT))
    before, begun, said = _status("VmRSS"), time.perf_counter(), ""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here: a process that was forked inherits one
    try:
        with contextlib.redirect_stdout(None):
            KINDS[name].read(place)
        outcome = "read"
    except UpcycleError as error:
        outcome, said = "refused", str(error).replace(str(place), "DATA")
    except BaseException as error:
        traceback.print_exc()
        outcome, said = "traceback", f"{type(error).__name__}: {error}"
    seconds = round(time.perf_counter() - begun, 1)
    found = {"megabytes": round(_status("VmHWM") - before), "seconds": seconds, "outcome": outcome, "said": said[:160]}
    note.write_text(json.dumps(found))


def _status(field: str) -> float:
    """MB of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def preload() -> None:
    """Import what a reader may import while it reads."""
    for module in LIBRARIES:
        import_module(module)
