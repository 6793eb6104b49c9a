"""NIfTI volumes: which slices, which way up, and headers that lie."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_read import load, refused
from upcycle.config import DataConfig
from upcycle.data import Dataset, read

nibabel = pytest.importorskip("nibabel", reason="needs upcycle[medical]")


def write(path: Path, volume: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4) if affine is None else affine), path)
    return path


def scans(root: Path, n: int = 40, shape: tuple[int, int, int] = (12, 12, 12), suffix: str = ".nii") -> Path:
    """Two class folders of noise volumes, the second brighter in its middle."""
    rng = np.random.default_rng(0)
    for k in range(n):
        volume = rng.integers(0, 400, shape).astype(np.int16)
        volume[4:8, 4:8, 4:8] += 500 * (k % 2)
        write(root / ("healthy", "ill")[k % 2] / f"{k:02}{suffix}", volume)
    return root


def ramp(axis: int) -> np.ndarray:
    """float32 (12, 12, 12), growing along one axis from 0 to 1."""
    steps = np.linspace(0, 1, 12, dtype=np.float32)
    return np.broadcast_to(steps.reshape([-1 if a == axis else 1 for a in range(3)]), (12, 12, 12)).copy()


def settings(**changes: object) -> DataConfig:
    return DataConfig.model_validate({"min_images_per_class": 2, "window": (0.5, 1.0)} | changes)


def one_slice(root: Path, **changes: object) -> np.ndarray:
    """A slice of any of the volumes, which are all alike, (h, w)."""
    dataset: Dataset = read(root, config=settings(**changes), seed=0)
    return np.asarray(dataset.train.images[0, :, :, 0].astype(float))


def test_one_central_slice_of_each_volume_is_taken(tmp_path: Path) -> None:
    dataset = load(scans(tmp_path))
    assert sum(map(len, dataset.splits().values())) == 40
    assert (dataset.size, dataset.class_names) == (12, ("healthy", "ill"))
    assert any("axial slices: 1 of each" in note for note in dataset.notes)


def test_slices_of_one_volume_stay_on_one_side(tmp_path: Path) -> None:
    dataset = read(scans(tmp_path, suffix=".nii.gz"), config=DataConfig(slices=4), seed=0)
    assert sum(map(len, dataset.splits().values())) == 160
    sides = [set(s.groups.tolist()) for s in dataset.splits().values() if s.groups is not None]
    assert sum(map(len, sides)) == 40


@pytest.mark.parametrize(
    ("plane", "rows", "columns"),
    [("axial", "front", "right"), ("coronal", "head", "right"), ("sagittal", "head", "front")],
)
@pytest.mark.parametrize("flipped", [False, True])
def test_planes_lie_as_radiologists_see_them_however_the_file_is_stored(
    tmp_path: Path, plane: str, rows: str, columns: str, flipped: bool
) -> None:
    axis = {"right": 0, "front": 1, "head": 2}  # RAS+: values grow towards the patient's right hand, face and head
    affine = np.diag([-1.0, -1, -1, 1]) if flipped else np.eye(4)
    for name, vertical in ((rows, True), (columns, False)):
        volume = ramp(axis[name])
        for k in range(24):
            tinted = volume + np.float32(k * 1e-3)  # copies would count as one unit when splits are cut
            write(tmp_path / name / "ab"[k % 2] / f"{k}.nii", tinted[::-1, ::-1, ::-1].copy() if flipped else tinted, affine)
        image = one_slice(tmp_path / name, plane=plane)
        line = image[:, 5] if vertical else image[5, :]
        assert line[0] > 250 and line[-1] < 10 and (np.diff(line) < 0).all()
        assert np.ptp(image[5, :] if vertical else image[:, 5]) == 0


def test_values_between_the_percentiles_use_all_of_the_range(tmp_path: Path) -> None:
    dataset = load(scans(tmp_path))
    assert dataset.train.images.min() == 0 and dataset.train.images.max() == 255
    assert any("percentile" in note for note in dataset.notes)


def test_slices_that_are_not_square_need_a_side(tmp_path: Path) -> None:
    root = scans(tmp_path, shape=(12, 16, 12))
    refused(root, "must be square. Got 16 x 12 pixels. Crop or pad them, or set data.side")
    assert read(root, config=DataConfig(side=16), seed=0).size == 16


def test_files_that_are_no_single_volume_are_named_with_the_reason(tmp_path: Path) -> None:
    root = scans(tmp_path)
    write(root / "ill" / "film.nii", np.zeros((12, 12, 12, 5), np.int16))
    write(root / "ill" / "nan.nii", np.full((12, 12, 12), np.nan, np.float32))
    write(root / "ill" / "complex.nii", np.zeros((12, 12, 12), np.complex64))
    (root / "ill" / "text.nii").write_text("not a volume")
    (root / "ill" / "text.nii.gz").write_bytes(b"\x1f\x8b not gzip")
    error = refused(root, "readable NIfTI")
    assert "film.nii (shape 12 x 12 x 12 x 5, not one volume)" in str(error)
    assert "nan.nii (voxels that are NaN" in str(error) and "complex.nii (colour or complex" in str(error)
    assert "text.nii (" in str(error) and "text.nii.gz (" in str(error) and len(error.problems) == 1


def claim(path: Path, shape: tuple[int, int, int], content: bytes) -> None:
    """A header that claims `shape` of int16, followed by `content`."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    body = header.binaryblock + b"\0\0\0\0" + content
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)


