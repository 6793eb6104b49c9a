"""One picture, from a file or from bytes, to pixels as a viewer shows them; nothing is unpacked that claims to be huge."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from upcycle.data.readers._prepare import MAX_SIDE, shows_grey
from upcycle.data.readers._raw import Findings, Source

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = "PNG, JPEG, TIFF, BMP, WebP or AVIF"
_READ = ("PNG", "JPEG", "MPO", "TIFF", "BMP", "DIB", "WEBP", "AVIF")
_PLUGINS = ("Png", "Jpeg", "Mpo", "Tiff", "Bmp", "WebP", "Avif")
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error, zlib.error)
MAX_PIXELS = 64_000_000  # of one image: 8,000 x 8,000, above which a file is a mistake or a bomb
_STRIP = 2**20  # pixels that are converted at a time: Pillow gives what it holds as a copy of a copy
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4; what shows the image upright
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    **{2: np.fliplr, 3: lambda shown: np.rot90(shown, 2), 4: np.flipud, 5: lambda shown: shown.swapaxes(0, 1)},
    **{6: lambda shown: np.rot90(shown, -1), 7: lambda shown: np.rot90(shown, 2).swapaxes(0, 1), 8: np.rot90},
}
_EXIF = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1"}
_WHITE_IS_ZERO = 0  # TIFF 6.0, PhotometricInterpretation


class Unreadable(Exception):
    """One file cannot be used; the text says why, in a few words."""


def open_picture(file: str | IO[bytes], source: Source) -> np.ndarray:
    """Pixels (h, w) or (h, w, 3), uint8 or uint16. Raises Unreadable if `file` is no whole picture of at most MAX_PIXELS,
    or one that would take more memory than the limits of `source` allow."""
    from PIL import Image

    try:
        with Image.open(file, formats=_formats()) as image:
            if _is_too_large(image, file, source):
                raise Unreadable(f"{image.width} x {image.height} pixels")
            return pixels(image, source.findings)
    except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable from None


@contextlib.contextmanager
def without_warnings_of_size() -> Iterator[None]:
    """Around the reading of many pictures: Pillow's warning says what an error line says too, and takes longer for each one."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _is_too_large(image: Image, file: str | IO[bytes], source: Source) -> bool:
    """Whether more is claimed than is ever read, or than the file may take; a small image needs no look at its size."""
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        return True
    needed = _bytes_at_work(image)
    return not (source.fits(needed, 0) or source.fits(needed, _size(file)))


def _size(file: str | IO[bytes]) -> int:
    if isinstance(file, str):
        return Path(file).stat().st_size
    here = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(here)
    return size


def _bytes_at_work(image: Image) -> int:
    """Bytes that are held at a time: Pillow's picture with what its decoder needs, or with the array that is made of it."""
    held = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4
    array = 3 if held != 2 and image.mode not in ("1", "L", "I", "F") else 2
    pixels = image.width * image.height
    kept, passing = _of_the_decoder(image)
    return int(pixels * (held + kept + max(array, passing)))


def _of_the_decoder(image: Image) -> tuple[float, float]:
    """Bytes a pixel that the decoder of this format keeps with the picture, and that it needs until the picture is there."""
    if image.format in ("JPEG", "MPO"):
        return 0, 2 * len(image.getbands())  # coefficients of 16 bits, where channels or details come one after the other
    if image.format == "TIFF":
        return 0, _of_tiff(image)
    if image.format == "WEBP":
        return 8, 9  # the last frames, on a canvas; one more, as bytes
    if image.format == "AVIF":
        return 6, 10
    return 0, 8 if getattr(image, "is_animated", False) else 2  # runs of a bitmap are unpacked first


