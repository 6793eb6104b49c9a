"""One picture, from a file or from bytes, to pixels as a viewer shows them; nothing is unpacked that claims to be huge."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from upcycle._bounded import DEFAULT, Limits
from upcycle.data.readers._prepare import shows_grey
from upcycle.data.readers._raw import Findings

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = "PNG, JPEG, TIFF, BMP, WebP or AVIF"
_READ = ("PNG", "JPEG", "MPO", "TIFF", "BMP", "DIB", "WEBP", "AVIF")
_PLUGINS = ("Png", "Jpeg", "Mpo", "Tiff", "Bmp", "WebP", "Avif")
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error, zlib.error)
MAX_PIXELS = 64_000_000  # of one image: 8,000 x 8,000, above which a file is a mistake or a bomb
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4; turned into the Transpose of Pillow that shows the image upright
_UPRIGHT = {
    **{2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"},
    **{6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"},
}
_EXIF = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1"}
_WHITE_IS_ZERO = 0  # TIFF 6.0, PhotometricInterpretation


class Unreadable(Exception):
    """One file cannot be used; the text says why, in a few words."""


def open_picture(source: str | IO[bytes], findings: Findings, limits: Limits = DEFAULT) -> np.ndarray:
    """Pixels (h, w) or (h, w, 3), uint8 or uint16. Raises Unreadable if `source` is no whole picture of at most MAX_PIXELS,
    or one that would unpack to more than `limits` allow."""
    from PIL import Image

    try:
        with Image.open(source, formats=_formats()) as image:
            if _is_too_large(image, source, limits):
                raise Unreadable(f"{image.width} x {image.height} pixels")
            return pixels(image, findings)
    except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable from None


@contextlib.contextmanager
def without_warnings_of_size() -> Iterator[None]:
    """Around the reading of many pictures: Pillow's warning says what an error line says too, and takes longer for each one."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _is_too_large(image: Image, source: str | IO[bytes], limits: Limits) -> bool:
    """Whether more is claimed than is ever read, or than the file may unpack to; a small image needs no look at its size."""
    count = image.width * image.height
    needed = count * _bytes_at_work(image)
    return count > MAX_PIXELS or (needed > 2 * limits.allowed(0) and needed > 2 * limits.allowed(_size(source)))


def _size(source: str | IO[bytes]) -> int:
    if isinstance(source, str):
        return Path(source).stat().st_size
    here = source.tell()
    size = source.seek(0, io.SEEK_END)
    source.seek(here)
    return size


def _bytes_at_work(image: Image) -> int:
    """Bytes per pixel that are held at a time while `image` is unpacked and converted: three copies."""
    transparent = "transparency" in image.info or image.mode in ("LA", "La", "PA", "P")
    return 3 * (4 if transparent or image.mode in ("F", "I") else len(image.getbands()) * (2 if "16" in image.mode else 1))


@cache
def _formats() -> tuple[str, ...]:
    """Those that this build of Pillow reads."""
    from PIL import Image

    for name in _PLUGINS:
        with contextlib.suppress(ImportError):  # of an older Pillow
            import_module(f"PIL.{name}ImagePlugin")
    return tuple(name for name in _READ if name in Image.OPEN)


def pixels(image: Image, findings: Findings) -> np.ndarray:
    """(h, w) or (h, w, 3), uint8 or uint16, of a Pillow image as shown; what is lost or converted is noted.

    Raises Unreadable for float pixels and those outside 0 to 65535, which 16-bit grey cannot hold.
    """
    if getattr(image, "is_animated", False):
        findings.count("pictures of several frames or pages, of which the first was read")
    if _is_deep_colour(image):
        kind = "RGB" if image.mode in ("RGB", "RGBA") else image.mode
        findings.note(f"16-bit {kind} images were reduced to 8 bits: their high bytes were kept")
    image.load()
    image = _upright(image, findings)
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep(image)
    return _opaque(image, findings)


def _is_deep_colour(image: Image) -> bool:
    """Whether Pillow is about to drop the low bytes of 16-bit colour: it says so in the raw mode of the tiles alone."""
    ways = [tile[3] for tile in getattr(image, "tile", ())]
    raw = [way[0] if isinstance(way, tuple) and way else way for way in ways]  # the rest of a tuple is of lines and strips
    return any("16" in str(mode) for mode in raw) and not image.mode.startswith("I")


def _upright(image: Image, findings: Findings) -> Image:
    """Turned as its EXIF orientation says; Pillow has turned a TIFF already."""
    from PIL import Image

    if not _EXIF & image.info.keys():
        return image
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged block of EXIF, which viewers ignore
        return image
    if turn is None:
        return image
    findings.count("images were turned upright, as their EXIF orientation says")
    return image.transpose(Image.Transpose[turn])


def _deep(image: Image) -> np.ndarray:
    if image.mode == "F":
        raise Unreadable("float pixels")
    if "transparency" in image.info:
        raise Unreadable("16-bit pixels with a transparent shade")
    if getattr(image, "tag_v2", {}).get(262) == _WHITE_IS_ZERO:
        raise Unreadable("16-bit pixels of which 0 is white")
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise Unreadable(f"pixels from {low} to {high}")
    return values.astype(np.uint16)


def _opaque(image: Image, findings: Findings) -> np.ndarray:
    """uint8 on white where the image is transparent: what that hides was hidden on purpose, perhaps a name or a face."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _on_white(image, findings)
    if image.mode in ("L", "RGB"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode == "P":
        return _as_shown(np.asarray(image.convert("RGB")))
    findings.count(f"{image.mode} images were converted to RGB")
    return np.asarray(image.convert("RGB"))


def _on_white(image: Image, findings: Findings) -> np.ndarray:
    whole = np.asarray(image.convert("RGBA"))
    colours = whole[..., :3]
    if int(whole[..., 3].min()) < 255:
        findings.count("images are transparent in places: they were put on white")
        colours = np.empty((*whole.shape[:2], 3), np.uint8)
        for k, row in enumerate(whole):  # row by row: as 32-bit numbers a large image would fill the memory
            alpha = row[..., 3:].astype(np.uint32)
            colours[k] = (row[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return colours if image.mode in ("RGB", "RGBA", "RGBa") else _as_shown(colours)


def _as_shown(colours: np.ndarray) -> np.ndarray:
    """(h, w) of an image (h, w, 3) that shows grey only."""
    return np.ascontiguousarray(colours[..., 0]) if shows_grey(colours) else colours
