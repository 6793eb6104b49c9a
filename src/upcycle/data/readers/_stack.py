"""Images one by one to one array; refused where they still differ when they are in their channels and of their side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from upcycle.config import DataConfig
from upcycle.data.readers._prepare import as_grey, as_rgb, prepared, shows_grey
from upcycle.data.readers._raw import Findings, Source, shown
from upcycle.data.readers._sketch import NeedsPixels, Sketch, digest, is_blank


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

    def __init__(self, source: Source) -> None:
        self._source, self._settings = source, source.settings
        self._kinds: list[Kind] = []
        self._names: list[str] = []
        self._images: list[np.ndarray] = []
        self.sketch: Sketch | None = None

    def add(self, image: np.ndarray, name: str, packed: int) -> None:
        """`packed`: bytes of the file that it was unpacked from. Raises DataError where all unpack to more than they may."""
        image = prepared(image, self._settings.channels, self._settings.side)
        self._source.hold(image.nbytes, packed)
        self._keep(image)
        self._kinds.append(_kind(image))
        self._names.append(name)

    def array(self, findings: Findings) -> np.ndarray:
        """(n, h, w[, 3]). Odd ones out are a problem; zeros replace them, so that other checks can continue."""
        if not self._kinds:
            return np.zeros((0, 8, 8), np.uint8)
        self._one_colour(findings)
        usual = Counter(self._kinds).most_common(1)[0][0]
        if any(kind != usual for kind in self._kinds):
            _refuse(self._names, self._kinds, usual, findings)
            return np.zeros((len(self._kinds), 8, 8), np.uint8)
        return self._whole(usual)

    def _keep(self, image: np.ndarray) -> None:
        self._images.append(image)

    def _whole(self, _: Kind) -> np.ndarray:
        whole = np.empty((len(self._images), *self._images[0].shape), self._images[0].dtype)
        for k in range(len(whole)):
            whole[k], self._images[k] = self._images[k], np.empty(0)  # let go at once, or memory would hold all twice
        return whole

    def _one_colour(self, findings: Findings) -> None:
        """Where grey and RGB are mixed, all become grey if none shows a colour, and else RGB."""
        colour = [k for k, kind in enumerate(self._kinds) if kind.channels == 3]
        if not 0 < len(colour) < len(self._kinds):
            return
        if all(shows_grey(self._images[k]) for k in colour):
            findings.count(RGB_OF_GREY, len(colour))
            self._images = [image if image.ndim == 2 else as_grey(image) for image in self._images]
        else:
            findings.count(GREY_AMONG_RGB, len(self._kinds) - len(colour))
            self._source.hold(2 * sum(image.nbytes for image in self._images if image.ndim == 2), 0)
            self._images = [image if image.ndim == 3 else as_rgb(image) for image in self._images]
        self._kinds = [_kind(image) for image in self._images]


class SketchPile(Pile):
    """Keeps of each image what a check needs. Raises NeedsPixels where that depends on images that come later."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._digests = bytearray()
        self._blank = self._highest = 0

    def _keep(self, image: np.ndarray) -> None:
        kind = _kind(image)
        if kind.bits > 8 or (self._kinds and self._kinds[0].channels != kind.channels):
            raise NeedsPixels
        content = image.tobytes()
        self._digests += digest(content)
        self._blank += is_blank(content, kind.channels)
        if self._highest < 255:
            self._highest = max(self._highest, int(image.max()))

    def _whole(self, kind: Kind) -> np.ndarray:
        shape = (len(self._kinds), kind.height, kind.width, kind.channels)
        self.sketch = Sketch(shape, np.frombuffer(bytes(self._digests), "S16"), self._blank, self._highest)
        return self.sketch.stand_in()


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
    if (
        images.dtype.kind not in "biuf"
        or images.ndim not in (3, 4)
        or 0 in images.shape
        or (images.ndim == 4 and images.shape[3] not in (1, 3))
    ):
        return images
    squeezed = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    if len(images) and (settings.channels != "auto" or (settings.side and images.shape[1:3] != (settings.side, settings.side))):
        first = prepared(squeezed[0], settings.channels, settings.side)
        shaped = np.empty((len(squeezed), *first.shape), first.dtype)
        for k, image in enumerate(squeezed):
            shaped[k] = prepared(image, settings.channels, settings.side)
        squeezed = shaped
    return squeezed[..., None] if squeezed.ndim == 3 else squeezed


def bytes_in_shape(arrays: Sequence[np.ndarray], settings: DataConfig) -> int:
    """What arrays (n, h, w[, c]) of all splits take in the shape that the settings ask for, or that they have in common."""
    colour = settings.channels == "rgb" or (
        settings.channels == "auto" and any(a.ndim == 4 and a.shape[3] == 3 for a in arrays)
    )
    total = 0
    for array in arrays:
        height, width = array.shape[1:3] if array.ndim in (3, 4) else (1, 1)
        pixels = settings.side**2 if settings.side else height * width
        total += len(array) * pixels * (3 if colour else 1) * array.itemsize if array.ndim in (3, 4) else array.nbytes
    return total


def _kind(image: np.ndarray) -> Kind:
    return _cached_kind(image.shape, image.dtype.itemsize)


@cache
def _cached_kind(shape: tuple[int, ...], bytes_each: int) -> Kind:
    """One object for all images alike: there may be millions."""
    return Kind(shape[0], shape[1], 3 if len(shape) == 3 else 1, 16 if bytes_each > 1 else 8)


def _refuse(names: list[str], kinds: list[Kind], usual: Kind, findings: Findings) -> None:
    odd = [(name, kind) for name, kind in zip(names, kinds, strict=True) if kind != usual]
    sizes = any(replace(kind, bits=usual.bits) != usual for _, kind in odd)
    then = "Convert or remove them, or set data.side." if sizes else "Convert or remove them."
    got = shown(f"{name} ({kind})" for name, kind in odd)
    findings.problem("all images", f"of one size, channel count and depth, as most are ({usual})", got, then)
