"""From an image as it was found to what the classifiers see: one block, which training, release, prediction and cards read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from upcycle._bounded import shortened
from upcycle.data.readers import as_grey, as_rgb, fitted, in_8_bits, shows_grey
from upcycle.errors import DataError

Kind = Literal["array", "picture", "scan", "volume"]
ORDER: Final = ("upright", "window", "channels", "padding", "filter", "bits")  # the steps, first to last
_ROUNDING: Final = 1e-5  # how far a float may lie outside [0, 1] before it is taken for another scale


class Unfit(Exception):
    """An image is not one that the block describes: it must be `allowed`, it is `got`, and `then` says what to do."""

    def __init__(self, allowed: str, got: str, then: str) -> None:
        super().__init__(f"{allowed}: {got}")
        self.allowed, self.got, self.then = allowed, got, then


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes uint8 (side, side, channels): made once, from the settings and the images of the training data.

    Attributes:
        channels: 1 (grey) or 3 (RGB) of the result.
        side: of the square result, in pixels.
        kind: what the training images were: arrays, or files of pictures, DICOM scans or NIfTI volumes.
        colour: "convert" (data.channels was set) weighs the colours of an image for a grey result; "keep" refuses it.
        padding: "black" pads to a centred square and resizes; "none" takes images of exactly `side` x `side` only.
        filter: of the resizing; "triangle" averages over the pixels that a new one covers.
        bits: whole numbers from 0 to 2**bits - 1 become 0 to 255; floats from 0 to 1 do where `bits` is 8.
        stored: 16 where the training pixels were wider than one byte, whatever `bits` their values need; else 8.
        window: centre and width of the grey values shown of scans and volumes; None = the file's own, or its range.
        plane: along which a volume is cut.
        slices: of a volume, or frames of a scan, that are taken; 0: all.
        slice_share: part of the volume, around its middle, that they are taken from.
    """

    channels: Literal[1, 3]
    side: Annotated[int, Field(ge=1, le=4_096)]
    kind: Kind = "array"
    colour: Literal["keep", "convert"] = "keep"
    padding: Literal["none", "black"] = "none"
    filter: Literal["none", "triangle"] = "none"
    bits: Annotated[int, Field(ge=8, le=16)] = 8
    stored: Literal[8, 16] = 8
    window: tuple[float, Annotated[float, Field(gt=0)]] | None = None
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    slices: Annotated[int, Field(ge=0, le=100_000)] = 1
    slice_share: Annotated[float, Field(gt=0, le=1)] = 0.5

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data, with what follows from them: the grey range and the order of the steps."""
        window = None if self.window is None else list(self.window)
        return {**asdict(self), "window": window, "grey_range": [0, 2**self.bits - 1], "order": list(ORDER)}

    @staticmethod
    def from_json(found: object) -> Preprocess:
        """The block that `to_json` gave. Raises DataError for every field that is missing or out of range."""
        try:
            return _BLOCK.validate_python(_tupled(found))
        except ValidationError as error:
            raise DataError(*[_problem(found) for found in error.errors()]) from None

    def lines(self) -> list[str]:
        """The steps in words, first to last."""
        colour = "grey" if self.channels == 1 else "RGB"
        turned = {
            "array": "Arrays as they are; pictures upright, as their orientation tag says.",
            "picture": "Pictures upright, as their orientation tag says.",
            "scan": f"DICOM: {_grey_of_scans(self.window)} {_taken(self.slices, self.slice_share, 'frames')}",
            "volume": f"NIfTI: {_grey_of_volumes(self.window)} {_taken(self.slices, self.slice_share, f'{self.plane} slices')}",
        }
        square = "Padded with black to a centred square, then resized; a new pixel averages those that it covers (triangle)."
        exact = "Nothing is resized: an image of another size is refused."
        other = "colours are weighed (ITU-R BT.601)" if self.colour == "convert" else "an image with colours is refused"
        return [
            turned[self.kind],
            f"{colour}{'; ' + other if self.channels == 1 else '; grey images get three equal channels'}.",
            f"{self.side} x {self.side} pixels. {exact if self.padding == 'none' else square}",
            f"{self.bits} bits: 0 to {2**self.bits - 1} become 0 to 255, rounded.",
        ]

    def shaped(self, image: np.ndarray) -> np.ndarray:
        """`image` (h, w) or (h, w, 1 or 3) of any type of number as (side, side, channels), values on their own scale.

        Raises Unfit where it has colours or a size that the training images had not.
        """
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)) or 0 in image.shape:
            shape = " x ".join(map(str, image.shape))
            raise Unfit("grey or RGB, of shape (h, w) or (h, w, 1 or 3)", f"shape {shape}", "Convert it.")
        image = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        return self._sized(self._coloured(image)).reshape(self.side, self.side, self.channels)

    def _coloured(self, image: np.ndarray) -> np.ndarray:
        if (3 if image.ndim == 3 else 1) == self.channels:
            return image
        if self.channels == 3:
            return as_rgb(image)
        if self.colour == "convert" or shows_grey(image):
            return as_grey(image)
        raise Unfit("grey, as the training images were", "colours", "Convert it as those were.")

    def _sized(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        if self.padding == "none" and (height, width) != (self.side, self.side):
            allowed = f"{self.side} x {self.side} pixels, as all training images were"
            raise Unfit(allowed, f"{height} x {width}", "Bring it to that size as those were, or train with data.side.")
        return fitted(image, self.side)

    def levels(self, images: np.ndarray) -> np.ndarray:
        """uint8 of pixels of any type of number and any shape. Raises Unfit where their scale is not that of the training."""
        if images.dtype == np.uint8 and self.bits == 8:
            return images
        if np.issubdtype(images.dtype, np.integer):
            return self._whole_numbers(images)
        if images.dtype != bool and not np.issubdtype(images.dtype, np.floating):
            raise Unfit("numbers", f"type {images.dtype}", "Save them as uint8.")
        if self.bits > 8:
            raise Unfit(f"of {self.bits} bits, as the training images were", f"type {images.dtype}", "Convert them alike.")
        return images.astype(np.uint8) * np.uint8(255) if images.dtype == bool else _of_floats(images)

    def _whole_numbers(self, images: np.ndarray) -> np.ndarray:
        low, high = (int(images.min()), int(images.max())) if images.size else (0, 0)
        if low < 0 or high > 65535:
            raise Unfit("between 0 and 65535", f"values from {low} to {high}", "Rescale them.")
        if (images.dtype == np.uint8) != (self.stored == 8) and (self.bits > 8 or self.stored == 8):
            got = f"{8 * images.dtype.itemsize}-bit pixels with values up to {high}"
            raise Unfit(f"stored in {self.stored} bits, as the training images were", got, "Convert them alike.")
        if high >= 2**self.bits:
            allowed = f"between 0 and {2**self.bits - 1}, the range of the training images"
            raise Unfit(allowed, f"values up to {high}", "Bring them to that range as those were.")
        return in_8_bits(images, self.bits)


_BLOCK: Final[TypeAdapter[Preprocess]] = TypeAdapter(Preprocess)


def _grey_of_scans(window: tuple[float, float] | None) -> str:
    if window:
        return f"modality rescaling, then the window of centre {window[0]:g} and width {window[1]:g} (linear exact)."
    return (
        "modality rescaling, then the file's own lookup table or window; without one, from its darkest to its brightest pixel."
    )


def _grey_of_volumes(window: tuple[float, float] | None) -> str:
    if window:
        return f"turned to RAS+, the window of centre {window[0]:g} and width {window[1]:g} (linear exact)."
    return "turned to RAS+, stretched from the 0.5th to the 99.5th percentile of the whole volume."


def _taken(count: int, share: float, what: str) -> str:
    return f"{count or 'All'} {what} from the central {100 * share:g} %, evenly spaced."


def _of_floats(images: np.ndarray) -> np.ndarray:
    bad = [k for k, image in enumerate(images) if not np.isfinite(image).all()]
    if bad:
        got = f"{len(bad)} with some (row {', '.join(map(str, bad[:5]))}{', ...' if len(bad) > 5 else ''})"
        raise Unfit("free of NaN and infinity", got, "Repair or remove them.")
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise Unfit("uint8, 16-bit, or float in [0, 1]", f"float from {low:.9g} to {high:.9g}", "Rescale them.")
    pixels = np.empty(images.shape, np.uint8)
    for k, image in enumerate(images):  # one by one: copies of all as floats would fill the memory
        pixels[k] = np.round(image.clip(0, 1) * 255)
    return pixels


def _tupled(found: object) -> object:
    """JSON has no tuples; anything else is left for the validator to refuse."""
    window = found.get("window") if isinstance(found, Mapping) else None
    return {**found, "window": tuple(window)} if isinstance(found, Mapping) and isinstance(window, list) else found


def _problem(found: Any) -> str:
    name = ".".join(["preprocess", *map(str, found["loc"])])
    allowed = str(found["msg"]).removeprefix("Input should be ")
    return f"{name} must be {allowed}. Got {shortened(found['input'])}. Get the release again, or release the run again."
