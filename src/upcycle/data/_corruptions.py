"""Images as a worse camera, a shaky hand or a saved file would show them, in five strengths, as in CIFAR-10-C (Hendrycks &
Dietterich 2019); lengths grow with the side of the images."""

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image

from upcycle._random import numpy_rng

STRENGTHS: Final = 5
_SIDE: Final = 32  # pixels, for which the strengths of blur were meant


def _noise(images: np.ndarray, strength: int) -> np.ndarray:
    deviation = (0.04, 0.06, 0.08, 0.09, 0.10)[strength]
    return images + numpy_rng(0, "corruption", "noise", strength).normal(0, deviation, images.shape)


def _blur(images: np.ndarray, strength: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    pixels = (0.4, 0.6, 0.7, 0.8, 1.0)[strength] * images.shape[1] / _SIDE
    return np.asarray(gaussian_filter(images, (0, pixels, pixels, 0), mode="nearest"))


def _contrast(images: np.ndarray, strength: int) -> np.ndarray:
    mean = images.mean((1, 2), keepdims=True)
    return np.asarray(mean + (0.75, 0.5, 0.4, 0.3, 0.15)[strength] * (images - mean))


def _brightness(images: np.ndarray, strength: int) -> np.ndarray:
    """More value at the same hue and saturation."""
    value = images.max(3, keepdims=True)
    brighter = np.minimum(value + (0.05, 0.1, 0.15, 0.2, 0.3)[strength], 1)
    return np.asarray(np.where(value > 0, images * brighter / np.maximum(value, 1e-9), brighter))


def _jpeg(images: np.ndarray, strength: int) -> np.ndarray:
    quality = (80, 65, 58, 50, 40)[strength]
    return np.stack([_saved(image, quality) for image in _bytes(images)]) / 255


def _saved(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(image.shape)


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.asarray((images * 255).round().clip(0, 255).astype(np.uint8))


CORRUPTIONS: Final[Mapping[str, Callable[[np.ndarray, int], np.ndarray]]] = MappingProxyType(
    {"noise": _noise, "blur": _blur, "contrast": _contrast, "brightness": _brightness, "jpeg": _jpeg}
)


def corrupted(images: np.ndarray, kind: str, strength: int) -> np.ndarray:
    """uint8 images (n, height, width, channels) of this `kind` of CORRUPTIONS and `strength` 1..STRENGTHS; always the same."""
    return _bytes(CORRUPTIONS[kind](images / 255, strength - 1))
