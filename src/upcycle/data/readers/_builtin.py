"""The readers that come with upcycle. Those that need an extra import it when they are called."""

from pathlib import Path

from upcycle.data.readers._dicom import read_dicom
from upcycle.data.readers._files import read_digits, read_npz
from upcycle.data.readers._folder import read_pictures
from upcycle.data.readers._hf import is_parquet, is_saved, read_hf
from upcycle.data.readers._idx import holds_idx, read_idx
from upcycle.data.readers._kinds import kind_of_folder
from upcycle.data.readers._medmnist import read_medmnist
from upcycle.data.readers._nifti import read_nifti
from upcycle.data.readers._reader import Reader
from upcycle.data.readers._walk import Walk


def built_in_readers() -> list[Reader]:
    """In the order in which they are asked about a path."""
    return [
        Reader("npz", read_npz, lambda path: path.is_file() and path.suffix.lower() == ".npz"),
        Reader("idx", read_idx, holds_idx),
        Reader("hf", read_hf, lambda path: is_saved(path) or is_parquet(path)),
        Reader("dicom", read_dicom, lambda path: _holds(path, "scan")),
        Reader("nifti", read_nifti, lambda path: _holds(path, "volume")),
        Reader("folder", read_pictures, Path.is_dir),
        Reader("medmnist", read_medmnist),
        Reader("digits", read_digits),
    ]


def _holds(path: Path, kind: str) -> bool:
    return path.is_dir() and kind_of_folder(f"{path}/{name}" for name in Walk(path).files("")) == kind
