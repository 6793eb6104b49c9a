"""The steps that turn one image as found into one as trained on: channels, then padding and side, then 8 bits.

No step looks at another image: what depends on the whole set, `bits` and the channels of a mixed set, is an argument.
"""

import math
from typing import Literal

import numpy as np

from upcycle.errors import DataError

Channels = Literal["auto", "grey", "rgb"]
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners store in 16-bit numbers
MAX_SIDE = 32_768  # of an image that is resized; one that is longer has so few pixels across that nothing is left of them
_STRIP = 2**20  # values that are converted at a time
_LUMA = np.array([19595, 38470, 7471])  # ITU-R BT.601-2 in 65536ths: an image of equal channels keeps its values


def in_channels(image: np.ndarray, channels: Channels) -> np.ndarray:
    """`image` (h, w) or (h, w, 3) as (h, w) for grey and (h, w, 3) for rgb; as it is for auto."""
    if channels == "grey" and image.ndim == 3:
        return as_grey(image)
    return as_rgb(image) if channels == "rgb" and image.ndim == 2 else image


def as_grey(images: np.ndarray) -> np.ndarray:
    """Luma (...,) of images (..., 3), of the same type."""
    if np.issubdtype(images.dtype, np.floating):
        return np.asarray(images @ (_LUMA / 65536).astype(images.dtype))
    luma = np.empty(images.shape[:-1], images.dtype)
    rows = max(_STRIP // max(math.prod(images.shape[1:]), 1), 1)
    for k in range(0, len(images), rows):  # part by part: as wide numbers all would fill the memory
        luma[k : k + rows] = _luma(images[k : k + rows])
    return luma


def _luma(images: np.ndarray) -> np.ndarray:
    wide = images.astype(np.int64 if images.dtype.itemsize > 2 else np.uint32)
    weights = _LUMA.astype(wide.dtype)
    luma = wide[..., 0] * weights[0] + wide[..., 1] * weights[1] + wide[..., 2] * weights[2]
    return np.asarray(((luma + 32768) >> 16).astype(images.dtype))


def as_rgb(images: np.ndarray) -> np.ndarray:
    """(..., 3) of grey images (...,)."""
    return np.stack([images] * 3, axis=-1)


def shows_grey(images: np.ndarray) -> bool:
    """Whether all channels of images (..., 3) are equal."""
    return bool((images[..., 0] == images[..., 1]).all() and (images[..., 1] == images[..., 2]).all())


def fitted(image: np.ndarray, side: int | None) -> np.ndarray:
    """`image` (h, w) or (h, w, 3), padded with zeros to a centred square and resized to `side`; as it is if `side` is None.

    Pixels are averaged over what they cover (a triangle filter), so values stay within the range of the image and its type.
    """
    if side is None or image.shape[:2] == (side, side):
        return image
    if max(image.shape[:2]) > MAX_SIDE:
        got = f"{image.shape[0]:,} x {image.shape[1]:,}"
        raise DataError(f"images that are resized must be at most {MAX_SIDE:,} pixels long. Got {got}. Cut or remove them.")
    planes = [image] if image.ndim == 2 else list(np.moveaxis(image, 2, 0))
    resized = [_resized(plane, side) for plane in planes]
    values = resized[0] if image.ndim == 2 else np.stack(resized, 2)
    whole = image.dtype.kind in "iub"
    return (np.rint(values) if whole else values).astype(image.dtype)


def _resized(plane: np.ndarray, side: int) -> np.ndarray:
    """float32 (side, side) of (h, w): rows first, strip by strip, then columns, as Pillow does it of a whole image."""
    from PIL import Image

    height, width = plane.shape
    longest = max(height, width)
    above, left = (longest - height) // 2, (longest - width) // 2
    narrow = np.zeros((longest, side), np.float32)
    rows = max(_STRIP // longest, 1)
    for top in range(0, height, rows):
        strip = np.pad(plane[top : top + rows], [(0, 0), (left, longest - width - left)]).astype(np.float32)
        shrunk = Image.fromarray(strip).resize((side, len(strip)), Image.Resampling.BILINEAR)
        narrow[above + top : above + top + len(strip)] = np.asarray(shrunk)
    return np.asarray(Image.fromarray(narrow).resize((side, side), Image.Resampling.BILINEAR))


def prepared(image: np.ndarray, channels: Channels, side: int | None) -> np.ndarray:
    """`image` (h, w) or (h, w, 3) of any whole-number type, in these channels and of this side."""
    return fitted(in_channels(image, channels), side)


def in_8_bits(images: np.ndarray, bits: int) -> np.ndarray:
    """uint8 of whole numbers from 0 to 2**bits - 1; `bits` is that of the whole data set."""
    if bits == 8 and images.dtype == np.uint8:
        return images
    table: np.ndarray = np.round(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)
    return np.asarray(table[images])
