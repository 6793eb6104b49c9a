"""Reading, checking, splitting and storing private images."""

from upcycle.data._check import CheckReport, check
from upcycle.data._imageset import Dataset, ImageSet
from upcycle.data._read import from_arrays, read
from upcycle.data._seal import sealed
from upcycle.data._split import cut, draw_members, image_hashes, units
from upcycle.data._store import Store, StoreMeta, write_store
from upcycle.data.readers import Findings, RawImages, RawSplit, Source, from_torch, register_reader

__all__ = [
    "CheckReport",
    "Dataset",
    "Findings",
    "ImageSet",
    "RawImages",
    "RawSplit",
    "Source",
    "Store",
    "StoreMeta",
    "check",
    "cut",
    "draw_members",
    "from_arrays",
    "from_torch",
    "image_hashes",
    "read",
    "register_reader",
    "sealed",
    "units",
    "write_store",
]
