"""PyTorch data sets, as torchvision and many others have them, to arrays."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from upcycle.data.readers._picture import Unreadable, pixels
from upcycle.data.readers._raw import Findings, plain_array
from upcycle.errors import DataError


def from_torch(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, h, w) or (n, h, w, channels) of the type they come in, and labels int64 (n,), of any torch-like data set.

    `dataset` yields pairs of an image and a whole number, by index with a length or by iteration. Images are Pillow images,
    arrays (h, w[, c]), or tensors (c, h, w) or (h, w). Transforms run once: leave random ones out, `augment` has its own.
    Changes to Pillow images are reported as warnings. Raises DataError for items of another kind, images of several shapes,
    and a first item that differs when it is read again.

    >>> Upcycler("quick").fit(*from_torch(train_set))
    """
    items, findings = _items(dataset), Findings()
    images: list[np.ndarray] = []
    labels: list[int] = []
    for index, item in enumerate(items):
        image, label = _pair(item, index, findings)
        if images and (image.shape, image.dtype) != (images[0].shape, images[0].dtype):
            got = f"{image.dtype} {image.shape} at {index} after {images[0].dtype} {images[0].shape}"
            raise DataError(f"images of a torch data set must be of one shape and type. Got {got}. Resize them first.")
        images.append(image)
        labels.append(label)
    if not images:
        raise DataError("torch data set must hold images. Got an empty one. Check how it was made.")
    _refuse_random(dataset, images[0])
    for note in findings.said():  # there is no report yet that could hold them
        warnings.warn(f"from_torch: {note}", stacklevel=2)
    return np.stack(images), np.array(labels, np.int64)


def _items(dataset: Any) -> Iterator[Any]:
    """By index where there is a length: a torch map-style data set need not stop an iteration."""
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and not isinstance(dataset, Mapping):
        return (dataset[index] for index in range(len(dataset)))
    if isinstance(dataset, Iterable) and not isinstance(dataset, Mapping):
        return iter(dataset)
    raise DataError(f"torch data set must be indexed or iterated. Got {type(dataset).__name__}. Give a Dataset.")


def _pair(item: Any, index: int, findings: Findings) -> tuple[np.ndarray, int]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        got = f"{type(item).__name__} at {index}"
        raise DataError(f"items of a torch data set must be pairs of image and class. Got {got}. Wrap the data set.")
    return _image(item[0], index, findings), _label(item[1], index)


def _label(value: Any, index: int) -> int:
    number = np.asarray(value)
    if number.size != 1 or not np.issubdtype(number.dtype, np.integer):
        got = f"{str(value)[:40]!r} at {index}"
        raise DataError(f"labels of a torch data set must be single whole numbers. Got {got}. Number the classes.")
    return int(number.reshape(()))


def _image(value: Any, index: int, findings: Findings) -> np.ndarray:
    from PIL import Image

    if isinstance(value, Image.Image):
        try:
            return pixels(value, findings)
        except Unreadable as error:
            got = f"{error} at {index}"
            raise DataError(f"images of a torch data set must have 8 or 16 bits. Got {got}. Convert them.") from None
    is_tensor = type(value).__module__.split(".")[0] == "torch" or hasattr(value, "detach")
    array = plain_array(f"image {index} of a torch data set", value)
    if array.ndim not in (2, 3) or array.dtype.kind not in "biufc":
        got = f"{type(value).__name__} of {array.dtype} {array.shape} at {index}"
        raise DataError(f"images of a torch data set must be Pillow images, arrays or tensors. Got {got}. Convert them.")
    return np.moveaxis(array, 0, 2) if is_tensor and array.ndim == 3 else array


def _refuse_random(dataset: Any, first: np.ndarray) -> None:
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        return
    again = _pair(dataset[0], 0, Findings())[0]
    if again.shape != first.shape or not np.array_equal(again, first, equal_nan=again.dtype.kind == "f"):
        raise DataError("transforms of a torch data set must be fixed. Got two pictures of item 0. Leave random ones out.")
