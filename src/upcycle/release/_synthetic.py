"""The synthetic set, drawn in batches and handed to every sink at once; memory does not grow with the number of images."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from upcycle._files import json_text
from upcycle.audit.copies import COMPARED
from upcycle.errors import ReleaseError
from upcycle.release._material import Format, Material
from upcycle.release._sinks import Batch, Layout, open_sink

CHUNK: Final = 512
DISTANCES: Final = "distances.json"
_GOLDEN = 0.6180339887498949
_LOOKED_AT = 10_000  # images of which the hashes are kept
_TAUGHT = 20_000  # images that a released generator learns from at most
_JUDGED = 20  # images from which on something is said of them
_LOG = logging.getLogger("upcycle")
_PATIENCE = 4  # draws per image wanted, before a generator that copies is given up


def image_hash(image: np.ndarray) -> bytes:
    """16 bytes that two uint8 images (side, side, channels) share only if they are the same."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def class_sequence(first: int, count: int, shares: np.ndarray) -> np.ndarray:
    """Classes int64 (count,) of images first, first + 1, ...: every prefix of the set holds the shares, to about one image.

    Equal shares go round; others follow the golden-ratio sequence, whose discrepancy is O(log n / n).
    """
    numbers = np.arange(first, first + count)
    present = np.flatnonzero(shares)
    if np.allclose(shares[present], shares[present[0]]):
        return np.asarray(present[numbers % len(present)])
    places = (numbers * _GOLDEN + 0.5) % 1
    return np.searchsorted(np.cumsum(shares / shares.sum()), places, side="right").clip(max=len(shares) - 1)


def batches(material: Material, count: int, left_out: Callable[[int], None] = lambda _: None) -> Iterator[Batch]:
    """The first `count` images of the set, in batches. A draw that is byte for byte a private image is drawn again; `left_out`
    is told how many were. Raises ReleaseError where that happens so often that the generator must be a copier, and where most
    images are the same ones; a class of which the teacher sees no image is named in a log line."""
    seen = _Seen(len(material.shares))
    number = count  # where further draws for images that must not leave are taken from
    for first in range(0, count, CHUNK):
        labels = class_sequence(first, min(CHUNK, count - first), material.shares)
        images = material.draw(labels, np.arange(first, first + len(labels)))
        while len(copies := _copies(images, material.private_hashes)):
            if number + len(copies) > (1 + _PATIENCE) * count:
                raise ReleaseError(
                    "synthetic images must not be private ones. Got a generator that repeats its training images. "
                    "Train it on more images or for fewer steps, or release with --images 0."
                )
            left_out(len(copies))
            images = images.copy()
            images[copies] = material.draw(labels[copies], np.arange(number, number + len(copies)))
            number += len(copies)
        soft = material.soft_labels(images).astype(np.float16)
        seen.add(images, labels, soft)
        yield Batch(first, images, labels, soft)
    seen.check(material.names)


def first_images(material: Material, count: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images (n, side, side, channels) and the classes they were asked for: the first of the set of `count`, drawn once
    more, at most about 20,000."""
    found = list(islice(batches(material, count), -(-min(count, _TAUGHT) // CHUNK)))
    return np.concatenate([batch.images for batch in found]), np.concatenate([batch.labels for batch in found])


class _Seen:
    """What a collapsed generator shows: few different images, and classes that are not recognised."""

    def __init__(self, classes: int) -> None:
        self._hashes = set[bytes]()
        self._asked, self._right = np.zeros(classes, np.int64), np.zeros(classes, np.int64)

    def add(self, images: np.ndarray, labels: np.ndarray, soft: np.ndarray) -> None:
        classes, looked_at = len(self._asked), int(self._asked.sum())
        self._hashes.update(map(image_hash, images[: max(_LOOKED_AT - looked_at, 0)]))
        self._asked += np.bincount(labels, minlength=classes)
        self._right += np.bincount(labels[soft.argmax(1) == labels], minlength=classes)

    def check(self, names: Sequence[str]) -> None:
        """Raise ReleaseError where hardly two images differ: one or two of each class, or one in fifty."""
        count, different = min(int(self._asked.sum()), _LOOKED_AT), len(self._hashes)
        if count >= max(_JUDGED, 4 * len(self._asked)) and different <= max(2 * len(self._asked), count / 50):
            raise ReleaseError(
                f"synthetic images must differ. Got {different:,} different ones among {count:,}: the generator "
                "has collapsed. Train it with a lower generator.lr in a new run folder, or release with --images 0."
            )
        for name, asked, right in zip(names, self._asked, self._right, strict=False):
            if asked >= _JUDGED and not right:
                _LOG.warning("the teacher takes none of the %s synthetic images of class %s for that class", asked, name)


def _copies(images: np.ndarray, private: frozenset[bytes]) -> np.ndarray:
    """Rows that are byte for byte a private image."""
    return np.asarray([k for k, image in enumerate(images) if image_hash(image) in private], np.int64)


def write_synthetic(
    material: Material, count: int, formats: tuple[Format, ...], folder: Path, report: Callable[[int], None]
) -> int:
    """Write the set in every format, and how far private records lie from it, in few numbers; returns how many draws were
    left out as copies of private images."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(count, (material.size, material.size, material.channels), material.names)
    left_out, first, held = list[int](), list[np.ndarray](), 0
    with ExitStack() as stack:
        writers = [stack.enter_context(open_sink(form, folder, layout)) for form in dict.fromkeys(formats)]
        for batch in batches(material, count, left_out.append):
            for write in writers:
                write(batch)
            if held < COMPARED:
                first, held = [*first, batch.images], held + len(batch.images)
            report(batch.first + len(batch.labels))
    found = material.compare(np.concatenate(first)) if first else None
    if found is not None:
        (folder / DISTANCES).write_text(json_text(found.to_json()) + "\n", encoding="utf-8")
    return sum(left_out)
