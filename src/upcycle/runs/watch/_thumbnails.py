"""Images in a terminal: two pixels a character, the upper half block in one colour on the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


_SIDE = (16, 28)  # smallest and largest side of a thumbnail, in pixels


_GAP = 1  # columns between two thumbnails


_HALF = "▀"


def can_show(console: Console) -> bool:
    """Whether the console is a terminal of 24-bit colour."""
    return console.is_terminal and console.color_system == "truecolor"


def thumbnail_rows(images: np.ndarray, width: int, *, rows: int = 1) -> list[Text]:
    """Lines of at most `width` columns that show the first images, as many as fit side by side in `rows` rows.

    `images` uint8 (n, side, side, 1 or 3). Small images are enlarged by a whole factor, large ones averaged down.
    """
    small = [_fitted(image) for image in images]
    each = max(1, (width + _GAP) // (small[0].shape[1] + _GAP)) if small else 1
    chunks = [small[start : start + each] for start in range(0, min(len(small), each * rows), each)]
    return [line for chunk in chunks for line in _lines(chunk)]


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Row numbers int64 (at most `count`,) that walk the classes in turn: the first of each, then the second of each."""
    places = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    depth = max((len(found) for found in places), default=0)
    turns = [found[k] for k in range(depth) for found in places if k < len(found)]
    return np.asarray(turns[:count], np.int64)


def _fitted(image: np.ndarray) -> np.ndarray:
    """uint8 (height, width, 3), the height even."""
    from PIL import Image

    pixels = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    side = max(pixels.shape[:2])
    if side > _SIDE[1]:
        shape = tuple(max(2, round(length * _SIDE[1] / side)) for length in (pixels.shape[1], pixels.shape[0]))
        pixels = np.asarray(Image.fromarray(pixels).resize((shape[0], shape[1]), Image.Resampling.BOX))
    elif side * 2 <= _SIDE[1] and side < _SIDE[0]:
        factor = -(-_SIDE[0] // side)
        pixels = pixels.repeat(factor, 0).repeat(factor, 1)
    return np.concatenate([pixels, pixels[-1:]]) if len(pixels) % 2 else pixels


def _lines(images: Sequence[np.ndarray]) -> list[Text]:
    from rich.text import Text

    lines = []
    for row in range(0, len(images[0]), 2):
        line = Text(no_wrap=True, end="")
        for k, image in enumerate(images):
            line.append(" " * _GAP if k else "")
            for upper, lower in zip(image[row], image[row + 1], strict=True):
                line.append(_HALF, style=f"{_colour(upper)} on {_colour(lower)}")
        lines.append(line)
    return lines


def _colour(pixel: np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel.tolist())