def test_headers_that_claim_more_than_there_is_are_refused_and_nothing_is_allocated(tmp_path: Path) -> None:
    root = scans(tmp_path)
    claim(root / "ill" / "huge.nii", (30000, 30000, 30000), b"")
    claim(root / "ill" / "long.nii", (500, 500, 500), bytes(100))
    claim(root / "ill" / "short.nii.gz", (40, 40, 40), bytes(100))
    error = refused(root, "huge.nii")
    assert "long.nii (shorter than its header says)" in str(error) and "short.nii.gz (shorter" in str(error)


def test_volume_that_packs_like_a_bomb_is_refused(tmp_path: Path) -> None:
    root = scans(tmp_path)
    claim(root / "ill" / "bomb.nii.gz", (600, 600, 600), bytes(1000))
    refused(root, "looks like a bomb")


def noted(path: Path, mark: str, length: int, *, kind: int = 6) -> None:
    """A volume with a note behind its header that claims `length` bytes, in either order of bytes."""
    header = nibabel.Nifti1Header(endianness=mark)
    header.set_data_dtype(np.uint8)
    header.set_data_shape((12, 12, 12))
    header["vox_offset"] = 352 + max(length, 32)
    header["magic"] = b"n+1"
    notes = struct.pack(f"{mark}ii", length, kind) + bytes(24)
    content = header.binaryblock + b"\1\0\0\0" + notes + np.arange(12**3, dtype=np.uint8).tobytes()
    path.write_bytes(gzip.compress(content))


@pytest.mark.parametrize("mark", ["<", ">"])
@pytest.mark.parametrize("length", [1_600_000_000, 2**23 + 16, 0, 4, -16])
def test_notes_behind_a_header_are_not_unpacked_without_end(mark: str, length: int, tmp_path: Path) -> None:
    """The parser reads a note whole, and the whole file where a note claims less than nothing."""
    root = scans(tmp_path)
    noted(root / "ill" / "bomb.nii.gz", mark, length)
    refused(root, "bytes behind the header")


@pytest.mark.parametrize("mark", ["<", ">"])
def test_a_volume_with_notes_of_a_usual_length_is_read(mark: str, tmp_path: Path) -> None:
    root = scans(tmp_path)
    noted(root / "ill" / "more.nii.gz", mark, 32)
    assert sum(map(len, load(root).splits().values())) == 41


def test_volumes_that_are_empty_nearly_everywhere_are_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(24):
        volume = np.zeros((16, 16, 40), np.int16)
        volume[5:8, 5:8, 19:22] = rng.integers(500, 700, (3, 3, 3))
        write(tmp_path / "ab"[k % 2] / f"{k}.nii", volume)
    dataset = load(tmp_path)
    assert all(image.max() > 100 for split in dataset.splits().values() for image in split.images)
    assert any("one value nearly everywhere" in note and ": 24" in note for note in dataset.notes)


def test_volumes_of_one_value_are_said_to_be_blank(tmp_path: Path) -> None:
    root = scans(tmp_path)
    write(root / "ill" / "flat.nii", np.full((12, 12, 12), 7, np.int16))
    assert any("blank" in note and ": 1" in note for note in load(root).notes)


def test_volumes_of_another_kind_among_them_are_refused(tmp_path: Path) -> None:
    root = scans(tmp_path)
    (root / "ill" / "x.nrrd").write_bytes(b"NRRD0004")
    (root / "ill" / "x.mgz").write_bytes(b"x")
    refused(root, "ill/x.mgz, ill/x.nrrd")
