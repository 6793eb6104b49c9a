"""Files of arrays that are damaged, foreign or of another pixel depth."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import blobs
from tests.data.test_read import IMAGES, LABELS, load, medmnist, refused
from upcycle.errors import DataError

Write = Callable[..., Path]


def lzma_npz(path: Path, **arrays: np.ndarray) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for key, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array)
            archive.writestr(f"{key}.npy", member.getvalue())
    return path


@pytest.mark.parametrize("pack", ["plain", "deflate", "lzma"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), noise=st.binary(min_size=1, max_size=40))
@example(place=0.0078125, noise=b"[")  # a header that NumPy's parser cannot close
def test_damage_anywhere_in_an_npz_is_one_line_or_harmless(tmp_path: Path, pack: str, place: float, noise: bytes) -> None:
    path = tmp_path / "set.npz"
    if pack == "lzma":
        lzma_npz(path, images=IMAGES, labels=LABELS)
    else:
        (np.savez if pack == "plain" else np.savez_compressed)(path, images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    start = int(place * (len(content) - len(noise)))
    content[start : start + len(noise)] = noise
    path.write_bytes(content)
    try:
        assert sum(len(split) for split in load(path).splits().values()) == 240
    except DataError as error:
        assert all("must" in line and line.endswith(".") for line in error.problems)


def test_lzma_archive_is_read(tmp_path: Path) -> None:
    assert load(lzma_npz(tmp_path / "set.npz", images=IMAGES, labels=LABELS)).classes == 3


def test_file_that_only_bears_the_name_npz_is_called_foreign(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_text("not an archive" * 20)
    refused(path, "not a zip archive")
    with path.open("wb") as file:
        np.save(file, IMAGES)
    refused(path, "not a zip archive")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", b"raw bytes")
        archive.writestr("labels", b"raw bytes")
    refused(path, "images, which is no array")


def test_keys_that_are_not_read_are_said(write_npz: Write) -> None:
    assert any("not read: features" in note for note in load(write_npz(**medmnist(features=np.zeros(9)))).notes)
    refused(write_npz(**medmnist(eval_images=IMAGES)), "called train, val or test. Got eval_images")


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint16), (8, np.int64), (10, np.uint16), (12, np.int32), (16, np.uint16)])
def test_deep_pixels_keep_their_contrast(write_npz: Write, bits: int, dtype: type) -> None:
    top = 2**bits - 1
    images = (IMAGES.astype(np.int64) * top // 255).astype(dtype)
    images[0, 0, 0] = top
    dataset = load(write_npz(images=images, labels=LABELS))
    expected = {np.rint(image / top * 255).astype(np.uint8).tobytes() for image in images.astype(float)}
    assert {image.tobytes() for split in dataset.splits().values() for image in split.images} == expected
    assert any(f"{bits}-bit" in note for note in dataset.notes)


def test_a_dark_split_is_scaled_like_the_others(write_npz: Write) -> None:
    arrays = medmnist()
    arrays["train_images"] = arrays["train_images"].astype(np.int32) * 257
    arrays["val_images"] = (arrays["val_images"] // 8).astype(np.int32)
    dataset = load(write_npz(**arrays | {"test_images": arrays["test_images"].astype(np.int32)}))
    assert dataset.train.images.max() > 200 and dataset.validation.images.max() <= 1


def test_splits_of_different_pixel_depth_are_refused(write_npz: Write) -> None:
    deep = blobs(60, seed=2)[0].astype(np.uint16) * 257
    refused(write_npz(**medmnist(test_images=deep)), "one pixel depth")


@pytest.mark.parametrize("images", [np.int64(3), np.float32(np.nan), np.full(240, np.nan), np.zeros((240, 8))])
def test_images_of_another_shape_are_refused(write_npz: Write, images: np.ndarray) -> None:
    assert len(refused(write_npz(images=images, labels=LABELS), "of shape").problems) == 1


@pytest.mark.parametrize("label", [2**40, 2**63])
def test_ids_in_place_of_labels_are_refused_at_once(write_npz: Write, label: int) -> None:
    refused(write_npz(images=IMAGES, labels=np.where(LABELS == 2, label, LABELS).astype(np.uint64)), str(label))


def test_pixels_below_zero_or_above_16_bits_are_refused(write_npz: Write) -> None:
    refused(write_npz(images=IMAGES.astype(np.int32) - 1000, labels=LABELS), "between 0 and 65535")
    refused(write_npz(images=IMAGES.astype(np.int32) * 1000, labels=LABELS), "between 0 and 65535")
    refused(write_npz(images=IMAGES.astype(float), labels=LABELS), r"float in \[0, 1\]")


def test_rows_with_nan_are_named(write_npz: Write) -> None:
    images = IMAGES / 255.0
    images[17, 2, 2] = np.inf
    refused(write_npz(images=images, labels=LABELS), "row 17")


def test_damaged_idx_files_are_all_named(tmp_path: Path) -> None:
    for prefix in ("train", "t10k"):
        head = struct.pack(">IIII", 0x803, 240, 8, 8)
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + IMAGES.tobytes())[:-900])
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, 240) + LABELS.astype(np.uint8).tobytes()
        )
    error = refused(tmp_path, "train-images-idx3-ubyte.gz")
    assert "t10k-images" in str(error)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0xD01, 240) + bytes(960))  # floats, not bytes
    assert "t10k-labels" in str(refused(tmp_path, "IDX file of bytes"))
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    refused(tmp_path, "no test labels")


def claiming(shape: tuple[int, ...], content: bytes, dtype: str = "|u1") -> bytes:
    """An .npy that says it holds `shape`."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": dtype, "fortran_order": False, "shape": shape})
    return member.getvalue() + content


def quiet_memory(path: Path, pattern: str) -> None:
    """`path` is refused with one line and without taking memory."""
    tracemalloc.start()
    error = refused(path, pattern)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(error.problems) == 1 and peak < 30e6


@pytest.mark.parametrize("shape", [(10**6, 1000, 1000), (2**62, 8, 8), (100, 8, 8)])
def test_header_that_claims_more_than_the_archive_holds_is_refused_and_not_allocated(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    with zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", claiming(shape, bytes(64)))
        archive.writestr("labels.npy", claiming((100,), bytes(100)))
    quiet_memory(tmp_path / "set.npz", "does not hold the array it claims")


def test_zip_bomb_is_refused_and_not_unpacked(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w", force_zip64=True) as member,
    ):
        member.write(claiming((300, 1024, 1024), b""))
        for _ in range(300):
            member.write(bytes(2**20))
    quiet_memory(tmp_path / "set.npz", "would unpack to 0.3 GB, which looks like a bomb")


def test_gzip_bomb_of_an_idx_file_is_refused_and_not_unpacked(tmp_path: Path) -> None:
    head = struct.pack(">IIII", 0x803, 400_000, 28, 28)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head))
    quiet_memory(tmp_path, "looks like a bomb")


def test_names_that_climb_out_of_an_archive_write_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    np.savez(folder / "set.npz", images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(folder / "set.npz", "a") as archive:
        for name in ("../../climbed.npy", "/climbed.npy", "..\\climbed.npy", "../images.npy"):
            archive.writestr(name, claiming((1,), b"x"))
    assert load(folder / "set.npz").classes == 3
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["set.npz"]


def test_idx_file_that_goes_on_after_its_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, 10, 8, 8) + bytes(641))
    refused(tmp_path, "IDX file of bytes")
