"""DICOM folders: the pixels a viewer would show, patients kept together and forgotten, and files that mean harm."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import blobs
from tests.data.test_read import IMAGES, LABELS, load, refused
from upcycle.config import DataConfig
from upcycle.data import Dataset, read
from upcycle.data.readers._grey import chosen, window
from upcycle.data.readers._patients import Patients

pydicom = pytest.importorskip("pydicom", reason="needs upcycle[medical]")


def write(path: Path, stored: np.ndarray, patient: str | None = None, **tags: Any) -> Path:
    """A file of one grey or colour image, or of frames, as stored; `tags` come on top."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.InstitutionName = "Marker^Planted", "Marker House"
    if patient is not None:
        file.PatientID = patient
    colour = stored.ndim >= 3 and stored.shape[-1] == 3
    file.Rows, file.Columns = stored.shape[-3:-1] if colour else stored.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        file.PlanarConfiguration = 0
    if stored.ndim == 3 + colour:
        file.NumberOfFrames = len(stored)
    file.BitsAllocated = file.BitsStored = stored.dtype.itemsize * 8
    file.HighBit, file.PixelRepresentation = file.BitsStored - 1, int(stored.dtype.kind == "i")
    file.PixelData = stored.tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path)
    return path


Change = Callable[[int, np.ndarray], tuple[np.ndarray, dict[str, Any]]]


def study(root: Path, change: Change = lambda k, image: (image, {}), n: int = 60, suffix: str = ".dcm") -> Path:
    """Class folders a, b, c of n files, three of each patient; `change` gives pixels and tags of file k."""
    for k in range(n):
        stored, tags = change(k, IMAGES[k])
        write(root / "abc"[LABELS[k]] / f"{k:03}{suffix}", stored, **({"patient": f"p{k // 3}"} | tags))
    return root


def pixels(dataset: Dataset) -> set[bytes]:
    return {image.tobytes() for split in dataset.splits().values() for image in split.images}


EXPECTED = {image.tobytes() for image in IMAGES[:60]}


def test_images_classes_and_patients_are_those_of_the_files(tmp_path: Path) -> None:
    dataset = load(study(tmp_path))
    assert pixels(dataset) > set() and dataset.class_names == ("a", "b", "c") and dataset.channels == 1
    groups = np.concatenate([split.groups for split in dataset.splits().values() if split.groups is not None])
    assert len(np.unique(groups)) == 20
    sides = [set(split.groups.tolist()) for split in dataset.splits().values() if split.groups is not None]
    assert sum(map(len, sides)) == 20


def test_files_without_a_suffix_or_named_by_an_id_are_known_by_their_start(tmp_path: Path) -> None:
    assert len(pixels(load(study(tmp_path / "plain", suffix="")))) == 60
    assert len(pixels(load(study(tmp_path / "id", suffix=".1.2.840")))) == 60


