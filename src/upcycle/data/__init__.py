"""Reading, checking, splitting and storing private images."""

from upcycle.data._check import CheckReport, check
from upcycle.data._corruptions import CORRUPTIONS, STRENGTHS, corrupted
from upcycle.data._imageset import Dataset, ImageSet
from upcycle.data._inputs import Inputs, Prepared, checked, prepare_images
from upcycle.data._preprocess import Preprocess
from upcycle.data._read import from_arrays, read, survey
from upcycle.data._split import cut, draw_members, units
from upcycle.data._store import Store, StoreMeta, read_meta, sealed, write_store
from upcycle.data.readers import Findings, RawImages, RawSplit, Source, from_torch, image_hashes, printable, register_reader

__all__ = [
    "CORRUPTIONS",
    "STRENGTHS",
    "CheckReport",
    "Dataset",
    "Findings",
    "ImageSet",
    "Inputs",
    "Prepared",
    "Preprocess",
    "RawImages",
    "RawSplit",
    "Source",
    "Store",
    "StoreMeta",
    "check",
    "checked",
    "corrupted",
    "cut",
    "draw_members",
    "from_arrays",
    "from_torch",
    "image_hashes",
    "prepare_images",
    "printable",
    "read",
    "read_meta",
    "register_reader",
    "sealed",
    "survey",
    "units",
    "write_store",
]
