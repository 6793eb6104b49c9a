"""What reports show of a run beside its numbers: the right images beside the right names, and copies noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import blobs
from upcycle.config import DataConfig, EdmConfig, SamplerConfig
from upcycle.data import Store, draw_members, write_store
from upcycle.data import read as read_data
from upcycle.generators import EdmGenerator, ImageShape
from upcycle.recycle import Sampler
from upcycle.runs.stages._showcase import SPREADS, draw_sheets, exposed_records, look_alikes, neighbours

NAMES = ("left", "middle", "right")


@pytest.fixture(scope="module")
def generator() -> EdmGenerator:
    images, labels = blobs(60)
    config = EdmConfig(channels=(8,), patch=1, batch=16, images=64, warmup_images=16, snapshots=1)
    fitted = EdmGenerator(ImageShape(1, 8, 3), config, SamplerConfig(steps=3))
    return fitted.fit(images[..., None], labels, seed=0, budget=64)


def test_interpolation_starts_and_ends_at_the_images_it_goes_between(generator: EdmGenerator) -> None:
    labels, indices = (np.array([0, 1, 2]), np.array([2, 1, 2])), (np.array([0, 1, 2]), np.array([7, 8, 2]))
    for share, end in ((0.0, 0), (1.0, 1)):
        drawn = generator.between(labels, indices, np.full(3, share), seed=3, spread=0.9)
        assert np.array_equal(drawn, generator.sample(labels[end], seed=3, spread=0.9, indices=indices[end]))
    middle = generator.between(labels, indices, np.full(3, 0.5), seed=3)
    assert np.array_equal(middle[2], generator.sample(np.array([2]), seed=3, indices=np.array([2]))[0])


def test_sheets_name_their_rows_and_columns_and_repeat(generator: EdmGenerator) -> None:
    sampler = Sampler(generator, np.array([0.5, 0.0, 0.5]), seed=1, spread=0.5)
    members = blobs(60)[0][..., None]
    found = draw_sheets(sampler, NAMES, members)
    assert found["latents"].rows == found["spread"].rows == ("left", "right"), "a class nobody asks for is not drawn"
    assert found["classes"].rows == ("left to right", "right to left")
    assert found["spread"].columns == tuple(f"{0.5 * factor:.2g}" for factor in SPREADS)
    for sheet in found.values():
        assert sheet.images.shape == (len(sheet.rows), len(sheet.columns), 8, 8, 1) and sheet.alike == 0
    again = draw_sheets(sampler, NAMES, members)
    assert all(np.array_equal(found[name].images, again[name].images) for name in found)
    assert np.array_equal(found["classes"].images[:, 0], found["latents"].images[:, 0]), "both start from the same draws"
    assert np.array_equal(found["spread"].images[:, 2], found["latents"].images[:, 0]), "the run's own spread is in the middle"


def test_generator_that_cannot_interpolate_still_shows_its_spread() -> None:
    class Plain:
        def sample(
            self, labels: np.ndarray, *, seed: int, spread: float = 1.0, indices: object = None, snapshot: object = None
        ) -> np.ndarray:
            return np.full((len(labels), 8, 8, 1), round(100 * spread), np.uint8)

    sampler = Sampler(Plain(), np.ones(3), seed=0)  # type: ignore[arg-type]
    found = draw_sheets(sampler, NAMES, blobs(60)[0][..., None])
    assert list(found) == ["spread"] and found["spread"].images[0, :, 0, 0, 0].tolist() == [60, 80, 100, 120, 140]


def test_image_that_is_a_member_is_counted_as_alike() -> None:
    members = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    fresh = np.random.default_rng(1).integers(0, 256, (2, 3, 8, 8, 1), dtype=np.uint8)
    assert look_alikes(fresh, members) == 0
    fresh[0, 1], fresh[1, 2] = members[7], np.clip(members[9].astype(int) + 2, 0, 255)
    assert look_alikes(fresh, members) == 2


def test_neighbours_are_the_nearest_of_each_half_closest_first() -> None:
    def grey(*levels: int) -> np.ndarray:
        return np.array(levels, np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)

    found = neighbours(grey(10, 100, 200), grey(20, 101, 150), grey(12, 90, 230))
    assert found.synthetic[:, 0, 0, 0].tolist() == [100, 10, 200]
    assert found.member[:, 0, 0, 0].tolist() == [101, 20, 150] and found.to_member.tolist() == [1, 10, 50]
    assert found.held_out[:, 0, 0, 0].tolist() == [90, 12, 230] and found.to_held_out.tolist() == [10, 2, 30]


def test_most_exposed_records_are_members_with_their_own_image(tmp_path: Path) -> None:
    images, labels = blobs(120)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    dataset = read_data(str(tmp_path / "data.npz"), config=DataConfig(), seed=0)
    write_store(tmp_path / "store", dataset, *draw_members(dataset.train, share=0.3, at_least=8, seed=0))
    store = Store(tmp_path / "store")
    records, flags = np.array([4, 2, 9, 0, 1]), np.array([True, True, True, False, False])
    risk = np.array([0.2, 0.9, 0.5, 0.95, 0.6])
    found = exposed_records(store, {"records": records, "members": flags, "student/risk": risk})
    assert [row["record"] for row in found] == ["member 2", "member 9", "member 4"]
    assert [row["of those not used, rated as high"] for row in found] == ["50.0%", "100.0%", "100.0%"]
    for row, number in zip(found, (2, 9, 4), strict=True):
        assert np.array_equal(row["image"], store.members().images[number])
    assert exposed_records(store, {"records": records, "members": flags}) == []
