"""Folders as people really have them: hidden files, odd ones out, splits that are misnamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import blobs
from tests.data.test_read import IMAGES, LABELS, folder_of_classes, load, refused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folder_of_classes(tmp_path / "set")


def test_what_systems_and_editors_hide_is_left_alone(root: Path) -> None:
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (root / name).mkdir()
        (root / name / "000.png").write_bytes(b"x")
    (root / "a" / "._000.png").write_bytes(b"x")
    (root / "a" / ".DS_Store").write_bytes(b"x")
    dataset = load(root)
    assert dataset.class_names == ("a", "b", "c") and not any("left out" in note for note in dataset.notes)


def test_images_of_a_kind_that_is_not_read_are_refused_and_other_files_noted(root: Path) -> None:
    (root / "a" / "readme.txt").write_text("x")
    assert any("a/readme.txt" in note for note in load(root).notes)
    (root / "b" / "scan.dcm").write_bytes(b"x")
    refused(root, r"PNG or JPEG. Got b/scan.dcm")


def test_the_odd_image_is_named_even_if_it_comes_first(root: Path) -> None:
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(root / "a" / "000.png")
    error = refused(root, r"most are \(8 x 8 grey 8-bit\)")
    assert "a/000.png (9 x 8 grey 8-bit)" in str(error) and "a/003.png" not in str(error)


def test_one_16_bit_image_among_8_bit_ones_does_not_turn_the_others_black(root: Path) -> None:
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(root / "a" / "000.png")
    refused(root, r"a/000.png \(8 x 8 grey 16-bit\)")


def test_at_most_five_unreadable_images_are_listed(root: Path) -> None:
    for file in sorted((root / "a").glob("*.png"))[:7]:
        file.write_bytes(file.read_bytes()[:50])
    refused(root, "and 2 more")


def test_huge_image_is_refused_and_not_unpacked(root: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(root / "a" / "huge.png")
    refused(root, "a/huge.png")


def test_palettes_with_transparency_become_rgb(tmp_path: Path) -> None:
    for k, label in enumerate(LABELS[:60]):
        target = tmp_path / "abc"[label]
        target.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[k]).convert("P").save(target / f"{k}.png", transparency=bytes([0, 100]))
    dataset = load(tmp_path)
    assert dataset.channels == 3 and any("P images" in note for note in dataset.notes)


def test_folders_beside_the_splits_are_said(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        folder_of_classes(tmp_path / name, *blobs(120, seed=len(name)))
    assert any("not read: validation" in note for note in load(tmp_path).notes)


def test_test_and_val_without_train_are_not_taken_for_classes(tmp_path: Path) -> None:
    folder_of_classes(tmp_path / "test")
    folder_of_classes(tmp_path / "val")
    refused(tmp_path, "train folder")


def test_train_may_be_the_name_of_a_class(tmp_path: Path) -> None:
    for k, label in enumerate(LABELS):
        target = tmp_path / ("bus", "car", "train")[label]
        target.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[k]).save(target / f"{k}.png")
    assert load(tmp_path).class_names == ("bus", "car", "train")


def test_class_folder_without_images_is_named(root: Path) -> None:
    (root / "d").mkdir()
    refused(root, "no image of class d")
