"""Members, the sealed store, and a test split that is read once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import blobs
from upcycle.config import DataConfig
from upcycle.data import ImageSet, Store, _rows, cut, draw_members, from_arrays, sealed, write_store
from upcycle.data._rows import rows
from upcycle.errors import RunFolderError, SealedError


def _pool(n: int = 400, groups: np.ndarray | None = None) -> ImageSet:
    images, labels = blobs(n)
    return ImageSet(images[..., None], labels, groups)


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.05, 0.3), least=st.integers(0, 60), seed=st.integers(0, 50), size=st.integers(1, 7))
def test_coin_flips_cover_the_pool_and_keep_patients_together(share: float, least: int, seed: int, size: int) -> None:
    pool = _pool(groups=np.arange(400) // size)
    members, outside = draw_members(pool, share=share, at_least=least, seed=seed)
    assert sorted([*members, *outside]) == list(range(400))
    assert pool.groups is not None
    assert not set(pool.groups[members]) & set(pool.groups[outside])
    target = min(max(share * 400, least), 100)
    assert target - size <= len(outside) <= max(target + 1, 10 * size)  # ten patients, however few records are asked for


def test_copy_of_a_member_is_never_a_non_member() -> None:
    pool = _pool()
    pool.images[200:] = pool.images[:200]
    members, outside = draw_members(pool, share=0.25, at_least=0, seed=0)
    assert not {bytes(i) for i in pool.images[members]} & {bytes(i) for i in pool.images[outside]}


def test_coin_flips_depend_on_the_seed_and_are_fair_to_every_record() -> None:
    pool = _pool(100)
    times_out = np.zeros(100)
    for seed in range(300):
        times_out[draw_members(pool, share=0.2, at_least=0, seed=seed)[1]] += 1
    assert abs(times_out / 300 - 0.2).max() < 0.1
    assert np.array_equal(
        draw_members(pool, share=0.2, at_least=0, seed=1)[0], draw_members(pool, share=0.2, at_least=0, seed=1)[0]
    )


def test_every_class_keeps_a_member() -> None:
    images, labels = blobs(60)
    labels[:] = np.arange(60) < 2
    for seed in range(20):
        members, _ = draw_members(ImageSet(images[..., None], labels), share=0.25, at_least=0, seed=seed)
        assert len(np.unique(labels[members])) == 2


def test_cut_is_stratified_and_never_splits_a_group() -> None:
    pool = _pool(groups=np.arange(400) // 2 * 2)
    rest, part = cut(pool, 0.25, seed=0, key="test")
    assert pool.groups is not None and not set(pool.groups[rest]) & set(pool.groups[part])
    assert len(part) == pytest.approx(100, abs=6)
    shares = np.bincount(pool.labels[part]) / len(part)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.06)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    images, labels = blobs()
    dataset = from_arrays(images, labels, np.arange(240) // 2, config=DataConfig(), seed=0)
    members, outside = draw_members(dataset.train, share=0.2, at_least=0, seed=0)
    write_store(tmp_path / "store", dataset, members, outside)
    return Store(tmp_path / "store")


def test_store_gives_back_what_was_written(store: Store) -> None:
    assert len(store.members()) + len(store.non_members()) == sum(store.meta.counts["train"])
    assert store.validation().images.shape[1:] == (8, 8, 1)
    assert store.members().groups is not None
    assert store.meta.class_names == ("0", "1", "2")


def test_unfinished_store_is_not_opened(store: Store, tmp_path: Path) -> None:
    (tmp_path / "store" / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match="complete"):
        Store(tmp_path / "store")


def test_store_written_anew_keeps_nothing_of_the_old_one(store: Store, tmp_path: Path) -> None:
    dataset = from_arrays(*blobs(120), config=DataConfig(), seed=0)
    write_store(tmp_path / "store", dataset, *draw_members(dataset.train, share=0.2, at_least=0, seed=0))
    assert Store(tmp_path / "store").members().groups is None
    assert Store(tmp_path / "store").fingerprint != store.fingerprint


def test_store_cut_off_while_it_was_written_anew_is_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    dataset = from_arrays(*blobs(120), config=DataConfig(), seed=0)
    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="no space"):
        write_store(tmp_path / "store", dataset, np.arange(3), np.arange(3))
    with pytest.raises(RunFolderError, match="complete"):
        Store(tmp_path / "store")


def test_damaged_store_is_one_line(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "store" / "validation_images.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunFolderError, match="validation_images"):
        store.validation()


def test_images_of_the_store_are_mapped_and_not_read(store: Store) -> None:
    assert isinstance(store.validation().images, np.memmap)
    assert not isinstance(store.members().images, np.memmap)


def test_test_split_serves_one_purpose_only(store: Store, tmp_path: Path) -> None:
    first = store.test("evaluation")
    assert len(Store(tmp_path / "store").test("evaluation")) == len(first)
    with pytest.raises(SealedError, match="once"):
        store.test("tuning")


def test_sealed_store_cannot_be_opened_by_anyone(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "store" / "train_images.npy"
    attempts = [
        lambda: np.load(path),
        lambda: np.load(path, mmap_mode="r"),
        lambda: np.memmap(path),
        lambda: path.open("rb"),
        lambda: os.open(path, os.O_RDONLY),
        lambda: (tmp_path / "store" / ".." / "store" / "train_images.npy").open(),
        store.members,
        store.validation,
        lambda: store.test("evaluation"),
    ]
    with sealed(tmp_path / "store"):
        for attempt in attempts:
            with pytest.raises(SealedError, match="closed"):
                attempt()
        (tmp_path / "elsewhere").write_text("fine")
    assert len(store.members())


def test_seal_is_lifted_after_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), sealed(tmp_path / "store"):
        raise ValueError("x")
    assert len(store.members())


def test_rows_of_a_mapped_file_are_those_of_the_array_and_leave_it_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rows, "_BLOCK", 100)
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.asarray(np.load(tmp_path / "images.npy", mmap_mode="r"))[..., 0]
    for chosen in (np.array([3, 1, 3, 49]), np.arange(0), np.arange(50) % 3 == 0):
        found = rows(mapped, chosen)
        assert np.array_equal(found, images[..., 0][chosen]) and found.flags.writeable
    changed = np.load(tmp_path / "images.npy", mmap_mode="c")
    changed[5] = 0  # on these pages only: to let go of them would lose it
    assert not rows(changed, np.array([4, 5]))[1].any() and not changed[5].any()
