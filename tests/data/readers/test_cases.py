"""Inputs modelled on what people report about neighbouring tools, each with what must come of it."""

from __future__ import annotations

import gzip
import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.test_read import load, refused
from upcycle.config import DataConfig
from upcycle.data import Dataset, check, from_arrays, read
from upcycle.errors import DataError

Write = Callable[..., Path]
CONFIG = DataConfig()


def noise(seed: int, *shape: int) -> np.ndarray:
    """One image that no other seed has, uint8 (8, 8) or of `shape`."""
    return np.random.default_rng(seed).integers(0, 256, shape or (8, 8), dtype=np.uint8)


def png(folder: Path, first: int = 0, n: int = 14, suffix: str = ".png", **saved: object) -> list[np.ndarray]:
    """`n` files in a folder; the images in them."""
    folder.mkdir(parents=True, exist_ok=True)
    images = [noise(first + k) for k in range(n)]
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{first + k}{suffix}", **saved)  # type: ignore[arg-type]
    return images


def classes(root: Path, *names: str, n: int = 14, first: int = 0) -> Path:
    for k, name in enumerate(names):
        png(root / name, first + 1000 * k, n)
    return root


def by_label(dataset: Dataset) -> dict[str, set[bytes]]:
    """Class -> its images, all splits together."""
    found: dict[str, set[bytes]] = {name: set() for name in dataset.class_names}
    for split in dataset.splits().values():
        for image, label in zip(split.images, split.labels, strict=True):
            found[dataset.class_names[label]].add(image.tobytes())
    return found


def said(dataset: Dataset, *words: str) -> bool:
    """Whether one note has all the words."""
    return any(all(word in note for word in words) for note in dataset.notes)


def grouped(dataset: Dataset) -> int:
    """How many groups there are, all splits together; 0 without any."""
    return len({int(g) for split in dataset.splits().values() if split.groups is not None for g in split.groups})


# Splits (cases 03, 10a)

SPLIT_FOLDERS = [
    *(("Training", "Testing"), ("Train", "Test"), ("TRAIN", "VALID", "TEST"), ("train", "validation", "test")),
    *(("training_set", "test_set"), ("mnist-train", "mnist-test"), ("TrainData", "ValData", "TestData")),
    *(("01_train", "02_test"), ("train_0", "train_1", "test_0"), ("train", "dev", "testing"), ("trainset", "testset")),
    *(("ct_train", "ct_val", "ct_test"), ("tRaInInG", "tests"), ("entrenamiento", "prueba")),
]


@pytest.mark.parametrize("names", SPLIT_FOLDERS)
def test_split_folders_under_any_usual_name_are_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    for k, name in enumerate(names):
        classes(tmp_path / name, "a", "b", first=100 * k)
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b")
    tests = [k for k, name in enumerate(names) if "est" in name.lower() or name == "prueba"]
    expected = {noise(100 * k + 1000 * c + i).tobytes() for k in tests for c in range(2) for i in range(14)}
    assert {image.tobytes() for image in dataset.test.images} == expected


@pytest.mark.parametrize(
    "names",
    [("test", "val"), ("Testing", "a", "b"), ("train", "eval"), ("train", "holdout"), ("fold1", "fold2"), ("site_A", "site_B")],
)
def test_folders_that_may_be_splits_are_refused_and_no_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for k, name in enumerate(names):
        classes(tmp_path / name, "x", "y", first=100 * k)
    refused(tmp_path, r"folders .*must be")


def test_folders_with_the_same_folders_are_classes_with_a_note(tmp_path: Path) -> None:
    for k, name in enumerate(("benign", "malignant")):
        classes(tmp_path / name, "visit1", "visit2", first=100 * k)
    dataset = load(tmp_path)
    assert dataset.class_names == ("benign", "malignant") and said(dataset, "same folders", "visit1")


