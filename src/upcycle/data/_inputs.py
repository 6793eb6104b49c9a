"""Files and arrays to what a classifier sees, by the block that its training left; all that does not fit it is said at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from upcycle._arguments import typed
from upcycle._bounded import DEFAULT
from upcycle.config import DataConfig
from upcycle.data._preprocess import Kind, Preprocess, Unfit
from upcycle.data.readers import (
    PICTURE,
    SCAN,
    VOLUME,
    FileKind,
    Findings,
    Source,
    Unreadable,
    Walk,
    kind_of_file,
    npz_images,
    pixels,
    plain_array,
    printable,
    shown,
)
from upcycle.errors import DataError

Inputs = np.ndarray | str | Path | Sequence[str | Path | np.ndarray]
"""An array (n, h, w[, channels]) of images; or one path, or several paths and single images, arrays or of Pillow."""

_COPIES = 2  # of prepared images at a time: one by one, and stacked
_FILES: dict[Kind, FileKind] = {"array": PICTURE, "picture": PICTURE, "scan": SCAN, "volume": VOLUME}


@dataclass(frozen=True)
class Prepared:
    """`images` uint8 (n, side, side, channels), and what each is called: its file, with the number of its slice where a file
    gave several, or its place in the input."""

    images: np.ndarray
    names: tuple[str, ...]


@typed("inputs")
def prepare_images(inputs: Inputs, block: Preprocess) -> Prepared:
    """What a classifier trained with `block` sees of `inputs`. A folder stands for the files of its kind below it, an .npz for
    its array `images`.

    Raises DataError, with a line for every reason, where an image needs more than `block` knows.
    """
    images: list[np.ndarray] = []
    names: list[str] = []
    refused: dict[tuple[str, str], list[str]] = {}
    for name, item in _items(inputs, block):
        try:
            found = [block.levels(block.shaped(image)) for image in _opened(item, block)]
        except Unfit as error:
            refused.setdefault((error.allowed, error.then), []).append(f"{error.got} in {name}")
            continue
        images += found
        names += [name] if len(found) == 1 else [f"{name}[{k}]" for k in range(len(found))]
    if refused:
        problems = [f"every image must be {what}. Got {shown(got)}. {then}" for (what, then), got in refused.items()]
        raise DataError(*map(printable, problems))
    if not images:
        raise DataError("input must hold at least one image. Got none. Give image files, a folder of them, or an array.")
    return Prepared(np.stack(images), tuple(names))


@typed()
def checked(images: np.ndarray, block: Preprocess) -> np.ndarray:
    """`images` as uint8 (n, side, side, channels), if they are what a classifier sees already, such as synthetic ones: of that
    shape, or of (n, side, side) where they are grey. Raises DataError otherwise."""
    pixels = images[..., None] if images.ndim == 3 else images
    wanted = (block.side, block.side, block.channels)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != wanted:
        shape = f"(n, {', '.join(map(str, wanted))})"
        raise DataError(
            f"prepared images must be uint8 of shape {shape}. Got {images.dtype} {images.shape}. Leave out prepared=True."
        )
    return np.ascontiguousarray(pixels)


def _items(inputs: Inputs, block: Preprocess) -> Iterator[tuple[str, Any]]:
    """Name and path or array of every input."""
    if isinstance(inputs, bytes | Mapping) or (not isinstance(inputs, Iterable | str | Path) and not _is_picture(inputs)):
        got = type(inputs).__name__
        raise DataError(f"input must be images, or paths of files. Got {got}. Give one array, or a list of paths or images.")
    _refuse_one_image(inputs)
    for index, item in enumerate([inputs] if isinstance(inputs, str | Path) or _is_picture(inputs) else inputs):
        if not isinstance(item, str | Path):
            found = item if _is_picture(item) else plain_array(f"image {index}", item)
            if not _is_picture(item) and found.ndim < 2:
                got = f"{type(item).__name__} as image {index}"
                raise DataError(f"every input must be an image or the path of one. Got {got}. Give arrays (h, w) or paths.")
            yield f"image {index}", found
            continue
        path = Path(item)
        if path.is_dir():
            wanted = _FILES[block.kind].kind
            files = [path / name for name in _readable(Walk(path))]
            yield from ((str(file), file) for file in files if kind_of_file(str(file)) == wanted)
        elif path.suffix.lower() == ".npz":
            images = npz_images(Source(str(path), _settings(block)))
            _refuse_one_image(images)
            _refuse_too_many(path, len(images), block)
            yield from ((f"{path} row {row}", image) for row, image in enumerate(images))
        else:
            yield str(path), path


def _readable(walk: Walk) -> list[str]:
    """The files of a folder. Raises DataError for what can be neither opened nor ruled out: its answer would be missing."""
    names, findings = list(walk.files("")), Findings()
    walk.report(findings)
    if findings.problems:
        raise DataError(*findings.problems)
    return names


def _refuse_one_image(inputs: Inputs) -> None:
    """Raise DataError for an array that may be a single image: each of its rows would be answered as an image."""
    shape = getattr(inputs, "shape", None)
    if shape is None or (len(shape) in (3, 4) and not (len(shape) == 3 and shape[2] in (1, 3))) or _is_list_of_names(inputs):
        return
    got = f"shape {' x '.join(map(str, shape)) or '()'}"
    raise DataError(f"an array must be of images, (n, h, w) or (n, h, w, channels). Got {got}. Put one image into a list.")


def _refuse_too_many(path: Path, count: int, block: Preprocess) -> None:
    """Raise DataError for a file whose images, once they have the size of the student's, would fill the memory."""
    packed, needed = path.stat().st_size, count * block.side**2 * block.channels * _COPIES
    if needed > DEFAULT.allowed(packed):
        got = f"{count:,} images in {packed / 1e6:.1f} MB, which would take {needed / 1e9:.1f} GB at a side of {block.side}"
        raise DataError(f"{path} must hold images that fit into memory together. Got {got}. Split the file.")


