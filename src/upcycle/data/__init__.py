"""Reading, checking, splitting and storing private images."""

from upcycle.data._check import CheckReport, check
from upcycle.data._imageset import Dataset, ImageSet
from upcycle.data._read import from_arrays, read
from upcycle.data._seal import sealed
from upcycle.data._split import cut, draw_members
from upcycle.data._store import Store, StoreMeta, write_store

__all__ = [
    "CheckReport",
    "Dataset",
    "ImageSet",
    "Store",
    "StoreMeta",
    "check",
    "cut",
    "draw_members",
    "from_arrays",
    "read",
    "sealed",
    "write_store",
]
