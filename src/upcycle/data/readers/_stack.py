"""Single images to one array: brought to a common side where that was asked for, refused where they still differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from upcycle.data.readers._raw import Findings


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
    whole = np.issubdtype(image.dtype, np.integer)
    return (np.rint(values) if whole else values).astype(image.dtype)


def fitted_all(images: np.ndarray, side: int | None) -> np.ndarray:
    """`images` (n, h, w[, c]) fitted one by one; as they are if `side` is None or the shape is none of images."""
    if side is None or images.ndim not in (3, 4) or images.shape[1:3] == (side, side) or 0 in images.shape:
        return images
    return np.stack([fitted(image, side) for image in images])


def stacked(images: Sequence[np.ndarray], names: Sequence[str], findings: Findings) -> np.ndarray:
    """Images as one array (n, h, w[, 3]), uint8 or uint16. Odd ones out are a problem, and a stand-in of zeros comes back."""
    if not images:
        return np.zeros((0, 8, 8), np.uint8)
    kinds = [_kind(image) for image in images]
    usual = Counter(kinds).most_common(1)[0][0]
    odd = [f"{name} ({kind})" for name, kind in zip(names, kinds, strict=True) if kind != usual]
    if odd:
        allowed = f"of one size, channel count and depth, as most are ({usual})"
        findings.problem("all images", allowed, shown(odd), "Convert or remove them, or set data.side.")
        return np.zeros((len(images), 8, 8), np.uint8)  # a stand-in, so that the other checks can go on
    whole = np.stack(images)
    return whole.clip(0, 65535).astype(np.uint16) if whole.dtype.itemsize > 1 else whole


def _kind(image: np.ndarray) -> str:
    colour = "RGB" if image.ndim == 3 else "grey"
    return f"{image.shape[0]} x {image.shape[1]} {colour} {16 if image.dtype.itemsize > 1 else 8}-bit"


def shown(names: Iterable[str], most: int = 5) -> str:
    """The first few of `names`, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
