"""Class-conditional generators behind one contract."""

from upcycle.generators._contract import Generator, Snapshot
from upcycle.generators._edm import EdmGenerator, ImageShape

__all__ = ["EdmGenerator", "Generator", "ImageShape", "Snapshot"]
