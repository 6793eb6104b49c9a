"""Cross-fitted labels: what a teacher remembers of a record never labels the images that are like it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import blobs
from upcycle.data import ImageSet
from upcycle.recycle import CrossedLabels, Origin


@pytest.fixture
def members() -> ImageSet:
    images, labels = blobs(90)
    return ImageSet(images[..., None], labels)


@pytest.fixture
def origin(members: ImageSet) -> Origin:
    held_out = ImageSet(blobs(60, seed=4)[0][..., None], blobs(60, seed=4)[1])
    return Origin.measured(members, np.arange(90) % 3, held_out)


def test_an_image_is_traced_to_the_fold_of_the_record_it_copies(members: ImageSet, origin: Origin) -> None:
    noise = np.random.default_rng(0).integers(-3, 4, members.images.shape)
    copies = (members.images.astype(int) + noise).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(origin(copies), np.arange(90) % 3)


def test_which_class_a_record_was_called_says_nothing_of_where_an_image_comes_from(members: ImageSet, origin: Origin) -> None:
    renamed = ImageSet(members.images, (members.labels + 1) % 3)
    held_out = ImageSet(blobs(60, seed=4)[0][..., None], blobs(60, seed=4)[1])
    other = Origin.measured(renamed, np.arange(90) % 3, held_out)
    asked = blobs(40, seed=9)[0][..., None]
    np.testing.assert_array_equal(origin(asked), other(asked))


def test_each_image_is_traced_by_itself(members: ImageSet, origin: Origin) -> None:
    asked = blobs(40, seed=9)[0][..., None]
    np.testing.assert_array_equal(origin(asked), np.concatenate([origin(asked[k : k + 1]) for k in range(40)]))


def test_a_kept_origin_traces_alike(origin: Origin, tmp_path: Path) -> None:
    origin.save(tmp_path / "origin.npz")
    asked = blobs(40, seed=9)[0][..., None]
    np.testing.assert_array_equal(origin(asked), Origin.load(tmp_path / "origin.npz")(asked))


class _Sure(nn.Module):
    """Gives class `favourite` a logit of 4."""

    def __init__(self, favourite: int) -> None:
        super().__init__()
        self.favourite = favourite

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return 4.0 * nn.functional.one_hot(torch.full((len(views),), self.favourite), 3).float()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_only_the_teacher_that_missed_the_fold_labels_an_image(temperature: float) -> None:
    labels = CrossedLabels([_Sure(0), _Sure(1), _Sure(2)], temperature=temperature)
    source = torch.tensor([2, 0, 0, 1, 2])
    found = labels(torch.zeros(5, 1, 8, 8), torch.zeros(5, dtype=torch.int64), source)
    torch.testing.assert_close(found.argmax(1), source)
    sure = float(np.exp(4 / temperature) / (np.exp(4 / temperature) + 2))
    torch.testing.assert_close(found.max(1).values, torch.full((5,), sure))


def test_a_batch_may_come_from_one_fold_alone() -> None:
    labels = CrossedLabels([_Sure(0), _Sure(1), _Sure(2)])
    found = labels(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64))
    assert found.argmax(1).tolist() == [1] * 4
