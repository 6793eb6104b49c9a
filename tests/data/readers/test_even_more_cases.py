"""Inputs that were read as something else without a word, or refused with a line that did not help: each as it must be."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.readers.test_more_cases import LABELS, PIXELS, file, flat, look, noted, pictures
from upcycle.data import Dataset, RawImages, RawSplit, from_arrays, register_reader
from upcycle.data.readers import Findings, Source
from upcycle.data.readers._picture import open_picture
from upcycle.errors import DataError

Write = Callable[..., Path]


def grouped(dataset: Dataset) -> int:
    return len(np.unique(np.concatenate([s.groups for s in dataset.splits().values() if s.groups is not None])))


# Splits


@pytest.mark.parametrize("parts", [("train", "public_test", "private_test"), ("train", "test_clean", "test_other")])
def test_several_parts_of_a_split_that_are_not_read_are_refused(tmp_path: Path, parts: tuple[str, ...]) -> None:
    root = pictures(tmp_path, *(f"{part}/{c}" for part in parts for c in "ab"))
    with pytest.raises(DataError, match=f"called val or test. Got {', '.join(sorted(parts[1:]))}"):
        look(root)


def test_a_name_that_says_more_than_its_split_is_said(tmp_path: Path) -> None:
    root = pictures(tmp_path, *(f"{part}/{c}" for part in ("train", "test_unlabeled") for c in "ab"))
    assert "say more than their split were read: test_unlabeled as test" in noted(look(root))


def test_parts_of_a_data_set_are_judged_as_folders_are(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    parts = {name: _rows(k) for k, name in enumerate(["train", "test_x", "test_y"])}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(DataError, match=r"splits must be called train, validation or test\. Got test_x, test_y"):
        look(tmp_path / "d")


def _rows(first: int, names: tuple[str, ...] = ("a", "b"), **columns: Any) -> Any:
    """A table of 24 images whose labels count through `names`; a column is a pair of its feature and its cells."""
    import io

    import datasets

    def content(k: int) -> bytes:
        held = io.BytesIO()
        pixels = np.random.default_rng(100 * first + k).integers(0, 256, (12, 12), dtype=np.uint8)
        Image.fromarray(pixels).save(held, "PNG")
        return held.getvalue()

    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
    rows: dict[str, list[Any]] = {
        "image": [{"bytes": content(k), "path": None} for k in range(24)],
        "label": [k % len(names) for k in range(24)],
    }
    for name, (feature, cells) in columns.items():
        features[name], rows[name] = feature, cells
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


@pytest.mark.parametrize("coded", [False, True])
def test_a_column_of_splits_is_known_by_its_cells(tmp_path: Path, coded: bool) -> None:
    datasets = pytest.importorskip("datasets")
    cells = [int(k >= 16) for k in range(24)] if coded else ["train"] * 16 + ["test"] * 8
    feature = datasets.ClassLabel(names=["train", "test"]) if coded else datasets.Value("string")
    _rows(0, partition=(feature, cells)).save_to_disk(str(tmp_path / "d"))
    found = look(tmp_path / "d")
    assert len(found.test) == 8 and "splits were read from column partition" in noted(found)


def test_a_split_without_rows_is_said_and_left_out(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = _rows(0)
    datasets.DatasetDict(train=rows, test=rows.select([])).save_to_disk(str(tmp_path / "d"))
    assert "parts without a single row were not read: test" in noted(look(tmp_path / "d"))
    rows.select([]).save_to_disk(str(tmp_path / "none"))
    with pytest.raises(DataError, match="Got a data set without a single row"):
        look(tmp_path / "none")


# Classes and patients


def test_numbers_of_patients_mean_something_with_their_own_names_only(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")

    def shard(first: int, word: str) -> Any:
        names = [f"{word}{k}" for k in range(6)]
        return _rows(first, patient=(datasets.ClassLabel(names=names), [k // 4 for k in range(24)]))

    for k, word in enumerate("pq"):
        shard(k, word).to_parquet(str(tmp_path / f"train-{k}.parquet"))
    assert grouped(look(tmp_path)) == 12


@pytest.mark.parametrize("names", [("a", " a", "b"), ("\u00e9", "e\u0301", "b")])
def test_classes_whose_names_become_one_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    pytest.importorskip("datasets")
    _rows(0, names).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(DataError, match=r"class names of all must be all different\. Got . twice"):
        look(tmp_path / "d")


def test_classes_of_a_reader_that_are_named_alike_are_refused() -> None:
    def read(_: object) -> RawImages:
        return RawImages([RawSplit("all", PIXELS, np.arange(48) % 3, class_names=("x", "x", "y"))])

    register_reader("twice", read)
    with pytest.raises(DataError, match=r"must be all different\. Got x twice"):
        look("twice")


@pytest.mark.parametrize("name", ["normal (1)", "Copy of normal", "normal - Copy", "normal copy (2)"])
def test_class_folders_that_a_system_made_as_copies_are_said(tmp_path: Path, name: str) -> None:
    assert f"look like those of copies of others, and count as classes: {name}" in noted(
        look(pictures(tmp_path, "normal", "abnormal", name))
    )


def test_folders_below_the_classes_may_be_patients(tmp_path: Path) -> None:
    root = pictures(tmp_path, *(f"{c}/{c}_{k}" for c in ("benign", "malignant") for k in range(4)), count=3)
    notes = noted(look(root))
    assert (
        "images lie in 8 folders (benign/benign_0, benign/benign_1, benign/benign_2 and 5 more) and were not grouped" in notes
    )
    assert "not grouped" not in noted(look(pictures(tmp_path / "plain", "benign", "malignant")))


@pytest.mark.parametrize("header", ["image,age", "image,visit", "x,y"])
def test_groups_by_a_column_that_is_no_patient_are_said(tmp_path: Path, header: str) -> None:
    root = pictures(tmp_path / "d", "a", "b")
    rows = "".join(f"{c}/{k}.png,{c}{k // 2}\n" for c in "ab" for k in range(8))
    (tmp_path / "g.csv").write_text(f"{header}\n{rows}")
    notes = noted(look(root, tmp_path / "g.csv"))
    assert f"grouped by {header.partition(',')[2]} of the groups file, which does not sound like a patient" in notes
    assert "not used as patients" not in notes


@pytest.mark.parametrize("column", ["Patientennummer", "Patienten-Kennung", "Numero paciente"])
def test_patients_in_other_languages_are_used(tmp_path: Path, column: str) -> None:
    root = flat(tmp_path, f"file,class,{column}", lambda k: f"{file(k)},{'ab'[k % 2]},p{k // 2}")
    assert grouped(look(root)) == 8


# Files and pixels


@pytest.mark.parametrize("mode", ["L", "P"])
def test_eight_bit_bitmaps_are_not_called_deep(tmp_path: Path, mode: str) -> None:
    findings = Findings()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert(mode).save(tmp_path / "a.bmp")
    open_picture(str(tmp_path / "a.bmp"), Source("", findings=findings))
    assert findings.said() == ()


@pytest.mark.parametrize("suffix", [".txt", ".json", ".db"])
def test_pictures_under_the_suffix_of_a_text_are_pictures(tmp_path: Path, suffix: str) -> None:
    root = pictures(tmp_path, "a", "b")
    (root / "a" / "0.png").rename(root / "a" / f"0{suffix}")
    found = look(root)
    assert sum(map(len, found.splits().values())) == 16 and "no images" not in noted(found)


def test_volumes_are_opened_by_what_they_are(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    for c in "ab":
        (tmp_path / c).mkdir()
        for k in range(8):
            volume = np.random.default_rng(ord(c) + 100 * k).integers(0, 900, (12, 12, 6)).astype(np.int16)
            nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / c / f"{k}.nii.gz")
    (tmp_path / "a" / "0.nii.gz").rename(tmp_path / "a" / "0.NII.GZ")
    assert sum(map(len, look(tmp_path).splits().values())) == 16
    packed = tmp_path / "a" / "1.nii.gz"
    (tmp_path / "b" / "1.nii.gz").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.rename(tmp_path / "a" / "1.nii")
    with pytest.raises(DataError, match=r"1\.nii \(packed by gzip, call it \.nii\.gz\), b/1\.nii\.gz \(not packed"):
        look(tmp_path)


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    for c in "ab":
        (tmp_path / c).mkdir()
        (tmp_path / c / "scan.gz").write_bytes(gzip.compress(b"something"))
    with pytest.raises(DataError, match=r"Got none, but a/scan\.gz, b/scan\.gz"):
        look(tmp_path)


# Arrays


def test_whole_numbers_kept_as_objects_are_labels_and_others_are_named() -> None:
    from upcycle.config import DataConfig

    def cut(labels: list[object]) -> Dataset:
        return from_arrays(PIXELS, np.array(labels, object), config=DataConfig(), seed=0)

    assert cut(LABELS.tolist()).classes == 2
    with pytest.raises(DataError, match=r"Got type object \(None, \.\.\.\)"):
        cut([None, *LABELS.tolist()[1:]])


def test_many_classes_with_one_fault_are_one_line(write_npz: Write) -> None:
    with pytest.raises(DataError, match=r"at least 3 images\. Got 2 of class 0, 2 of class 1, .* and 19 more\. Add") as error:
        look(write_npz(images=PIXELS, labels=np.arange(48) % 24), min_images_per_class=3)
    assert len(error.value.problems) == 1


def test_too_few_patients_are_counted_class_by_class(write_npz: Write) -> None:
    with pytest.raises(
        DataError, match=r"by whole patients .* Got 1 patients, 1 of class 0\. Add patients, or give a test split"
    ):
        look(write_npz(images=PIXELS, labels=LABELS, patient_ids=np.zeros(48)))
