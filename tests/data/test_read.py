"""Reading: every kind of input, and one clear line for every kind of bad one."""

from __future__ import annotations

import gzip
import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import blobs
from upcycle.config import DataConfig
from upcycle.data import Dataset, check, from_arrays, read, survey, write_store
from upcycle.errors import DataError

Write = Callable[..., Path]
CONFIG = DataConfig()
IMAGES, LABELS = blobs()


def load(path: Path | str, **kwargs: object) -> Dataset:
    return read(path, config=CONFIG, seed=0, **kwargs)  # type: ignore[arg-type]


def refused(path: Path | str, pattern: str, **kwargs: object) -> DataError:
    with pytest.raises(DataError, match=pattern) as caught:
        load(path, **kwargs)
    for line in caught.value.problems:
        assert "must" in line and "Got" in line and line.endswith((".", "?")) and line.isprintable(), line
    return caught.value


def medmnist(**changes: np.ndarray) -> dict[str, np.ndarray]:
    arrays = {}
    for name, (images, labels) in {"train": blobs(120), "val": blobs(30, seed=1), "test": blobs(60, seed=2)}.items():
        arrays[f"{name}_images"], arrays[f"{name}_labels"] = images, labels[:, None].astype(np.uint8)
    return arrays | changes


def folder_of_classes(root: Path, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, suffix: str = "png") -> Path:
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = root / "abc"[label]
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target / f"{k:03}.{suffix}")
    return root


def test_medmnist_keys_give_the_given_splits(write_npz: Write) -> None:
    dataset = load(write_npz(**medmnist()))
    assert [len(s) for s in dataset.splits().values()] == [120, 30, 60]
    assert (dataset.size, dataset.channels, dataset.classes) == (8, 1, 3)
    assert np.array_equal(dataset.train.images[..., 0], blobs(120)[0])


def test_rgb_and_odd_sizes_are_read(write_npz: Write) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 9, 9, 3), dtype=np.uint8)
    dataset = load(write_npz(images=images, labels=np.arange(60) % 2))
    assert (dataset.size, dataset.channels) == (9, 3)


def test_splits_are_made_stratified_and_said_so(write_npz: Write) -> None:
    dataset = load(write_npz(images=IMAGES, labels=LABELS))
    assert sum(len(s) for s in dataset.splits().values()) == 240
    assert np.bincount(dataset.test.labels).tolist() == [16, 16, 16]
    assert sum("cut off" in note for note in dataset.notes) == 2


def test_class_folders_of_png_equal_the_arrays_they_were_made_of(tmp_path: Path) -> None:
    dataset = load(folder_of_classes(tmp_path / "set"))
    assert dataset.class_names == ("a", "b", "c")
    stored = {image.tobytes() for split in dataset.splits().values() for image in split.images}
    assert stored == {image.tobytes() for image in IMAGES}


def test_folders_with_splits_and_jpeg_are_read(tmp_path: Path) -> None:
    folder_of_classes(tmp_path / "train", suffix="jpg")
    folder_of_classes(tmp_path / "test", *blobs(30, seed=3), suffix="jpg")
    dataset = load(tmp_path)
    assert len(dataset.test) == 30 and len(dataset.train) + len(dataset.validation) == 240


def test_idx_files_are_read_gzipped_or_not(tmp_path: Path) -> None:
    for prefix, (images, labels) in {"train": blobs(120), "t10k": blobs(30, seed=1)}.items():
        head = struct.pack(">IIII", 0x803, *images.shape)
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images.tobytes()))
        head = struct.pack(">II", 0x801, len(labels))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.astype(np.uint8).tobytes())
    dataset = load(tmp_path)
    assert np.array_equal(dataset.test.images[..., 0], blobs(30, seed=1)[0])


def test_digits_come_with_scikit_learn() -> None:
    dataset = load("digits")
    assert sum(len(s) for s in dataset.splits().values()) == 1797
    assert dataset.train.images.max() == 255


def test_16_bit_images_are_rescaled_and_said_so(write_npz: Write, tmp_path: Path) -> None:
    wide = IMAGES.astype(np.uint16) * 257
    dataset = load(write_npz(images=wide, labels=LABELS))
    assert any("16-bit" in note for note in dataset.notes)
    narrow = load(write_npz("narrow.npz", images=IMAGES, labels=LABELS))
    assert np.array_equal(dataset.train.images, narrow.train.images)
    from_png = load(folder_of_classes(tmp_path / "deep", wide))
    assert any("16-bit" in note for note in from_png.notes)


def test_floats_between_zero_and_one_are_rescaled_and_said_so(write_npz: Write) -> None:
    dataset = load(write_npz(images=IMAGES / 255.0, labels=LABELS))
    assert any("float" in note for note in dataset.notes) and dataset.train.images.dtype == np.uint8


