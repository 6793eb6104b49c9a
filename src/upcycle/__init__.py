"""upcycle: private labelled images in, an audited student and a synthetic set out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upcycle._api import Upcycler, load_student
    from upcycle.config import Config
    from upcycle.errors import UpcycleError
    from upcycle.generators import check_generator
    from upcycle.runs import run

_PUBLIC = {
    "Config": "upcycle.config",
    "UpcycleError": "upcycle.errors",
    "Upcycler": "upcycle._api",
    "check_generator": "upcycle.generators",
    "load_student": "upcycle._api",
    "run": "upcycle.runs",
}

__all__ = ["Config", "UpcycleError", "Upcycler", "check_generator", "load_student", "run"]


def __getattr__(name: str) -> Any:
    """Public names are imported at first use, so that the command line starts at once."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'upcycle' has no attribute {name!r}")