def test_splits_below_the_classes_are_splits(tmp_path: Path) -> None:
    for k, name in enumerate(("benign", "malignant")):
        classes(tmp_path / name, "train", "test", first=100 * k)
    dataset = load(tmp_path)
    assert dataset.class_names == ("benign", "malignant") and len(dataset.test) == 28


def test_split_folders_deep_inside_a_class_are_refused(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b")
    png(tmp_path / "a" / "visit" / "test", 500)
    refused(tmp_path, r"folders below a class must be .* splits \(test\)")


def test_unlabelled_test_folder_is_one_line_about_itself(tmp_path: Path) -> None:
    classes(tmp_path / "train", "a", "b")
    png(tmp_path / "test", 100)
    assert len(refused(tmp_path, "one folder per class. Got none in test").problems) == 1


def test_unlabelled_test_folder_next_to_classes_is_no_class(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b", "test")
    refused(tmp_path, "Got test next to a, b")


def test_class_whose_name_holds_a_word_for_a_split_stays_a_class(tmp_path: Path) -> None:
    assert load(classes(tmp_path, "beaker", "test_tube")).class_names == ("beaker", "test_tube")


def test_loose_images_are_said(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b")
    png(tmp_path, 500, 1)
    assert said(load(tmp_path), "1 files outside the class folders", "500.png")
    for name in ("a", "b"):
        (tmp_path / "t" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / name).rename(tmp_path / "t" / "train" / name)
    png(tmp_path / "t" / "train", 600, 2)
    assert said(load(tmp_path / "t"), "2 files outside the class folders", "train/600.png")


def test_file_names_that_speak_of_splits_are_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for split in ("train", "test"):
            png(tmp_path / name, hash(name + split) % 1000, 8, f"_{split}.png")
    assert said(load(tmp_path), "files are called after train and test")


# Links and entries that cannot be opened (case 02)


def test_links_to_nothing_are_refused_and_named(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b")
    for k in range(8):
        (tmp_path / "a" / f"x{k}.png").symlink_to("/gone/x.png")
    refused(tmp_path, r"a/x0.png \(a link to nothing\).* and 3 more")
    for k in range(8):
        (tmp_path / "a" / f"x{k}.png").unlink()
    (tmp_path / "c").symlink_to("/gone")
    refused(tmp_path, r"Got c \(a link to nothing\)")


def test_links_to_nothing_are_refused_in_tables_and_parquet_too(tmp_path: Path) -> None:
    png(tmp_path / "t", 0, 4)
    (tmp_path / "t" / "labels.csv").write_text("file,class\n0.png,a\n1.png,b\n")
    (tmp_path / "t" / "9.png").symlink_to("/gone/9.png")
    refused(tmp_path / "t", r"9.png \(a link to nothing\)")


def test_pipes_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    refused(tmp_path, "pipe.png .neither a file nor a folder")


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    root = classes(tmp_path / "set", "a", "b")
    more = png(tmp_path / "elsewhere", 700, 8)
    (root / "a" / "visit2").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "again").symlink_to(root / "b")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    dataset = load(root)
    assert len(by_label(dataset)["a"]) == 22 and {image.tobytes() for image in more} <= by_label(dataset)["a"]
    assert said(dataset, "links to folders", "a/again", "loop")


def test_links_to_files_are_read_by_a_table_as_by_class_folders(tmp_path: Path) -> None:
    images = png(tmp_path / "store", 0, 24)
    (tmp_path / "set").mkdir()
    for k in range(24):
        (tmp_path / "set" / f"{k}.png").symlink_to(tmp_path / "store" / f"{k}.png")
    rows = "".join(f"{k}.png,{'ab'[k % 2]}\n" for k in range(24))
    (tmp_path / "set" / "labels.csv").write_text("file,class\n" + rows)
    assert by_label(load(tmp_path / "set"))["a"] == {image.tobytes() for image in images[::2]}


# Pixels (cases 01, 04, 05)


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "avif"])
def test_images_stored_lying_are_turned_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    lossless = {"webp": {"lossless": True}, "avif": {"quality": 100, "subsampling": "4:4:4"}}.get(suffix, {})
    for k in range(20):
        image = Image.fromarray(np.kron(noise(k, 2, 2, 3), np.ones((8, 8, 1), np.uint8)))
        stored = image.transpose(Image.Transpose[TURNS[orientation]])  # the way back of what the viewer does
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        stored.save(tmp_path / "ab"[k % 2] / f"{k}.{suffix}", exif=exif(orientation), **lossless)
    dataset = load(tmp_path)
    found = {tuple(image[4::8, 4::8].astype(int).ravel()) for split in dataset.splits().values() for image in split.images}
    for k in range(20):
        assert min(np.abs(np.array(f) - noise(k, 2, 2, 3).astype(int).ravel()).max() for f in found) <= 4 * (suffix == "avif")
    assert suffix == "tif" or said(dataset, "EXIF orientation", ": 20")


def test_half_a_folder_stored_lying_is_of_one_size(tmp_path: Path) -> None:
    for k in range(24):
        image = Image.fromarray(noise(k, 24, 16))
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        saved = {} if k % 4 < 2 else {"exif": exif(6)}
        (image.transpose(Image.Transpose.ROTATE_90) if saved else image).save(tmp_path / "ab"[k % 2] / f"{k}.png", **saved)
    refused(tmp_path, "square. Got 24 x 16")
    found = read(tmp_path, config=DataConfig(side=24), seed=0)
    assert (by_label(found)["a"] | by_label(found)["b"]) == {
        np.pad(noise(k, 24, 16), ((0, 0), (4, 4))).tobytes() for k in range(24)
    }


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_colours_under_transparency_are_never_read(tmp_path: Path, mode: str) -> None:
    hidden = np.ones((8, 8), bool)
    hidden[2:6, 2:6] = False
    for k in range(24):
        image = Image.fromarray(noise(k)).convert({"RGBA": "RGB", "LA": "L", "PA": "P"}[mode])
        image.putalpha(Image.fromarray(np.where(hidden, 0, 255).astype(np.uint8)))
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        image.convert("RGBA" if mode == "PA" else mode).save(tmp_path / "ab"[k % 2] / f"{k}.png")
    dataset = load(tmp_path)
    every = np.concatenate([split.images for split in dataset.splits().values()])
    assert (every[:, hidden] == 255).all() and said(dataset, "put on white: 24")
    inside = {image[2:6, 2:6, 0].tobytes() for image in every}
    assert inside == {noise(k)[2:6, 2:6].tobytes() for k in range(24)}
    assert dataset.channels == (1 if mode == "LA" else 3)


def test_la_and_grey_palettes_among_grey_images_are_grey(tmp_path: Path) -> None:
    for k in range(32):
        image = Image.fromarray(noise(k)).convert(("L", "LA", "P", "RGB")[k // 2 % 4])
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        image.save(tmp_path / "ab"[k % 2] / f"{k}.png")
    dataset = load(tmp_path)
    assert dataset.channels == 1 and said(dataset, "RGB images that show grey only", ": 8")
    assert by_label(dataset)["a"] == {noise(k).tobytes() for k in range(0, 32, 2)}


def test_grey_among_colour_becomes_rgb_or_what_the_settings_say(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b")
    Image.fromarray(noise(9, 8, 8, 3)).save(tmp_path / "a" / "colour.png")
    dataset = load(tmp_path)
    assert dataset.channels == 3 and said(dataset, "grey images were made RGB", ": 28")
    assert by_label(dataset)["b"] == {np.stack([noise(1000 + k)] * 3, 2).tobytes() for k in range(14)}
    grey = read(tmp_path, config=DataConfig(channels="grey"), seed=0)
    assert grey.channels == 1 and np.asarray(Image.fromarray(noise(9, 8, 8, 3)).convert("L")).tobytes() in by_label(grey)["a"]
    only = read(tmp_path, config=DataConfig(channels="rgb"), seed=0)
    assert by_label(only) == by_label(dataset)


def test_channels_of_arrays_follow_the_settings(write_npz: Write) -> None:
    images = np.stack([noise(k, 8, 8, 3) for k in range(40)])
    path = write_npz(images=images, labels=np.arange(40) % 2)
    grey = read(path, config=DataConfig(channels="grey"), seed=0)
    expected = {np.asarray(Image.fromarray(image).convert("L")).tobytes() for image in images}
    assert by_label(grey)["0"] | by_label(grey)["1"] == expected


@pytest.mark.parametrize("suffix", [".jfif", ".pjpeg", ".jpe", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".avif"])
def test_images_of_every_suffix_that_pillow_reads_are_read(tmp_path: Path, suffix: str) -> None:
    root = classes(tmp_path, "a", "b", n=10)
    kind = {".jfif": "JPEG", ".pjpeg": "JPEG", ".jpe": "JPEG"}.get(
        suffix, suffix[1:].replace("tif", "tiff").replace("fff", "ff")
    )
    (root / "a" / "x").mkdir()
    content = io.BytesIO()
    Image.fromarray(np.full((8, 8), 128, np.uint8)).convert("RGB").save(content, kind)
    (root / "a" / f"x{suffix}").write_bytes(content.getvalue())
    assert sum(len(split) for split in load(root).splits().values()) == 21


@pytest.mark.parametrize("suffix", [".jxl", ".ico", ".heic", ".nrrd", ".mha", ".gif", ".npy", ".mgz"])
def test_images_that_are_not_read_are_refused_and_not_called_no_images(tmp_path: Path, suffix: str) -> None:
    root = classes(tmp_path, "a", "b", n=10)
    (root / "a" / f"x{suffix}").write_bytes(b"x")
    refused(root, f"a/x{suffix}")


@pytest.mark.parametrize(
    ("start", "read_"), [(b"GIF89a", False), (b"\0\0\0\x0cJXL ", False), (b"NRRD0004", False), (None, True)]
)
def test_images_under_an_unknown_suffix_are_known_by_their_start(tmp_path: Path, start: bytes | None, read_: bool) -> None:
    root = classes(tmp_path, "a", "b", n=10)
    (root / "a" / "0.png").rename(root / "a" / "0.image") if read_ else (root / "a" / "0.image").write_bytes(start or b"")
    if read_:
        assert sum(len(split) for split in load(root).splits().values()) == 20
    else:
        refused(root, "a/0.image")


def test_files_of_unknown_kind_are_not_called_no_images(tmp_path: Path) -> None:
    root = classes(tmp_path, "a", "b", n=10)
    (root / "a" / "x.bin").write_bytes(b"??")
    assert said(load(root), "1 files of a kind that is not known", "a/x.bin")


def test_folder_of_volumes_of_another_kind_names_it(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.nrrd").write_bytes(b"NRRD0004")
    error = refused(tmp_path, "x.nrrd")
    assert "empty all" not in str(error)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones((8, 8), np.float32), "float pixels"),
        (np.full((8, 8), 70_000, np.int32), "pixels from 70000"),
        (np.full((8, 8), -5, np.int16), "pixels from -5"),
    ],
)
def test_tiff_whose_values_would_be_cut_is_refused(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    root = classes(tmp_path, "a", "b", n=10)
    Image.fromarray(array).save(root / "a" / "x.tif")
    refused(root, f"a/x.tif \\({reason}")


def test_further_pages_and_frames_are_said(tmp_path: Path) -> None:
    root = classes(tmp_path, "a", "b", n=10)
    Image.fromarray(noise(1)).save(root / "a" / "x.tif", save_all=True, append_images=[Image.fromarray(noise(2))])
    assert said(load(root), "several frames or pages", ": 1")


def test_blank_images_are_said(tmp_path: Path) -> None:
    root = classes(tmp_path, "a", "b", n=10)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "a" / "x.png")
    assert said(load(root), "blank", ": 1")


# Names of classes and files (cases 05, 13, 16)


def test_class_folder_without_images_is_called_that(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b")
    (tmp_path / "c").mkdir()
    refused(tmp_path, "every class must hold images. Got no image of class c")


def test_numbered_class_folders_count_as_numbers(tmp_path: Path) -> None:
    for k in range(12):
        png(tmp_path / str(k), 100 * k, 10)
    assert load(tmp_path).class_names == tuple(map(str, range(12)))


def test_the_same_letters_stored_in_two_ways_are_one_class(tmp_path: Path) -> None:
    classes(tmp_path / "train", "be\u0301nin", "malin")
    classes(tmp_path / "test", "b\u00e9nin", "malin", first=100)
    dataset = load(tmp_path)
    assert dataset.class_names == ("b\u00e9nin", "malin") and said(dataset, "stored in two ways")


def test_class_names_that_differ_in_case_only_are_said(tmp_path: Path) -> None:
    assert said(load(classes(tmp_path, "Benign", "benign", "other")), "differ in case", "benign")


@pytest.mark.parametrize("name", [b"b\xe9nin", b"\x1b[31mred", b"two\nlines", "\u202eabc".encode()])
def test_class_folders_that_are_no_text_are_refused_at_once(tmp_path: Path, name: bytes) -> None:
    classes(tmp_path, "a", "b")
    folder = os.fsencode(tmp_path) + b"/" + name
    (tmp_path / "a").rename(os.fsdecode(folder))
    error = refused(tmp_path, "class names must be printable text in UTF-8")
    assert str(error).isprintable() or "\n" in str(error)


def test_file_names_that_are_no_utf8_are_refused_at_once(tmp_path: Path) -> None:
    classes(tmp_path, "a", "b")
    (tmp_path / "a" / "0.png").rename(os.fsdecode(os.fsencode(tmp_path / "a") + b"/b\xe9.png"))
    refused(tmp_path, "names of files and folders must be UTF-8")


def test_name_of_the_data_cannot_steer_a_terminal(tmp_path: Path) -> None:
    dataset = load(classes(tmp_path / "x\x1b[31m", "a", "b"))
    assert all(line.isprintable() for line in check(dataset).lines())


# Tables (cases 07, 13, newcomer 11)


def listed(root: Path, header: str, row: Callable[[int], str], n: int = 24) -> Path:
    """A folder scans/ of n files and a labels.csv."""
    png(root / "scans", 0, n)
    (root / "labels.csv").write_text("\n".join([header, *map(row, range(n))]) + "\n", encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file;class", "scans/{k}.png;{c}"),
        ("file\tclass", "scans/{k}.png\t{c}"),
        (",file,class", "{k},scans/{k}.png,{c}"),
        ("class,file", "{c},scans/{k}.png"),
        ("id,Filename,age,Diagnosis", "{k},scans/{k}.png,50,{c}"),
        ("file,class", "{k}.png,{c}"),
        ("file,class", "{k},{c}"),
        ("file,class", "data/scans/{k}.png,{c}"),
        ("image_path;label", "scans\\{k}.png;{c}"),
        ("bild,klasse", "scans/{k}.png,{c}"),
    ],
)
def test_label_tables_of_every_spelling_give_the_same_labels(tmp_path: Path, header: str, row: str) -> None:
    dataset = load(listed(tmp_path, header, lambda k: row.format(k=k, c="ab"[k % 2])))
    assert by_label(dataset)["a"] == {noise(k).tobytes() for k in range(0, 24, 2)} and dataset.class_names == ("a", "b")


def test_splits_and_patients_of_a_label_table_are_used(tmp_path: Path) -> None:
    names = {0: "Training", 1: "VALID", 2: "testing"}
    root = listed(
        tmp_path, "PatientID,file,class,Split", lambda k: f"p{k // 4},{k}.png,{'ab'[k % 2]},{names[max(0, k // 4 - 7)]}", 40
    )
    dataset = load(root)
    assert [len(split) for split in dataset.splits().values()] == [32, 4, 4] and grouped(dataset) == 10


def test_columns_that_are_not_read_and_cells_that_are_too_many_are_said(tmp_path: Path) -> None:
    assert said(load(listed(tmp_path / "x", "file,class,age", lambda k: f"{k}.png,{'ab'[k % 2]},40")), "not read: age")
    refused(listed(tmp_path / "y", "file,class", lambda k: f"{k}.png,{'ab'[k % 2]},c"), "as long as the header")
    refused(listed(tmp_path / "z", "a,b,c,d", lambda k: f"{k}.png,{'ab'[k % 2]},c,d"), "named file and class")


@pytest.mark.parametrize("split", ["evaluation", "fold3", "tset"])
def test_splits_of_a_table_that_nobody_knows_are_refused(tmp_path: Path, split: str) -> None:
    refused(listed(tmp_path, "file,class,split", lambda k: f"{k}.png,{'ab'[k % 2]},{split if k else 'train'}"), f"Got {split}")


@pytest.mark.parametrize("cell", ["nan", "NULL", "<NA>"])
def test_classes_that_tables_write_for_nothing_are_refused(tmp_path: Path, cell: str) -> None:
    refused(listed(tmp_path, "file,class", lambda k: f"{k}.png,{'ab'[k % 2] if k < 12 else cell}"), "filled in")


def test_bare_name_that_several_files_have_is_refused(tmp_path: Path) -> None:
    png(tmp_path / "more", 0, 1)
    refused(listed(tmp_path, "file,class", lambda k: f"{k}.png,{'ab'[k % 2]}"), "several called 0.png")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("image,study,patient", "{f},s{k},p{p}"),
        ("id,image,patient", "{k},{f},p{p}"),
        ("patient;image", "p{p};{f}"),
        ("image\tsubject_id", "{f}\tp{p}"),
        ("image,Patients", "{bare},p{p}"),
        ("image,patient_id", "{stem},p{p}"),
        (",image,PATIENTID", "{k},{f},p{p}"),
    ],
)
def test_groups_files_are_read_by_the_names_of_their_columns(tmp_path: Path, header: str, row: str) -> None:
    root = classes(tmp_path / "set", "a", "b")
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    lines = [row.format(f=f, k=k, p=k // 4, bare=Path(f).name, stem=Path(f).stem) for k, f in enumerate(files)]
    (tmp_path / "g.csv").write_text("\n".join([header, *lines]) + "\n")
    dataset = load(root, groups_csv=tmp_path / "g.csv")
    assert grouped(dataset) == 7
    assert said(dataset, "study", "not used") == ("study" in header)


# Patients (cases 06, 07, 10)

SPELLINGS = [
    "patient_id",
    "patients",
    "PatientID",
    "patient_ids",
    "subject_id",
    "Subjects",
    "case_ids",
    "groups",
    "donor",
    "mrn",
]


@pytest.mark.parametrize("key", SPELLINGS)
def test_patients_of_an_archive_are_used_in_any_spelling(write_npz: Write, key: str) -> None:
    images = np.stack([noise(k) for k in range(48)])
    dataset = load(write_npz(images=images, labels=np.arange(48) % 2, **{key: np.arange(48) // 4}))
    assert grouped(dataset) == 12
    only = load(write_npz(train_images=images, train_labels=np.arange(48) % 2, **{key: np.arange(48) // 4}))
    assert grouped(only) == 12


def test_patients_of_an_archive_that_fit_no_split_are_refused(write_npz: Write) -> None:
    images, labels = np.stack([noise(k) for k in range(48)]), np.arange(48) % 2
    arrays = {"train_images": images[:32], "train_labels": labels[:32], "test_images": images[32:], "test_labels": labels[32:]}
    refused(write_npz(**arrays, patient_ids=np.arange(48)), "train_patient_ids, test_patient_ids")


def test_what_sounds_like_a_patient_and_is_not_used_is_said(write_npz: Write) -> None:
    images, labels = np.stack([noise(k) for k in range(48)]), np.arange(48) % 2
    dataset = load(write_npz(images=images, labels=labels, patient_age=np.arange(48), exam_id=np.arange(48)))
    assert grouped(dataset) == 0 and said(dataset, "patient_age, exam_id", "not used as patients")


def test_ids_that_stand_for_unknown_are_said(write_npz: Write) -> None:
    images, labels = np.stack([noise(k) for k in range(48)]), np.arange(48) % 2
    ids = np.array(["unknown" if k < 8 else f"p{k // 4}" for k in range(48)])
    assert said(load(write_npz(images=images, labels=labels, patient_ids=ids)), "8 images have the patient id 'unknown'")
    refused(write_npz(images=images, labels=labels, patient_ids=np.where(ids == "unknown", "None", ids)), "8 empty")


@pytest.mark.parametrize("nothing", [None, float("nan"), "", np.nan, " "])
def test_empty_ids_among_others_are_one_line(nothing: object) -> None:
    ids = np.array([nothing if k < 4 else f"p{k // 4}" for k in range(48)], object)
    with pytest.raises(Exception, match="4 empty ones"):
        from_arrays(np.stack([noise(k) for k in range(48)]), np.arange(48) % 2, ids, config=CONFIG, seed=0)


def test_ids_of_several_types_are_told_apart() -> None:
    ids = np.array([k // 4 if k % 8 < 4 else f"p{k // 4}" for k in range(48)], object)
    assert grouped(from_arrays(np.stack([noise(k) for k in range(48)]), np.arange(48) % 2, ids, config=CONFIG, seed=0)) == 12


def test_folders_called_after_patients_are_said(tmp_path: Path) -> None:
    for k in range(8):
        png(tmp_path / "ab"[k % 2] / f"patient_{k}", 100 * k, 6)
    assert said(load(tmp_path), "called patient...", "--groups")
    for k in range(6):
        png(tmp_path / "p" / "ab"[k % 2], 100 * k, 6, "_x.png")
    assert not said(load(tmp_path / "p"), "--groups")


# Arrays (case 06)


def test_floats_just_above_one_are_taken_and_others_named_exactly(write_npz: Write) -> None:
    images, labels = np.stack([noise(k) for k in range(40)]) / np.float32(255), np.arange(40) % 2
    images[0, 0, 0] = 1.0000001
    assert load(write_npz(images=images, labels=labels)).train.images.max() == 255
    images[0, 0, 0] = 1.001
    refused(write_npz(images=images, labels=labels), r"float from 0 to 1.001")


def test_keys_of_an_archive_are_known_in_any_spelling(write_npz: Write) -> None:
    images, labels = np.stack([noise(k) for k in range(60)]), np.arange(60) % 2
    train = {"x_train": images[:30], "y_train": labels[:30]}
    validation = {"Validation_Images": images[30:40], "Validation_Labels": labels[30:40]}
    dataset = load(write_npz(**train, **validation, test_images=images[40:], test_labels=labels[40:]))
    assert [len(split) for split in dataset.splits().values()] == [30, 10, 20]
    refused(write_npz(images=images, x=images, labels=labels), "one for the images")


# Paths, tables and values that mean nothing (reliability F10, F11)


@pytest.mark.parametrize("reader", ["folder", "dicom", "nifti", "idx"])
@pytest.mark.parametrize("path", ["/nope", "x" * 5000, "", "a\0b", __file__])
def test_readers_of_folders_given_anything_else_say_one_line(reader: str, path: str) -> None:
    assert len(refused(f"{reader}:{path}", "existing folder for this reader").problems) == 1


def test_words_after_digits_are_refused() -> None:
    refused("digits:/scans", "digits must be written alone")


def test_label_table_without_a_header_is_called_that(tmp_path: Path) -> None:
    root = listed(tmp_path, "scans/0.png,a", lambda k: f"scans/{k}.png,{'ab'[k % 2]}")
    refused(root, "begin with a header line. Got scans/0.png, a")


def test_names_and_numbers_of_thousands_of_letters_are_one_line(tmp_path: Path) -> None:
    refused(listed(tmp_path / "x", "file,class", lambda k: f"{'x' * 5000 if k == 3 else k},{'ab'[k % 2]}"), "Got no xxx")
    root = classes(tmp_path / "set", "a", "b")
    (tmp_path / "g.csv").write_text("image,patient\n" + "9" * 5000 + ",1\n")
    refused(root, "no row for a/0.png", groups_csv=tmp_path / "g.csv")


def test_table_finds_files_whose_names_are_stored_in_another_way(tmp_path: Path) -> None:
    for k in range(24):
        png(tmp_path, 10 * k, 1, "be\u0301.png")
    (tmp_path / "labels.csv").write_text(
        "file,class\n" + "".join(f"{10 * k}b\u00e9.png,{'ab'[k % 2]}\n" for k in range(24)), "utf-8"
    )
    assert by_label(load(tmp_path))["a"] == {noise(10 * k).tobytes() for k in range(0, 24, 2)}


@pytest.mark.parametrize("kind", ["timedelta64[s]", "datetime64[D]", "complex64", "S1", "bool"])
def test_labels_and_images_that_are_no_whole_numbers_are_one_line(kind: str) -> None:
    images, labels = np.stack([noise(k) for k in range(40)]), np.arange(40) % 2
    with pytest.raises(DataError, match="whole numbers from 0"):
        from_arrays(images, labels.astype(kind), config=CONFIG, seed=0)
    if kind != "bool":
        with pytest.raises(DataError, match="must be numbers"):
            from_arrays(images.astype(kind), labels, config=DataConfig(side=16, channels="rgb"), seed=0)


def test_ragged_and_masked_arrays_are_one_line() -> None:
    labels = np.arange(40) % 2
    with pytest.raises(DataError, match="images must be one array"):
        from_arrays([[1, 2], [3]], labels, config=CONFIG, seed=0)  # type: ignore[arg-type]
    masked = np.ma.array(labels, mask=labels == 1)
    with pytest.raises(DataError, match="labels must be whole"):
        from_arrays(np.stack([noise(k) for k in range(40)]), masked, config=CONFIG, seed=0)


def test_black_and_white_arrays_keep_their_shapes_when_resized(write_npz: Write) -> None:
    images = np.random.default_rng(0).random((40, 16, 16)) > 0.5
    images[:, ::2] = False
    small = read(write_npz(images=images, labels=np.arange(40) % 2), config=DataConfig(side=8), seed=0)
    assert small.train.images.mean() < 100  # a new pixel is white where most of what it covers is


# IDX (case 17)


def idx_files(root: Path, images: str, labels: str, packed: bool = False) -> None:
    pixels, numbers = np.stack([noise(k) for k in range(60)]), np.arange(60) % 2
    pack = gzip.compress if packed else bytes
    (root / images).write_bytes(pack(struct.pack(">IIII", 0x803, 60, 8, 8) + pixels.tobytes()))
    (root / labels).write_bytes(pack(struct.pack(">II", 0x801, 60) + numbers.astype(np.uint8).tobytes()))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("suffix", ["", ".gz", ".GZ"])
def test_idx_files_are_known_by_what_they_hold(tmp_path: Path, packed: bool, suffix: str) -> None:
    name = "emnist-letters-train-{}-ubyte" if suffix else "train-{}-ubyte"
    idx_files(tmp_path, name.format("images-idx3") + suffix, name.format("labels-idx1") + suffix, packed)
    assert sum(len(split) for split in load(tmp_path).splits().values()) == 60
