"""Support: what only one fold's records could have taught is refused, and a marker's own fold never vouches for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.recycle.test_screen import clustered
from upcycle._random import derive_seed
from upcycle.config import EdmConfig
from upcycle.data import ImageSet
from upcycle.generators import ImageShape, folds_generator, make_generator, members_of
from upcycle.recycle import Support, SupportFilter


class Sure(nn.Module):
    """Answers class `label` with probability `share` of two."""

    def __init__(self, label: int, share: float = 0.99) -> None:
        super().__init__()
        self._answer = torch.tensor([[share, 1 - share] if label == 0 else [1 - share, share]]).log()

    def forward(self, views: Tensor) -> Tensor:
        return self._answer.expand(len(views), 2)


def world() -> tuple[ImageSet, np.ndarray, ImageSet, np.ndarray]:
    """Members, their folds, held-out records, and a marker of class 0 that is like nothing else and stands in fold 1."""
    members, held_out = clustered()
    marker = np.random.default_rng(8).integers(0, 256, members.images[0].shape).astype(np.uint8)
    images, fold = members.images.copy(), np.arange(120) // 2 % 3
    images[2] = marker
    assert members.labels[2] == 0
    assert fold[2] == 1
    return ImageSet(images, members.labels), fold, held_out, marker


def drawn_by(fold: int, seed: int, count: int = 40) -> np.ndarray:
    """Indices that the generator without `fold` draws."""
    indices = np.arange(400)
    return indices[members_of(derive_seed(seed, "bank"), indices, [1, 1, 1]) == fold][:count]


def test_a_marker_that_a_generator_could_have_copied_is_refused_whoever_drew_it() -> None:
    members, fold, held_out, marker = world()
    support = Support.measured(members, fold, held_out, 0.85, 2)
    accepts = SupportFilter(support, [Sure(0)], agree=0.0, seed=4)
    for without in (0, 2):  # these generators saw the marker, and folds 0 and 2 hold nothing like it
        indices = drawn_by(without, 4)
        assert not accepts(np.repeat(marker[None], len(indices), 0), np.zeros(len(indices), np.int64), indices).any()


def test_images_that_are_like_held_out_records_stay() -> None:
    members, fold, held_out, _ = world()
    support = Support.measured(members, fold, held_out, 0.85, 2)
    accepts = SupportFilter(support, [Sure(0), Sure(0)], agree=0.5, seed=4)
    kept = accepts(held_out.images, held_out.labels, np.arange(len(held_out)))
    assert 0.7 <= kept.mean() <= 0.95


def test_images_on_which_teachers_disagree_are_refused() -> None:
    members, fold, held_out, _ = world()
    support = Support.measured(members, fold, held_out, 1.0, 2)
    torn = SupportFilter(support, [Sure(0), Sure(1)], agree=0.5, seed=4)
    assert not torn(held_out.images, held_out.labels, np.arange(len(held_out))).any()


def test_a_kept_support_gives_the_same_distances(tmp_path: Path) -> None:
    members, fold, held_out, _ = world()
    support = Support.measured(members, fold, held_out, 0.85, 2)
    support.save(tmp_path / "support.npz")
    again, without = Support.load(tmp_path / "support.npz"), np.zeros(len(held_out), np.int64)
    np.testing.assert_array_equal(
        again.distance(held_out.images, held_out.labels, without), support.distance(held_out.images, held_out.labels, without)
    )
    np.testing.assert_array_equal(again.limit, support.limit)


def test_no_generator_is_given_a_record_of_its_own_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    members, fold, _, _ = world()
    shape = ImageShape(1, 12, 2)
    config = EdmConfig(channels=(8,), patch=2, images=64, batch=32, warmup_images=0, snapshots=1)
    parts = [make_generator(shape, config) for _ in range(3)]
    given: list[np.ndarray] = []
    for part in parts:
        train = part._train
        monkeypatch.setattr(part, "_train", lambda images, *rest, train=train: given.append(images) or train(images, *rest))
    made = folds_generator(parts, fold).fit(members.images, members.labels, seed=0, budget=192)
    assert len(made.sample(np.zeros(6, np.int64), seed=1)) == 6
    for number, images in enumerate(given):
        seen = {image.tobytes() for image in images}
        assert not seen & {image.tobytes() for image in members.images[fold == number]}
        assert len(images) == (fold != number).sum()
