"""Patients: ids of any kind, the CSV, and cuts that never put one patient on two sides."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import blobs
from tests.data.test_read import IMAGES, LABELS, folder_of_classes, load, medmnist, refused
from upcycle.data import ImageSet, cut, draw_members

Write = Callable[..., Path]


def table(path: Path, rows: list[str], header: str = "image,patient") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("shape", [(10,), (240, 2), ()])
def test_ids_that_do_not_fit_the_images_are_refused(write_npz: Write, shape: tuple[int, ...]) -> None:
    refused(write_npz(images=IMAGES, labels=LABELS, groups=np.zeros(shape, int)), "one per image")


def test_empty_ids_are_refused_and_not_taken_for_one_patient(write_npz: Write) -> None:
    refused(write_npz(images=IMAGES, labels=LABELS, groups=np.where(np.arange(240) < 5, np.nan, 1.0)), "5 empty")
    refused(write_npz(images=IMAGES, labels=LABELS, groups=np.where(np.arange(240) < 5, "", "x")), "5 empty")


@pytest.mark.parametrize("other", [lambda n: np.array([str(n)] * 60), lambda n: np.full(60, float(n))])
def test_a_patient_is_recognised_whatever_type_the_ids_have(write_npz: Write, other: Callable[[int], np.ndarray]) -> None:
    ids = {"train_groups": np.arange(120), "val_groups": np.full(30, 999).astype("S"), "test_groups": other(7)}
    refused(write_npz(**medmnist(**ids)), "Got 1 in both train and test")


def test_ids_that_are_no_text_stay_different(write_npz: Write) -> None:
    ids = np.array([bytes([0xFF, 1 + k // 4]) for k in range(240)])
    dataset = load(write_npz(images=IMAGES, labels=LABELS, groups=ids))
    found = np.concatenate([s.groups for s in dataset.splits().values() if s.groups is not None])
    assert len(np.unique(found)) == 60


def test_blank_lines_and_windows_names_in_the_csv_are_understood(tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path / "set")
    files = sorted(f.relative_to(root).as_posix() for f in root.rglob("*.png"))
    rows = [f".\\{name}, p{k // 4}".replace("/", "\\") for k, name in enumerate(files)]
    dataset = load(root, groups_csv=table(tmp_path / "g.csv", ["", *rows, ""], "\ufeffimage,patient"))
    assert sum(len(np.unique(s.groups)) for s in dataset.splits().values()) == 60


def test_csv_that_is_empty_double_or_headless_is_refused(tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path / "set")
    files = sorted(f.relative_to(root).as_posix() for f in root.rglob("*.png"))
    good = [f"{name},{k // 4}" for k, name in enumerate(files)]
    csv = tmp_path / "g.csv"
    refused(root, "two patients", groups_csv=table(csv, [*good, f"{files[0]},other"]))
    assert len(refused(root, "filled in", groups_csv=table(csv, [f"{name}," for name in files])).problems) == 1
    refused(root, f"below one header line. Got no row for {files[0]}", groups_csv=table(csv, good[1:], good[0]))
    refused(root, "two columns", groups_csv=table(csv, []))
    refused(root, "readable CSV", groups_csv=tmp_path)


def test_csv_counts_for_idx_folders_too(tmp_path: Path) -> None:
    for prefix, (images, labels) in {"train": blobs(120), "t10k": blobs(30, seed=1)}.items():
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, *images.shape) + images.tobytes())
        content = struct.pack(">II", 0x801, len(labels)) + labels.astype(np.uint8).tobytes()
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(content)
    rows = [f"{k},{k // 3}" for k in range(150)]
    assert load(tmp_path, groups_csv=table(tmp_path / "g.csv", rows)).train.groups is not None
    refused(tmp_path, "in both train and test", groups_csv=table(tmp_path / "g.csv", [*rows[:-1], "149,0"]))


def test_csv_beside_ids_in_the_data_and_surplus_rows_are_said(tmp_path: Path, write_npz: Write) -> None:
    path = write_npz(images=IMAGES, labels=LABELS, groups=np.arange(240))
    notes = load(path, groups_csv=table(tmp_path / "g.csv", [f"{k},{k // 3}" for k in range(241)])).notes
    assert any("replaced" in note for note in notes) and any(
        "1 rows of the groups file name no image" in note for note in notes
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 99),
    share=st.floats(0.05, 0.45),
    patients=st.lists(st.integers(0, 30), min_size=120, max_size=120),
    labels=st.lists(st.integers(0, 2), min_size=120, max_size=120),
)
def test_cut_never_splits_a_patient_nor_empties_a_class(
    seed: int, share: float, patients: list[int], labels: list[int]
) -> None:
    pool = ImageSet(blobs(120)[0][..., None], np.array(labels), np.array(patients))
    assert pool.groups is not None
    rest, part = cut(pool, share, seed=seed, key="test")
    assert sorted([*rest, *part]) == list(range(120))
    assert not set(pool.groups[rest]) & set(pool.groups[part])
    assert set(pool.labels[rest]) == set(labels)


def test_large_patients_are_cut_whole_or_the_split_asked_for(write_npz: Write) -> None:
    four = load(write_npz(images=IMAGES, labels=np.arange(240) % 2, groups=np.arange(240) // 40))
    assert all(len(split) for split in four.splits().values())
    for groups in (np.zeros(240, int), np.arange(240) // 120):
        refused(write_npz(images=IMAGES, labels=np.arange(240) // 120, groups=groups), "Add patients, or give a test split")


def test_a_class_in_one_patient_only_stays_in_train(write_npz: Write) -> None:
    labels = np.where(np.arange(240) < 10, 2, np.arange(240) % 2)
    dataset = load(write_npz(images=IMAGES, labels=labels, groups=np.arange(240) // 12))
    assert len(np.unique(dataset.train.labels)) == 3


def test_one_large_patient_does_not_leave_the_audit_without_non_members() -> None:
    images = np.random.default_rng(0).integers(0, 255, (240, 8, 8, 1), dtype=np.uint8)
    pool = ImageSet(images, LABELS, np.where(np.arange(240) < 150, 0, np.arange(240)))
    assert min(len(draw_members(pool, share=0.2, at_least=0, seed=seed)[1]) for seed in range(30)) >= 24


def test_many_classes_of_one_patient_each_all_keep_a_member() -> None:
    images = np.random.default_rng(0).integers(0, 255, (400, 8, 8, 1), dtype=np.uint8)
    labels = np.r_[np.repeat(np.arange(40), 5), np.full(200, 40)]  # 40 classes of one patient, one of 200
    pool = ImageSet(images, labels, np.r_[np.repeat(np.arange(40), 5), np.arange(200) + 40])
    members, outside = draw_members(pool, share=0.25, at_least=0, seed=0)
    assert len(np.unique(labels[members])) == 41
    assert len(outside) == 100


@pytest.mark.parametrize("n", [6, 10, 30, 101])
def test_non_members_are_never_more_than_a_quarter(n: int) -> None:
    images = np.random.default_rng(0).integers(0, 255, (n, 8, 8, 1), dtype=np.uint8)
    _, outside = draw_members(ImageSet(images, np.arange(n) % 2), share=0.4, at_least=100, seed=0)
    assert len(outside) == n // 4


@pytest.mark.parametrize(("patients", "out"), [(4, 2), (5, 2), (8, 2), (14, 3), (27, 6), (42, 10), (200, 20)])
def test_of_few_patients_enough_are_kept_away_to_be_judged_and_every_class_keeps_a_member(patients: int, out: int) -> None:
    groups = np.arange(patients * 30) // 30
    images = np.random.default_rng(0).integers(0, 256, (len(groups), 8, 8, 1), dtype=np.uint8)
    for labels in (np.arange(len(groups)) % 3, groups % 2):  # every patient of every class, and of one class only
        for seed in range(5):
            members, outside = draw_members(ImageSet(images, labels, groups), share=0.1, at_least=100, seed=seed)
            assert len(np.unique(groups[outside])) == out or (patients < 6 and len(np.unique(groups[outside])) == 1)
            assert not np.isin(groups[members], groups[outside]).any()
            assert np.isin(labels, labels[members]).all()
