"""Images one by one to one array; refused where they still differ when they are in their channels and of their side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from upcycle.config import DataConfig
from upcycle.data.readers._prepare import as_grey, as_rgb, prepared, shows_grey
from upcycle.data.readers._raw import Findings, shown


@dataclass(frozen=True)
class Kind:
    """What images of one array have in common."""

    height: int
    width: int
    channels: int
    bits: int

    def __str__(self) -> str:
        return f"{self.height} x {self.width} {'RGB' if self.channels == 3 else 'grey'} {self.bits}-bit"


class Pile:
    """Collects images (h, w) or (h, w, 3), uint8 or uint16, prepared as `settings` say."""

    def __init__(self, settings: DataConfig) -> None:
        self._settings = settings
        self._images: list[np.ndarray] = []
        self._names: list[str] = []

    def add(self, image: np.ndarray, name: str) -> None:
        self._images.append(prepared(image, self._settings.channels, self._settings.side))
        self._names.append(name)

    def array(self, findings: Findings) -> np.ndarray:
        """(n, h, w[, 3]). Odd ones out are a problem, and a stand-in of zeros comes back, so that other checks can go on."""
        if not self._images:
            return np.zeros((0, 8, 8), np.uint8)
        self._one_colour(findings)
        kinds = [_kind(image) for image in self._images]
        usual = Counter(kinds).most_common(1)[0][0]
        if any(kind != usual for kind in kinds):
            _refuse(self._names, kinds, usual, findings)
            return np.zeros((len(kinds), 8, 8), np.uint8)
        whole = np.empty((len(kinds), *self._images[0].shape), self._images[0].dtype)
        for k in range(len(kinds)):
            whole[k], self._images[k] = self._images[k], np.empty(0)  # let go at once, or memory would hold all twice
        return whole

    def _one_colour(self, findings: Findings) -> None:
        """Where grey and RGB are mixed, all become grey if none shows a colour, and else RGB."""
        colour = [k for k, image in enumerate(self._images) if image.ndim == 3]
        if not 0 < len(colour) < len(self._images):
            return
        if all(shows_grey(self._images[k]) for k in colour):
            findings.count(RGB_OF_GREY, len(colour))
            self._images = [image if image.ndim == 2 else as_grey(image) for image in self._images]
        else:
            findings.count(GREY_AMONG_RGB, len(self._images) - len(colour))
            self._images = [image if image.ndim == 3 else as_rgb(image) for image in self._images]


RGB_OF_GREY = "RGB images that show grey only were read as grey, as the others are"
GREY_AMONG_RGB = "grey images were made RGB, as others have colours (data.channels=grey makes all grey)"


def one_colour(arrays: list[np.ndarray], findings: Findings) -> list[np.ndarray]:
    """Arrays (n, h, w, 1 or 3) of several splits in the channels of the set: as in `Pile`."""
    counts = [len(images) if images.ndim else 0 for images in arrays]
    colour = [images.ndim == 4 and images.shape[3] == 3 for images in arrays]
    grey = [images.ndim == 4 and images.shape[3] == 1 for images in arrays]
    if not (any(colour) and any(grey)) or not all(c or g for c, g in zip(colour, grey, strict=True)):
        return arrays
    if all(shows_grey(images) for images, rgb in zip(arrays, colour, strict=True) if rgb):
        findings.count(RGB_OF_GREY, sum(n for n, rgb in zip(counts, colour, strict=True) if rgb))
        return [as_grey(images)[..., None] if rgb else images for images, rgb in zip(arrays, colour, strict=True)]
    findings.count(GREY_AMONG_RGB, sum(n for n, rgb in zip(counts, colour, strict=True) if not rgb))
    return [images if rgb else as_rgb(images[..., 0]) for images, rgb in zip(arrays, colour, strict=True)]


def in_shape(images: np.ndarray, settings: DataConfig) -> np.ndarray:
    """Arrays (n, h, w[, c]) prepared one by one; as they are where nothing is asked for or the shape is none of images."""
    if images.ndim not in (3, 4) or 0 in images.shape or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        return images
    squeezed = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    if settings.channels != "auto" or (settings.side and images.shape[1:3] != (settings.side, settings.side)):
        squeezed = np.stack([prepared(image, settings.channels, settings.side) for image in squeezed])
    return squeezed[..., None] if squeezed.ndim == 3 else squeezed


def _kind(image: np.ndarray) -> Kind:
    return Kind(image.shape[0], image.shape[1], 3 if image.ndim == 3 else 1, 16 if image.dtype.itemsize > 1 else 8)


def _refuse(names: list[str], kinds: list[Kind], usual: Kind, findings: Findings) -> None:
    odd = [(name, kind) for name, kind in zip(names, kinds, strict=True) if kind != usual]
    sizes = any(replace(kind, bits=usual.bits) != usual for _, kind in odd)
    then = "Convert or remove them, or set data.side." if sizes else "Convert or remove them."
    got = shown(f"{name} ({kind})" for name, kind in odd)
    findings.problem("all images", f"of one size, channel count and depth, as most are ({usual})", got, then)
