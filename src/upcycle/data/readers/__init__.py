"""One file for each format; every reader gives RawImages."""

from upcycle.data.readers._builtin import built_in_readers
from upcycle.data.readers._raw import Findings, RawImages, RawSplit, Source
from upcycle.data.readers._reader import added_readers, choose, register_reader
from upcycle.data.readers._stack import fitted_all
from upcycle.data.readers._table import read_table
from upcycle.data.readers._torch import from_torch

__all__ = [
    "Findings",
    "RawImages",
    "RawSplit",
    "Source",
    "added_readers",
    "built_in_readers",
    "choose",
    "fitted_all",
    "from_torch",
    "read_table",
    "register_reader",
]
