"""Optional libraries, named in one line where they are missing."""

from importlib import import_module
from types import ModuleType

from upcycle.errors import DataError


def need(module: str, extra: str, what: str) -> ModuleType:
    """The imported module. Raises DataError that names the extra."""
    try:
        return import_module(module)
    except ImportError:
        package = module.split(".")[0]
        raise DataError(
            f"{what} must be read with the package {package}. Got none installed. Install upcycle[{extra}], then run again."
        ) from None
