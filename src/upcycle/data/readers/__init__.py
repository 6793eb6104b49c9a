"""One file for each format; every reader gives RawImages. One rule each for splits, classes, owners, links and pixels."""

from upcycle.data.readers._builtin import built_in_readers
from upcycle.data.readers._classes import by_name, check_class_names, class_text
from upcycle.data.readers._dicom import SCAN
from upcycle.data.readers._files import npz_images
from upcycle.data.readers._folder import PICTURE, FileKind
from upcycle.data.readers._groups_file import owned, read_groups
from upcycle.data.readers._kinds import kind_of_file
from upcycle.data.readers._nifti import VOLUME
from upcycle.data.readers._owners import note_alike, note_placeholders, spelled_alike
from upcycle.data.readers._picture import Unreadable, pixels
from upcycle.data.readers._prepare import DEPTHS, as_grey, as_rgb, fitted, in_8_bits, shows_grey
from upcycle.data.readers._raw import Findings, RawImages, RawSplit, Source, plain_array, shown
from upcycle.data.readers._reader import added_readers, choose, register_reader
from upcycle.data.readers._sketch import NeedsPixels, Sketch, count_blank, image_hashes
from upcycle.data.readers._split_names import SPLITS, split_of
from upcycle.data.readers._stack import in_shape, one_colour
from upcycle.data.readers._torch import from_torch
from upcycle.data.readers._walk import Walk
from upcycle.errors import printable
