"""Class-conditional generators behind one contract."""

from upcycle.generators._check import check_generator
from upcycle.generators._contract import Generator, Snapshot, nearest_snapshot
from upcycle.generators._edm import EdmGenerator, ImageShape
from upcycle.generators._solver import adams_bashforth, karras_sigmas

__all__ = [
    "EdmGenerator",
    "Generator",
    "ImageShape",
    "Snapshot",
    "adams_bashforth",
    "check_generator",
    "karras_sigmas",
    "nearest_snapshot",
]