def _of_tiff(image: Image) -> float:
    """libtiff unpacks a strip or a tile at a time, which may be larger than the image, and Pillow turns what it shows."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    depth = max(tags.get(258) or (1,)) * int(tags.get(277, 1)) / 8
    rows = min(int(tags.get(278, image.height)), image.height)
    area = int(tags[322]) * int(tags[323]) if 322 in tags and 323 in tags else rows * image.width
    turned = 4 if tags.get(_ORIENTATION, 1) != 1 else 0
    return float(max(turned, 2 * depth * area / (image.width * image.height)))


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
    deep = image.mode == "F" or image.mode.startswith("I")
    return _upright(image, findings)(_deep(image) if deep else _opaque(image, findings))


def _is_deep_colour(image: Image) -> bool:
    """Whether Pillow is about to drop the low bytes of 16-bit colour: it says so in the raw mode of the tiles alone."""
    ways = [tile[3] for tile in getattr(image, "tile", ())]
    raw = [way[0] if isinstance(way, tuple) and way else way for way in ways]  # the rest of a tuple is of lines and strips
    return any("16" in str(mode) for mode in raw) and not image.mode.startswith("I")


def _upright(image: Image, findings: Findings) -> Callable[[np.ndarray], np.ndarray]:
    """What turns its pixels as its EXIF orientation says; Pillow has turned a TIFF already."""
    if not _EXIF & image.info.keys():
        return np.asarray
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged block of EXIF, which viewers ignore
        return np.asarray
    if turn is None:
        return np.asarray
    findings.count("images were turned upright, as their EXIF orientation says")
    return turn


def _array(image: Image, mode: str, change: Callable[[np.ndarray], np.ndarray] = np.asarray) -> np.ndarray:
    """What `change` makes of the pixels in `mode`, strip by strip."""
    rows = max(_STRIP // image.width, 1)
    if image.height <= rows:
        return change(np.asarray(image if image.mode == mode else image.convert(mode)))
    strips = (image.crop((0, top, image.width, min(top + rows, image.height))) for top in range(0, image.height, rows))
    whole, top = np.empty(0), 0
    for strip in strips:
        part = change(np.asarray(strip if strip.mode == mode else strip.convert(mode)))
        whole = whole if top else np.empty((image.height, *part.shape[1:]), part.dtype)
        whole[top : top + len(part)] = part
        top += len(part)
    return whole


def _deep(image: Image) -> np.ndarray:
    if image.mode == "F":
        raise Unreadable("float pixels")
    if "transparency" in image.info:
        raise Unreadable("16-bit pixels with a transparent shade")
    if getattr(image, "tag_v2", {}).get(262) == _WHITE_IS_ZERO:
        raise Unreadable("16-bit pixels of which 0 is white")
    ends: list[int] = []

    def narrow(values: np.ndarray) -> np.ndarray:
        ends.extend((int(values.min()), int(values.max())))
        return values.astype(np.uint16)

    values = _array(image, image.mode, narrow)
    if min(ends) < 0 or max(ends) > 65535:
        raise Unreadable(f"pixels from {min(ends)} to {max(ends)}")
    return values


def _opaque(image: Image, findings: Findings) -> np.ndarray:
    """uint8 on white where the image is transparent: what that hides was hidden on purpose, perhaps a name or a face."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _on_white(image, findings)
    if image.mode in ("L", "RGB"):
        return _array(image, image.mode)
    if image.mode == "1":
        return _array(image, "L")
    if image.mode == "P":
        return _as_shown(_array(image, "RGB"))
    findings.count(f"{image.mode} images were converted to RGB")
    return _array(image, "RGB")


def _on_white(image: Image, findings: Findings) -> np.ndarray:
    lowest = 255

    def painted(whole: np.ndarray) -> np.ndarray:
        nonlocal lowest
        clearest = int(whole[..., 3].min())
        lowest = min(lowest, clearest)
        if clearest == 255:
            return whole[..., :3]
        alpha = whole[..., 3:].astype(np.uint32)
        return np.asarray((whole[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

    colours = _array(image, "RGBA", painted)
    if lowest < 255:
        findings.count("images are transparent in places: they were put on white")
    return colours if image.mode in ("RGB", "RGBA", "RGBa") else _as_shown(colours)


def _as_shown(colours: np.ndarray) -> np.ndarray:
    """(h, w) of an image (h, w, 3) that shows grey only."""
    return np.ascontiguousarray(colours[..., 0]) if shows_grey(colours) else colours
