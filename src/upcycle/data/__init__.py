"""Reading, checking, splitting and storing private images."""

from upcycle.data._check import CheckReport, check
from upcycle.data._imageset import Dataset, ImageSet
from upcycle.data._raw import Findings, RawImages, RawSplit, Source
from upcycle.data._read import from_arrays, read
from upcycle.data._reader import register_reader
from upcycle.data._seal import sealed
from upcycle.data._split import cut, draw_members
from upcycle.data._store import Store, StoreMeta, write_store
from upcycle.data._torch import from_torch

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
    "read",
    "register_reader",
    "sealed",
    "write_store",
]
