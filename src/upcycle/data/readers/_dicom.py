"""Folders of DICOM files: pixels as a viewer would show them, and nothing else of what the files say of a person.

Only the elements in `_TAGS` are parsed; of these the patient's id becomes a number (`Patients`) and the rest describes pixels.
"""

import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from upcycle._bounded import Limits
from upcycle.data.readers._dicom_bounds import check_before_parsing, check_frame, check_packed, check_values
from upcycle.data.readers._extra import need
from upcycle.data.readers._folder import FileKind, Opened, read_files
from upcycle.data.readers._grey import chosen, stretched, to_bytes, window
from upcycle.data.readers._picture import MAX_PIXELS, Unreadable
from upcycle.data.readers._raw import RawImages, Source

_T = TypeVar("_T")
_BYTES_AT_WORK = 24  # per pixel: as stored, as values, in its window; float64 the last two

_TAGS = (
    *("SpecificCharacterSet", "PatientID", "IssuerOfPatientID", "BurnedInAnnotation", "SharedFunctionalGroupsSequence"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelData"),
    *("PixelPaddingRangeLimit", "FloatPixelData", "DoubleFloatPixelData", "PresentationLUTShape", "PresentationLUTSequence"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"),
    *(f"{c}PaletteColorLookupTable{end}" for c in ("Red", "Green", "Blue") for end in ("Descriptor", "Data")),
)


def read_dicom(source: Source) -> RawImages:
    """DICOM files in class folders or named by a labels.csv; groups are patients, by their id in the files."""
    return read_files(source, SCAN)


def _pixels_of_pydicom() -> Any:
    return need("pydicom.pixels", "medical", "DICOM files")


def _open(path: str, source: Source) -> Opened:
    need("pydicom", "medical", "DICOM files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that are odd but harmless, in files we did not write
        dataset = _guarded(lambda: _parsed(path, source.limits))
        _check_pixels(dataset, path, source)
        frames = _guarded(lambda: _frames(dataset, source))
        owner = _guarded(lambda: _owner(dataset))
    if _is_stretched(dataset):
        source.findings.count("files whose pixels are higher than wide, or wider than high: they were read as squares")
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        source.findings.count("files that say that text is burned into their pixels: look for names before you continue")
    return Opened(frames, owner)


def _is_stretched(dataset: Any) -> bool:
    """Whether a viewer would show the image in another shape, by the first of these elements that is filled in."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        try:
            height, width = map(float, dataset.get(name) or ())
        except (TypeError, ValueError):
            continue
        return min(height, width) > 0 and max(height, width) > 1.01 * min(height, width)
    return False


def _guarded(work: Callable[[], _T]) -> _T:
    """What `work` returns. Any error of the parser becomes Unreadable: on a damaged file it may raise whatever Python has."""
    try:
        return work()
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(_reason(error)) from None


def _reason(error: Exception) -> str:
    """What the parser says, on one line; where it lacks a decoder, what to install."""
    text = " ".join(str(error).split())
    if "plugins are missing dependencies" in text or "unable to decode" in text.lower():
        return (
            "compressed pixels whose decoder is not installed, install pylibjpeg with pylibjpeg-libjpeg and pylibjpeg-openjpeg"
        )
    return textwrap.shorten(text, 120, placeholder=" ...").rstrip(".,: ") or type(error).__name__


def _parsed(path: str, limits: Limits) -> Any:
    from pydicom import dcmread

    check_before_parsing(path, limits)
    dataset = dcmread(path, specific_tags=list(_TAGS))
    check_values(dataset, _TAGS)
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise Unreadable("float pixels")
    if "PixelData" not in dataset:
        raise Unreadable("no pixels")
    if dataset.get("PresentationLUTSequence"):
        raise Unreadable("a presentation LUT, save the file with it applied")
    if "SharedFunctionalGroupsSequence" in dataset:
        raise Unreadable("an enhanced multi-frame object, save one file per slice")
    if not 0 < int(dataset.Rows) * int(dataset.Columns) <= MAX_PIXELS:
        raise Unreadable(f"{dataset.Rows} x {dataset.Columns} pixels")
    check_packed(dataset)
    return dataset


def _check_pixels(dataset: Any, path: str, source: Source) -> None:
    """Raise DataError where the pixels would take more memory, decoded and shown, than files of this size may."""
    count = _guarded(lambda: _count(dataset))
    frames = min(count, source.settings.slices or count)
    pixels = int(dataset.Rows) * int(dataset.Columns)
    source.check_work(pixels * (_BYTES_AT_WORK + 3 * (frames - 1)), Path(path).stat().st_size)


def _count(dataset: Any) -> int:
    return int(dataset.get("NumberOfFrames", 1) or 1)


def _owner(dataset: Any) -> tuple[str, str] | None:
    patient = str(dataset.get("PatientID", "") or "").strip()
    return (str(dataset.get("IssuerOfPatientID", "") or "").strip(), patient) if patient else None


def _frames(dataset: Any, source: Source) -> list[np.ndarray]:
    pixel_array = _pixels_of_pydicom().pixel_array
    count, settings = _count(dataset), source.settings
    if count > 1:
        source.findings.note("DICOM files of several frames: frames were chosen by data.slices and data.slice_share")
    indices = chosen(count, settings.slices, settings.slice_share) if count > 1 else [0]
    for index in indices:
        check_frame(dataset, index)
    return [_shown(pixel_array(dataset, index=index), dataset, source) for index in indices]


def _shown(stored: np.ndarray, dataset: Any, source: Source) -> np.ndarray:
    """uint8 (h, w) or (h, w, 3) of one frame as stored."""
    kind = str(dataset.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        stored = _pixels_of_pydicom().apply_color_lut(stored, dataset)
        stored = (stored >> 8).astype(np.uint8) if stored.dtype.itemsize > 1 else stored
    if stored.ndim == 3:
        if stored.dtype != np.uint8:
            raise Unreadable("colour of more than 8 bits")
        return stored
    if not kind.startswith("MONOCHROME") and stored.dtype != np.uint8:
        raise Unreadable(f"pixels of kind {kind}")
    grey = _grey(stored, dataset, source)
    if kind == "MONOCHROME1":  # the smallest value is white
        source.findings.count("MONOCHROME1 images were inverted")
        grey = 1 - grey
    elif str(dataset.get("PresentationLUTShape", "") or "").upper() == "INVERSE":  # says of MONOCHROME1 what that says itself
        source.findings.count("images whose presentation LUT is inverse were inverted")
        grey = 1 - grey
    return to_bytes(grey)


def _grey(stored: np.ndarray, dataset: Any, source: Source) -> np.ndarray:
    """[0, 1] (h, w): modality LUT or rescaling, then the window asked for, the file's VOI LUT or window, or the range."""
    values = _rescaled(stored, dataset)
    if source.settings.window:
        return window(values, *source.settings.window, "LINEAR_EXACT")
    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return np.asarray(_pixels_of_pydicom().apply_voi(values.astype(np.int64), dataset) / (2**bits - 1))
    if _is_given(dataset, "WindowCenter") and _is_given(dataset, "WindowWidth"):
        return _windowed(values, dataset)
    source.findings.count("DICOM images without a window were stretched from their darkest to their brightest pixel")
    real = values[~_padding(stored, dataset)]
    real = values if real.size == 0 else real
    return stretched(values, float(real.min()), float(real.max()))


def _is_given(dataset: Any, name: str) -> bool:
    """Whether the element is there and not empty: types 1C and 2 are found empty in files of many makers."""
    value = dataset.get(name)
    return value is not None and str(value).strip() not in ("", "[]", "None")


def _rescaled(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """Stored values in units of the scanner (DICOM PS3.3, C.11.1): an absent slope is 1, an absent intercept 0."""
    if dataset.get("ModalityLUTSequence"):
        return np.asarray(_pixels_of_pydicom().apply_modality_lut(stored, dataset))
    slope, intercept = (
        float(dataset.get(name)) if _is_given(dataset, name) else absent
        for name, absent in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    return np.asarray(stored * slope + intercept)


def _windowed(values: np.ndarray, dataset: Any) -> np.ndarray:
    function = str(dataset.get("VOILUTFunction", "") or "LINEAR").upper()
    try:
        return window(values, _first(dataset.WindowCenter), _first(dataset.WindowWidth), function)
    except ValueError as error:
        raise Unreadable(f"{error}, give another with data.window") from None


def _padding(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """bool (h, w): pixels outside the picture, by PixelPaddingValue or from it to PixelPaddingRangeLimit."""
    if not _is_given(dataset, "PixelPaddingValue"):
        return np.zeros(stored.shape, bool)
    ends = [int(dataset.PixelPaddingValue)]
    if _is_given(dataset, "PixelPaddingRangeLimit"):
        ends.append(int(dataset.PixelPaddingRangeLimit))
    return np.asarray((stored >= min(ends)) & (stored <= max(ends)))


def _first(value: Any) -> float:
    """The first of several windows: the one a viewer shows first."""
    from pydicom.multival import MultiValue

    return float(value[0] if isinstance(value, MultiValue) else value)


SCAN: Final = FileKind("scan", "DICOM", _open)
