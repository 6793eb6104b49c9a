"""PyTorch data sets of every usual kind, as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from tests.data.test_read import CONFIG, IMAGES, LABELS
from upcycle.data import from_arrays
from upcycle.data.readers._torch import from_torch
from upcycle.errors import DataError

RGB = np.stack([IMAGES, 255 - IMAGES, IMAGES // 2], 3)


class Listed(Dataset[Any]):
    """Items from a list, as a map-style data set: indexing past the end does not stop an iteration."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index % len(self.items)]


class Streamed(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from zip(IMAGES, LABELS.tolist(), strict=True)


def listed(images: Any, labels: Any = LABELS) -> Listed:
    return Listed(list(zip(images, labels, strict=False)))


def refused(dataset: Any, pattern: str) -> None:
    with pytest.raises(DataError, match=pattern) as caught:
        from_torch(dataset)
    (line,) = caught.value.problems
    assert "must" in line and "Got" in line and line.endswith(".")


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (listed([Image.fromarray(image) for image in IMAGES]), IMAGES),
        (listed([Image.fromarray(image) for image in RGB]), RGB),
        (listed(RGB, map(int, LABELS)), RGB),
        (listed(torch.from_numpy(RGB).permute(0, 3, 1, 2), torch.from_numpy(LABELS)), RGB),
        (TensorDataset(torch.from_numpy(IMAGES[:, None]), torch.from_numpy(LABELS)), IMAGES[..., None]),
        (TensorDataset(torch.from_numpy(IMAGES), torch.from_numpy(LABELS)), IMAGES),
        (Subset(listed(IMAGES), range(240)), IMAGES),
        (Streamed(), IMAGES),
    ],
)
def test_images_and_labels_are_those_of_the_data_set(dataset: Any, expected: np.ndarray) -> None:
    images, labels = from_torch(dataset)
    assert images.dtype == np.uint8 and np.array_equal(images, expected)
    assert labels.dtype == np.int64 and np.array_equal(labels, LABELS)


def test_tensors_between_zero_and_one_become_the_same_8_bit_images() -> None:
    tensors = torch.from_numpy(RGB).permute(0, 3, 1, 2) / 255
    dataset = from_arrays(*from_torch(TensorDataset(tensors, torch.from_numpy(LABELS))), config=CONFIG, seed=0)
    same = from_arrays(RGB, LABELS, config=CONFIG, seed=0)
    assert np.array_equal(dataset.train.images, same.train.images)


def test_items_of_another_kind_are_refused_and_named() -> None:
    refused(Listed([]), "empty")
    refused(Listed([IMAGES[0]]), "pairs of image and class. Got ndarray at 0")
    refused(listed([IMAGES[0], IMAGES[1][:4]]), r"uint8 \(4, 8\) at 1 after uint8 \(8, 8\)")
    refused(listed(IMAGES, [0, 1.5]), "whole numbers. Got '1.5' at 1")
    refused(listed(IMAGES, [np.array([0, 1])]), "single whole numbers")
    refused(listed(["a.png"]), "Pillow images, arrays or tensors. Got str")
    refused(3, "indexed or iterated. Got int")


def test_random_transform_is_refused() -> None:
    class Noisy(Listed):
        def __getitem__(self, index: int) -> Any:
            image, label = super().__getitem__(index)
            return image + np.random.default_rng().integers(0, 50, image.shape, dtype=np.uint8), label

    refused(Noisy(list(zip(IMAGES, LABELS, strict=True))), "transforms of a torch data set must be fixed")


def test_what_is_changed_in_pillow_images_is_warned_of() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(IMAGES[0])
    lying.info["exif"] = exif.tobytes()
    with pytest.warns(UserWarning, match="EXIF orientation"):
        images, _ = from_torch(listed([lying] + [Image.fromarray(image) for image in IMAGES[1:]]))
    assert np.array_equal(images[0], np.rot90(IMAGES[0], -1))
    with pytest.warns(UserWarning, match="put on white"):
        images, _ = from_torch(listed([Image.merge("LA", [Image.fromarray(i), Image.new("L", (8, 8))]) for i in IMAGES]))
    assert (images == 255).all()
    refused(listed([Image.fromarray(IMAGES.astype(np.float32)[0])] * 240), "8 or 16 bits. Got float pixels at 0")
