"""The steps that turn one image as found into one as trained on: channels, then padding and side, then 8 bits.

No step looks at another image: what depends on the whole set, `bits` and the channels of a mixed set, is an argument.
"""

from typing import Literal

import numpy as np

Channels = Literal["auto", "grey", "rgb"]
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners store in 16-bit numbers
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
    from PIL import Image

    height, width = image.shape[:2]
    longest = max(height, width)
    above, left = (longest - height) // 2, (longest - width) // 2
    margins = [(above, longest - height - above), (left, longest - width - left)]
    square = np.pad(image, margins + [(0, 0)] * (image.ndim - 2))
    planes = [square] if square.ndim == 2 else list(np.moveaxis(square, 2, 0))
    floats = [Image.fromarray(plane.astype(np.float32)) for plane in planes]
    resized = [np.asarray(plane.resize((side, side), Image.Resampling.BILINEAR)) for plane in floats]
    values = resized[0] if square.ndim == 2 else np.stack(resized, 2)
    whole = image.dtype.kind in "iub"
    return (np.rint(values) if whole else values).astype(image.dtype)


def prepared(image: np.ndarray, channels: Channels, side: int | None) -> np.ndarray:
    """`image` (h, w) or (h, w, 3) of any whole-number type, in these channels and of this side."""
    return fitted(in_channels(image, channels), side)


def in_8_bits(images: np.ndarray, bits: int) -> np.ndarray:
    """uint8 of whole numbers from 0 to 2**bits - 1; `bits` is that of the whole data set."""
    if bits == 8 and images.dtype == np.uint8:
        return images
    table: np.ndarray = np.round(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)
    return np.asarray(table[images])
