"""One PNG or JPEG, from a file or from bytes, to pixels; nothing is unpacked that claims to be huge."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from upcycle.data.readers._raw import Findings

if TYPE_CHECKING:
    from PIL.Image import Image


_FORMATS = ("PNG", "JPEG")


_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error, zlib.error)


MAX_PIXELS = 64_000_000  # of one image: 8,000 x 8,000, above which a file is a mistake or a bomb


def open_picture(source: Path | IO[bytes], findings: Findings) -> np.ndarray | None:
    """Pixels (h, w) or (h, w, 3), or None if `source` is no whole PNG or JPEG of at most MAX_PIXELS."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    return None
                return pixels(image, findings)
    except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def pixels(image: Image, findings: Findings) -> np.ndarray:
    """(h, w) or (h, w, 3) of a Pillow image; what is lost or converted is noted."""
    if _is_deep_colour(image):
        findings.note("16-bit RGB images were reduced to 8 bits: their high bytes were kept")
    if image.mode in ("L", "RGB") or image.mode.startswith("I"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    findings.note(f"{image.mode} images were converted to RGB")
    # Pillow wants a palette with transparency to pass through RGBA
    through = image.convert("RGBA") if "transparency" in image.info else image
    return np.asarray(through.convert("RGB"))


def _is_deep_colour(image: Image) -> bool:
    """Whether Pillow is about to drop the low bytes of 16-bit colour: it says so in the raw mode of the tiles alone."""
    return any("16" in str(tile[3]) for tile in getattr(image, "tile", ())) and not image.mode.startswith("I")