def _is_list_of_names(inputs: Any) -> bool:
    """Whether it is an array, or a column of a table, that holds names of files or images as objects."""
    return len(inputs.shape) == 1 and getattr(inputs.dtype, "kind", "O") in "OU"


def _is_picture(item: object) -> bool:
    """Whether `item` is an image of Pillow, whose numbers alone may be rows of a palette, or lie on their side."""
    return hasattr(item, "getbands") and hasattr(item, "getexif")


def _of_pillow(image: Any) -> list[np.ndarray]:
    try:
        return [pixels(image, Findings())]
    except Unreadable as error:
        raise Unfit("a picture of 8 or 16 bits", str(error), "Convert it.") from None


def _opened(item: Any, block: Preprocess) -> Sequence[np.ndarray]:
    """The images of one file, with their values on the scale that the readers of training data give them."""
    if isinstance(item, np.ndarray):
        return [item]
    if _is_picture(item):
        return _of_pillow(item)
    kind = _FILES[block.kind]
    if not item.is_file():
        raise Unfit("an existing file", "none", "Check the path.")
    if (found := kind_of_file(str(item))) != kind.kind:
        called = {PICTURE.kind: PICTURE, SCAN.kind: SCAN, VOLUME.kind: VOLUME}
        got = called[found].called if found in called else "another image" if found == "other image" else "no image"
        raise Unfit(f"{kind.called}, as the training images were", got, "Convert it as those were, or leave it out.")
    try:
        return kind.open(str(item), Source(str(item), _settings(block), Findings())).images
    except Unreadable as error:
        raise Unfit(f"a readable {kind.called}", str(error) or "a damaged one", "Repair it or leave it out.") from None


def _settings(block: Preprocess) -> DataConfig:
    """The settings that readers look at."""
    return DataConfig(window=block.window, plane=block.plane, slices=block.slices, slice_share=block.slice_share)