@pytest.mark.parametrize("as_type", [str, bytes, int])
def test_patients_stay_on_one_side_of_made_splits(write_npz: Write, as_type: type) -> None:
    patients = np.arange(240) // 6
    ids = patients if as_type is int else np.array([f"p{p}" for p in patients]).astype("S" if as_type is bytes else "U")
    dataset = load(write_npz(images=IMAGES, labels=LABELS, patient_ids=ids))
    sides = [set(s.groups.tolist()) for s in dataset.splits().values() if s.groups is not None]
    assert len(sides) == 3 and sum(map(len, sides)) == 40


def test_groups_csv_works_for_folders_and_arrays(tmp_path: Path, write_npz: Write) -> None:
    root = folder_of_classes(tmp_path / "set")
    files = sorted(str(f.relative_to(root)) for f in root.rglob("*.png"))
    csv = tmp_path / "groups.csv"
    csv.write_text("image,patient\n" + "".join(f"{f},{k // 4}\n" for k, f in enumerate(files)))
    assert load(root, groups_csv=csv).train.groups is not None
    rows = tmp_path / "rows.csv"
    rows.write_text("row,patient\n" + "".join(f"{k},{k // 4}\n" for k in range(240)))
    assert load(write_npz(images=IMAGES, labels=LABELS), groups_csv=rows).train.groups is not None
    csv.write_text("image,patient\n" + "".join(f"{f},1\n" for f in files[:5]))
    refused(root, "complete", groups_csv=csv)


def test_missing_file_is_refused() -> None:
    refused("not-there.npz", "not there")


def test_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("x")
    refused(tmp_path / "data.txt", r"\.npz")


def test_damaged_npz_is_refused(write_npz: Write) -> None:
    path = write_npz(images=IMAGES, labels=LABELS)
    path.write_bytes(path.read_bytes()[:3000])
    refused(path, "readable")


def test_npz_that_needs_pickle_is_refused_without_running_it(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (open, (str(tmp_path / "boom"), "w"))  # type: ignore[return-value]

    np.savez(tmp_path / "evil.npz", images=np.array([Bomb()], dtype=object), labels=np.zeros(1, int))
    refused(tmp_path / "evil.npz", "plain arrays")
    assert not (tmp_path / "boom").exists()


def test_unreadable_and_truncated_images_are_named(tmp_path: Path) -> None:
    root = folder_of_classes(
        tmp_path / "set", np.random.default_rng(0).integers(0, 255, (60, 32, 32), dtype=np.uint8), LABELS[:60]
    )
    (root / "a" / "000.png").write_bytes((root / "a" / "000.png").read_bytes()[:300])
    (root / "b" / "001.png").write_text("not an image")
    error = refused(root, "readable")
    assert "000.png" in str(error) and "001.png" in str(error)


def test_mixed_sizes_and_mixed_channels_are_refused(tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path / "set")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(root / "a" / "zzz.png")
    assert "zzz.png" in str(refused(root, "one size"))
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(root / "a" / "zzz.png")
    refused(root, "channel")


def test_splits_of_different_sizes_are_refused(write_npz: Write) -> None:
    refused(write_npz(**medmnist(test_images=np.zeros((60, 9, 9), np.uint8))), "one size")


def test_images_that_are_not_square_are_refused(write_npz: Write) -> None:
    refused(write_npz(images=np.zeros((60, 8, 10), np.uint8), labels=LABELS[:60]), "square")


def test_one_class_only_is_refused(write_npz: Write) -> None:
    refused(write_npz(images=IMAGES, labels=np.zeros(240, int)), "two classes")


@pytest.mark.parametrize(
    ("labels", "pattern"),
    [
        (LABELS.astype(float), "whole numbers"),
        (LABELS - 1, "whole numbers"),
        (np.where(LABELS == 2, 5, LABELS), "without gaps"),
        (np.where(LABELS == 2, 500, LABELS), "number of classes"),
        (LABELS[:10], "as many"),
        (np.eye(3)[LABELS], "one class per image"),
    ],
)
def test_labels_that_are_not_classes_are_refused(write_npz: Write, labels: np.ndarray, pattern: str) -> None:
    refused(write_npz(images=IMAGES, labels=labels), pattern)


def test_class_with_fewer_than_eight_images_is_refused(write_npz: Write) -> None:
    labels = LABELS.copy()
    labels[np.flatnonzero(labels == 2)[7:]] = 1
    refused(write_npz(images=IMAGES, labels=labels), "at least 8")


def test_nan_is_refused(write_npz: Write) -> None:
    images = IMAGES / 255.0
    images[3, 2, 2] = np.nan
    refused(write_npz(images=images, labels=LABELS), "NaN")


def test_half_a_split_is_refused(write_npz: Write) -> None:
    arrays = medmnist()
    del arrays["test_labels"]
    refused(write_npz(**arrays), "no test_labels")


def test_empty_folder_and_foreign_keys_are_refused(tmp_path: Path, write_npz: Write) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "one folder per class")
    refused(write_npz(pictures=IMAGES), "train_images")