def full_range(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    return image, {"WindowCenter": 127.5, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}


def test_window_over_all_values_leaves_8_bit_pixels_as_they_are(tmp_path: Path) -> None:
    assert pixels(load(study(tmp_path, full_range))) == EXPECTED


def test_rescaling_comes_before_the_window(tmp_path: Path) -> None:
    def hounsfield(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        stored = (image.astype(np.int16) * 4 + 24).astype(np.int16)  # value = stored / 2 - 1000 = 2 * pixel - 988
        window = {"WindowCenter": ["-733", "40"], "WindowWidth": ["510", "400"], "VOILUTFunction": "LINEAR_EXACT"}
        return stored, {"RescaleSlope": 0.5, "RescaleIntercept": -1000, **window}

    assert pixels(load(study(tmp_path, hounsfield))) == EXPECTED


def test_monochrome1_is_inverted_and_said_so(tmp_path: Path) -> None:
    def negative(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        return 255 - image, full_range(k, image)[1] | {"PhotometricInterpretation": "MONOCHROME1"}

    dataset = load(study(tmp_path, negative))
    assert pixels(dataset) == EXPECTED
    assert any("MONOCHROME1" in note for note in dataset.notes)


def lookup_table(values: list[int], bits: int) -> Any:
    from pydicom.dataset import Dataset as Item
    from pydicom.sequence import Sequence

    item = Item()
    item.add_new(0x00283002, "US", [len(values), 0, bits])
    item.add_new(0x00283006, "US", values)
    item.LUTExplanation = "test"
    item.ModalityLUTType = "US"
    return Sequence([item])


def test_lookup_tables_of_modality_and_viewer_are_applied(tmp_path: Path) -> None:
    back = list(range(255, -1, -1))

    def double(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        return image, {"VOILUTSequence": lookup_table(back, 8), "ModalityLUTSequence": lookup_table(back, 16)}

    assert pixels(load(study(tmp_path / "both", double))) == EXPECTED

    def negative(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        return 255 - image, {"VOILUTSequence": lookup_table([v * 16 for v in back], 12)}  # 4080 of 4095

    found = load(study(tmp_path / "one", negative))
    assert pixels(found) == {np.rint(image.astype(float) * 16 / 4095 * 255).astype(np.uint8).tobytes() for image in IMAGES[:60]}


def test_image_without_a_window_is_stretched_over_its_values_without_the_padding(tmp_path: Path) -> None:
    def padded(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        stored = image.astype(np.int16)
        stored[0, :2], stored[1, :2] = 0, 255
        stored[2, 0] = -2000
        return stored, {"PixelPaddingValue": -2000}

    dataset = load(study(tmp_path, padded))
    found = np.concatenate([split.images for split in dataset.splits().values()])
    assert (found[:, 0, 0] == 0).all() and (found[:, 1, 0] == 255).all() and (found[:, 2, 0] == 0).all()
    assert {image[3:].tobytes() for image in found} == {image[3:, :, None].tobytes() for image in IMAGES[:60]}
    assert any("darkest" in note for note in dataset.notes)


def test_window_of_the_settings_wins(tmp_path: Path) -> None:
    config = DataConfig(window=(127.5, 255.0))
    narrow = study(tmp_path, lambda k, image: (image, {"WindowCenter": 10, "WindowWidth": 5}))
    assert pixels(read(narrow, config=config, seed=0)) == EXPECTED
    assert pixels(load(narrow)) != EXPECTED


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_the_standard_library(function: str) -> None:
    from pydicom.dataset import Dataset as Item
    from pydicom.pixels import apply_windowing

    item = Item()
    item.WindowCenter, item.WindowWidth, item.VOILUTFunction = 300.0, 200.0, function
    item.PhotometricInterpretation, item.BitsStored, item.PixelRepresentation = "MONOCHROME2", 12, 0
    values = np.arange(4096)
    expected = apply_windowing(values, item) / 4095
    assert window(values, 300.0, 200.0, function) == pytest.approx(expected, abs=1e-9)


def test_colour_is_read_and_deep_colour_refused(tmp_path: Path) -> None:
    colour = load(study(tmp_path / "c", lambda k, image: (np.stack([image, 255 - image, image // 2], 2), {})))
    assert colour.channels == 3
    assert pixels(colour) == {np.stack([i, 255 - i, i // 2], 2).tobytes() for i in IMAGES[:60]}
    deep = study(tmp_path / "d", lambda k, image: (np.stack([image.astype(np.uint16)] * 3, 2), {}))
    refused(deep, "colour of more than 8 bits")


def test_frames_are_chosen_and_stay_together(tmp_path: Path) -> None:
    def film(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        frames = np.stack([np.full_like(image, f * 10) + image // 8 for f in range(9)])
        return frames, full_range(k, image)[1] | {"patient": None}

    root = study(tmp_path, film)
    one = load(root)
    assert sum(map(len, one.splits().values())) == 60 and one.train.groups is None
    assert pixels(one) == {(40 + image // 8).tobytes() for image in IMAGES[:60]}
    three = read(root, config=DataConfig(slices=3, slice_share=1.0), seed=0)
    assert sum(map(len, three.splits().values())) == 180
    groups = np.concatenate([split.groups for split in three.splits().values() if split.groups is not None])
    assert np.unique(groups, return_counts=True)[1].tolist() == [3] * 60


@pytest.mark.parametrize(
    ("count", "slices", "share", "expected"),
    [
        (9, 1, 0.5, [4]),
        (1, 1, 0.5, [0]),
        (1, 0, 0.5, [0]),
        (10, 2, 1.0, [2, 7]),
        (10, 0, 0.4, [3, 4, 5, 6]),
        (3, 9, 1.0, [0, 1, 2]),
    ],
)
def test_slices_are_even_and_central(count: int, slices: int, share: float, expected: list[int]) -> None:
    assert chosen(count, slices, share) == expected


def test_labels_may_come_from_a_table(tmp_path: Path) -> None:
    rows = ["file,class,split"]
    for k in range(120):
        write(tmp_path / "scans" / f"{k}", IMAGES[k], f"p{k}", **full_range(k, IMAGES[k])[1])
        rows.append(f"scans\\{k},{('no', 'yes', '10')[LABELS[k]]},{'train' if k < 80 else 'val' if k < 100 else 'test'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    dataset = load(tmp_path)
    assert dataset.class_names == ("10", "no", "yes")
    assert [len(split) for split in dataset.splits().values()] == [80, 20, 20]
    assert {image.tobytes() for image in dataset.test.images} == {image.tobytes() for image in IMAGES[100:120]}


def test_groups_file_replaces_the_patients_of_the_files(tmp_path: Path) -> None:
    root = study(tmp_path / "set")
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.dcm"))
    (tmp_path / "g.csv").write_text("image,patient\n" + "".join(f"{name},{k // 6}\n" for k, name in enumerate(files)))
    dataset = load(root, groups_csv=tmp_path / "g.csv")
    assert sum(len(np.unique(split.groups)) for split in dataset.splits().values()) == 10


def test_files_without_a_patient_count_each_for_themselves_or_not_at_all(tmp_path: Path) -> None:
    nobody = load(study(tmp_path / "none", lambda k, image: (image, {"patient": None if k % 2 else " "})))
    assert nobody.train.groups is None
    some = load(study(tmp_path / "some", lambda k, image: (image, {"patient": None} if k < 12 else {})))
    groups = np.concatenate([split.groups for split in some.splits().values() if split.groups is not None])
    assert len(np.unique(groups)) == 12 + 16 and any("12 files name no patient" in note for note in some.notes)


def test_nothing_of_a_person_is_left_in_what_was_read(tmp_path: Path) -> None:
    dataset = load(study(tmp_path, lambda k, image: (image, {"patient": f"MARKER-{k // 3}"})))
    arrays = b"".join(a.tobytes() for s in dataset.splits().values() for a in (s.labels, s.groups) if a is not None)
    text = f"{dataset.name} {dataset.class_names} {dataset.notes}"
    assert b"MARKER" not in arrays and "Marker" not in text and "MARKER" not in text


def test_patients_are_numbered_in_order_and_keyed_by_chance() -> None:
    one, other = Patients(), Patients()
    ids = [("", "7"), ("house", "7"), ("", "7"), ("hous", "e7")]
    assert [one.number(*parts) for parts in ids] == [other.number(*parts) for parts in ids] == [0, 1, 0, 2]
    assert set(one._numbers) & set(other._numbers) == set()


def test_same_files_give_the_same_groups_so_that_a_run_resumes(tmp_path: Path) -> None:
    first, second = load(study(tmp_path)), load(tmp_path)
    assert first.train.groups is not None and np.array_equal(first.train.groups, second.train.groups)


def test_burned_in_text_is_said(tmp_path: Path) -> None:
    dataset = load(study(tmp_path, lambda k, image: (image, {"BurnedInAnnotation": "YES"} if k == 7 else {})))
    assert any("burned into" in note for note in dataset.notes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return study(tmp_path / "set")


def spoil(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def test_cut_off_and_foreign_files_are_named_in_one_line(root: Path) -> None:
    first, second, third = sorted((root / "a").glob("*.dcm"))[:3]
    spoil(first, first.read_bytes()[:-10])
    spoil(second, second.read_bytes()[:200])
    spoil(third, b"\0" * 128 + b"DICM" + b"\xff" * 300)
    error = refused(root, "readable DICOM")
    assert all(path.name in str(error) for path in (first, second, third)) and len(error.problems) == 1


@pytest.mark.parametrize("length", range(0, 900, 45))
def test_file_cut_anywhere_is_one_line(root: Path, length: int) -> None:
    path = next(iter(sorted((root / "a").glob("*.dcm"))))
    content = path.read_bytes()
    spoil(path, content[: min(length, len(content) - 1)])
    assert len(refused(root, path.name).problems) == 1


def test_claim_of_a_huge_image_is_refused_and_not_allocated(root: Path) -> None:
    write(root / "a" / "big.dcm", IMAGES[0], Rows=65535, Columns=65535)
    write(root / "a" / "long.dcm", IMAGES[0], NumberOfFrames=2**31 - 1)
    error = refused(root, "65535 x 65535 pixels")
    assert "long.dcm" in str(error)


def test_objects_without_pixels_and_enhanced_ones_are_refused_clearly(root: Path) -> None:
    from pydicom.dataset import Dataset as Item

    path = write(root / "a" / "enhanced.dcm", IMAGES[0], SharedFunctionalGroupsSequence=[Item()])
    refused(root, "enhanced multi-frame object, save one file per slice")
    path.unlink()
    report = pydicom.dcmread(sorted((root / "a").glob("*.dcm"))[0])
    del report.PixelData
    report.save_as(root / "a" / "report.dcm")
    refused(root, r"report.dcm \(no pixels\)")


def test_compressed_pixels_that_are_no_image_are_one_line(root: Path) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit, RLELossless

    for name, syntax in (("jpeg", JPEGBaseline8Bit), ("rle", RLELossless)):
        file = pydicom.dcmread(sorted((root / "b").glob("*.dcm"))[0])
        file.file_meta.TransferSyntaxUID = syntax
        file.PixelData = encapsulate([struct.pack("<16I", 3, 64, *[0] * 14) + b"\x81\x00" * 3])  # three planes for a grey image
        file["PixelData"].is_undefined_length = True
        file.save_as(root / "a" / f"{name}.dcm")
    error = refused(root, "readable DICOM")
    assert "jpeg.dcm" in str(error) and "rle.dcm" in str(error)


def test_odd_windows_are_refused_and_not_guessed(root: Path) -> None:
    write(root / "a" / "odd.dcm", IMAGES[0], WindowCenter=10, WindowWidth=-5)
    refused(root, "window LINEAR of width -5")


def test_photographs_among_scans_are_named(root: Path) -> None:
    from PIL import Image

    Image.fromarray(blobs(1)[0][0]).save(root / "a" / "preview.png")
    refused(root, "every image must be DICOM. Got a/preview.png")


def rescaled(slope: Any, intercept: Any) -> Change:
    def change(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        return image, full_range(k, image)[1] | {"RescaleSlope": slope, "RescaleIntercept": intercept}

    return change


@pytest.mark.parametrize(("slope", "intercept"), [(None, None), ("", ""), (None, "0"), ("1", None)])
def test_rescaling_that_is_there_and_empty_counts_as_absent(tmp_path: Path, slope: Any, intercept: Any) -> None:
    assert pixels(load(study(tmp_path, rescaled(slope, intercept)))) == EXPECTED


def test_slope_without_an_intercept_is_used(tmp_path: Path) -> None:
    def change(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        return image.astype(np.uint16) * 10, {"RescaleSlope": "0.1"} | full_range(k, image)[1]

    assert pixels(load(study(tmp_path, change))) == EXPECTED


def test_padding_by_a_range_of_values_is_left_out_of_the_stretch(tmp_path: Path) -> None:
    def padded(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        stored = image.astype(np.int16)
        stored[0, :2], stored[1, :2] = 0, 255
        stored[2, :2] = -2000, -1990
        return stored, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1980}

    found = load(study(tmp_path, padded))
    assert {image[3:].tobytes() for split in found.splits().values() for image in split.images} == {
        i[3:].tobytes() for i in IMAGES[:60]
    }


@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1"])
def test_inverse_presentation_inverts_once(tmp_path: Path, kind: str) -> None:
    def negative(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        return 255 - image, full_range(k, image)[1] | {"PhotometricInterpretation": kind, "PresentationLUTShape": "INVERSE"}

    assert pixels(load(study(tmp_path, negative))) == EXPECTED


def test_windows_without_a_width_name_the_setting(root: Path) -> None:
    write(root / "a" / "odd.dcm", IMAGES[0], WindowCenter=10, WindowWidth=0)
    refused(root, "give another with data.window")


def test_empty_windows_are_no_windows(tmp_path: Path) -> None:
    def change(k: int, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        stored = image.copy()
        stored[0, :2] = 0, 255
        return stored, {"WindowCenter": None, "WindowWidth": None}

    found = load(study(tmp_path, change))
    assert {image[1:].tobytes() for split in found.splits().values() for image in split.images} == {
        i[1:].tobytes() for i in IMAGES[:60]
    }


def test_files_of_float_pixels_and_of_no_patient_are_called_that(tmp_path: Path) -> None:
    nobody = study(tmp_path / "n", lambda k, image: (image, {"patient": None}))
    assert any("no file names a patient" in note for note in load(nobody).notes)
    path = write(nobody / "a" / "float.dcm", IMAGES[0])
    file = pydicom.dcmread(path)
    del file.PixelData
    file.FloatPixelData = np.zeros((8, 8), np.float32).tobytes()
    file.save_as(path)
    refused(nobody, r"float.dcm \(float pixels\)")


def test_patients_of_a_label_table_replace_those_of_the_files(tmp_path: Path) -> None:
    rows = ["file,class,patient"]
    for k in range(60):
        write(tmp_path / f"{k}.dcm", IMAGES[k], f"p{k}", **full_range(k, IMAGES[k])[1])
        rows.append(f"{k}.dcm,{'ab'[k % 2]},q{k // 6}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    dataset = load(tmp_path)
    assert sum(len(np.unique(split.groups)) for split in dataset.splits().values()) == 10
    assert any("labels.csv replaced" in note for note in dataset.notes)


def with_element(path: Path, group: int, element: int, kind: bytes, value: bytes) -> None:
    """Put an element in front of the pixels."""
    content = path.read_bytes()
    place = content.index(b"\xe0\x7f\x10\x00")
    made = struct.pack("<HH2sHI", group, element, kind, 0, len(value)) + value
    path.write_bytes(content[:place] + made + content[place:])


ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"


@pytest.mark.parametrize(
    ("place", "kind", "value", "said"),
    [
        ((0x28, 0x1050), b"UN", b"1\\" * 50_000 + b"1 ", "100,002 bytes of WindowCenter"),
        ((0x10, 0x20), b"UN", b"1\\" * 50_000 + b"1 ", "100,002 bytes of PatientID"),
        ((0x28, 0x3010), b"SQ", ITEM * 60_000, "more than 50,000 items"),
        ((0x8, 0x1140), b"SQ", ITEM * 60_000, "more than 50,000 items"),
    ],
)
def test_values_that_would_become_a_million_objects_are_refused(
    place: tuple[int, int], kind: bytes, value: bytes, said: str, tmp_path: Path
) -> None:
    root = study(tmp_path)
    with_element(root / "a" / "000.dcm", *place, kind, value)
    refused(root, said)


def test_a_bomb_behind_a_long_header_of_its_own_is_refused(tmp_path: Path) -> None:
    """The name of the packing may stand behind any number of other bytes, and the length of the header may be a lie."""
    import zlib

    root = study(tmp_path)
    path = root / "a" / "000.dcm"
    content = path.read_bytes()
    start = content.index(b"\x08\0\x16\0")  # the first element of the data set
    header = struct.pack("<HH2sHI", 2, 1, b"OB", 0, 100_000) + bytes(100_000)
    for element, name in ((2, b"1.2.840.10008.5.1.4.1.1.7\0"), (3, b"1.2.34"), (16, b"1.2.840.10008.1.2.1.99")):
        header += struct.pack("<HH2sH", 2, element, b"UI", len(name)) + name
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    more = struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 240_000_000)
    packed = (
        packer.compress(content[start:] + more) + b"".join(packer.compress(bytes(10**7)) for _ in range(24)) + packer.flush()
    )
    path.write_bytes(content[:132] + struct.pack("<HH2sHI", 2, 0, b"UL", 4, 20) + header + packed)
    refused(root, "deflated to a fraction")


def test_packed_pixels_that_are_far_more_than_their_image_are_refused(tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import RLELossless

    root = study(tmp_path)
    path = root / "a" / "000.dcm"
    file = pydicom.dcmread(path)
    file.file_meta.TransferSyntaxUID = RLELossless
    file.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 600_000])
    file["PixelData"].is_undefined_length = True
    file.save_as(path)
    refused(root, "packed bytes of 64")
