"""One file for each format; every reader gives RawImages. One rule each for splits, classes, owners, links and pixels."""

from upcycle.data.readers._builtin import built_in_readers
from upcycle.data.readers._classes import by_name, check_class_names, class_text
from upcycle.data.readers._groups_file import owned, read_groups
from upcycle.data.readers._owners import note_placeholders
from upcycle.data.readers._prepare import DEPTHS, fitted, in_8_bits, in_channels, prepared
from upcycle.data.readers._raw import Findings, RawImages, RawSplit, Source, shown
from upcycle.data.readers._reader import added_readers, choose, register_reader
from upcycle.data.readers._split_names import SPLITS, split_of
from upcycle.data.readers._stack import in_shape, one_colour
from upcycle.data.readers._torch import from_torch
from upcycle.errors import printable

__all__ = [
    "DEPTHS",
    "SPLITS",
    "Findings",
    "RawImages",
    "RawSplit",
    "Source",
    "added_readers",
    "built_in_readers",
    "by_name",
    "check_class_names",
    "choose",
    "class_text",
    "fitted",
    "from_torch",
    "in_8_bits",
    "in_channels",
    "in_shape",
    "note_placeholders",
    "one_colour",
    "owned",
    "prepared",
    "printable",
    "read_groups",
    "register_reader",
    "shown",
    "split_of",
]