def test_group_in_two_given_splits_is_refused(write_npz: Write) -> None:
    ids = {f"{name}_patient_ids": np.arange(n) for name, n in (("train", 120), ("val", 30), ("test", 60))}
    refused(write_npz(**medmnist(**ids)), "in one split")


def test_class_missing_from_the_training_split_is_refused(write_npz: Write) -> None:
    arrays = medmnist()
    arrays["train_labels"] = np.minimum(arrays["train_labels"], 1)
    refused(write_npz(**arrays), "train split must hold every class")


def test_all_problems_of_an_input_are_said_at_once(write_npz: Write) -> None:
    arrays = medmnist(train_images=np.full((120, 8, 8), np.nan), val_labels=np.zeros((30, 1)))
    assert len(refused(write_npz(**arrays), "NaN").problems) == 2


def test_image_in_train_and_test_is_found_and_reported(write_npz: Write) -> None:
    arrays = medmnist()
    arrays["test_images"][5] = arrays["train_images"][7]
    arrays["train_images"][9] = arrays["train_images"][7]
    report = check(load(write_npz(**arrays)))
    assert report.duplicates_between["train and test"] == 1
    assert report.duplicates_within["train"] == 1
    assert any("train and test" in line for line in report.lines())
    assert json.loads(json.dumps(report.to_json()))["counts"]["train"] == [40, 40, 40]


def test_copies_count_per_image_and_copies_of_another_class_are_warned_of(write_npz: Write) -> None:
    arrays = medmnist()
    arrays["test_images"][[0, 3, 6]] = arrays["train_images"][0]
    arrays["test_images"][1] = arrays["train_images"][0]  # class 1, its copies are class 0
    report = check(load(write_npz(**arrays)))
    assert report.duplicates_between["train and test"] == 4
    assert "images that have copies of another class: 1" in report.warnings


def test_split_without_a_class_is_warned_of(write_npz: Write) -> None:
    report = check(load(write_npz(**medmnist(val_labels=np.zeros((30, 1), np.uint8)))))
    assert "validation has no image of class 1, 2" in report.warnings


def test_arrays_are_read_like_files() -> None:
    dataset = from_arrays(IMAGES, LABELS, np.arange(240) // 2, config=CONFIG, seed=0)
    assert dataset.train.groups is not None and dataset.size == 8


def test_official_retina_set_is_understood(real_data: Path) -> None:
    report = check(load(real_data / "retinamnist.npz"))
    assert report.counts["train"] == [486, 128, 206, 194, 66]
    assert (report.size, report.channels) == (28, 3)


@pytest.mark.parametrize("kind", ["grey", "colour", "mixed", "deep", "sides"])
def test_a_check_that_keeps_no_pixels_says_the_same(tmp_path: Path, kind: str) -> None:
    images: np.ndarray = IMAGES[:120] if kind != "deep" else IMAGES[:120].astype(np.uint16) * 257
    root = folder_of_classes(tmp_path, np.stack([images] * 3, 3) // 2 if kind == "colour" else images, LABELS[:120])
    Image.fromarray(images[0]).save(root / "a" / "copy.png")
    if kind == "mixed":
        Image.fromarray(np.random.default_rng(0).integers(0, 9, (8, 8, 3), dtype=np.uint8)).save(root / "a" / "colour.png")
    config = DataConfig(side=16 if kind == "sides" else None)
    kept, sketched = (check(f(root, config=config, seed=0)) for f in (read, survey))
    assert kept == sketched


def test_memory_of_a_check_does_not_grow_with_the_pixels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 256, 256), dtype=np.uint8)
    root = folder_of_classes(tmp_path, images, LABELS[:60])
    check(survey(root, config=CONFIG, seed=0))
    tracemalloc.start()
    check(survey(root, config=CONFIG, seed=0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < images.nbytes / 4


def test_a_sketched_set_is_never_stored(tmp_path: Path) -> None:
    dataset = survey(folder_of_classes(tmp_path / "set"), config=CONFIG, seed=0)
    with pytest.raises(ValueError, match="no images to store"):
        write_store(tmp_path / "store", dataset, np.arange(9), np.arange(9, 12))
