"""upcycle: private labelled images in, an audited student and a synthetic set out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from upcycle._telemetry import silence

if TYPE_CHECKING:
    from upcycle._api import Upcycler
    from upcycle._bounded import Limits
    from upcycle.config import Config
    from upcycle.data import RawImages, RawSplit, Source, from_torch, register_reader
    from upcycle.errors import UpcycleError
    from upcycle.generators import check_generator, load_generator
    from upcycle.release import ReleaseOptions, load_student
    from upcycle.runs import release_run, run

_PUBLIC = {
    "Config": "upcycle.config",
    "Limits": "upcycle._bounded",
    "RawImages": "upcycle.data",
    "RawSplit": "upcycle.data",
    "ReleaseOptions": "upcycle.release",
    "Source": "upcycle.data",
    "UpcycleError": "upcycle.errors",
    "Upcycler": "upcycle._api",
    "check_generator": "upcycle.generators",
    "from_torch": "upcycle.data",
    "load_generator": "upcycle.generators",
    "load_student": "upcycle.release",
    "register_reader": "upcycle.data",
    "release_run": "upcycle.runs",
    "run": "upcycle.runs",
}

__all__ = [
    "Config",
    "Limits",
    "RawImages",
    "RawSplit",
    "ReleaseOptions",
    "Source",
    "UpcycleError",
    "Upcycler",
    "check_generator",
    "from_torch",
    "load_generator",
    "load_student",
    "register_reader",
    "release_run",
    "run",
]


silence()  # at import: onnxruntime reads its variable when it is imported, also where the user imports it after us


def __getattr__(name: str) -> Any:
    """Public names are imported at first use, so that the command line starts at once."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'upcycle' has no attribute {name!r}")
