"""Inputs of the kinds of `test_cases` that nobody had reported: each is read as written, or what differs is said."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upcycle.config import Config, DataConfig
from upcycle.data import Dataset, RawImages, RawSplit, from_arrays, from_torch, read, register_reader
from upcycle.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (48, 12, 12), dtype=np.uint8)
LABELS, OWNERS = np.arange(48) % 2, np.arange(48) // 4
Write = Callable[..., Path]


def look(data: Path | str, groups: Path | None = None, **settings: Any) -> Dataset:
    return read(data, config=DataConfig.model_validate({"min_images_per_class": 2, **settings}), seed=0, groups_csv=groups)


def pictures(root: Path, *folders: str, count: int = 8, high: int = 256) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            Image.fromarray(RNG.integers(0, high, (12, 12)).astype(np.uint8)).save(root / folder / f"{k}.png")
    return root


def flat(root: Path, header: str, row: Callable[[int], str], end: str = "\n") -> Path:
    """Pictures a0.png to b7.png under a labels.csv; `row(k)` is the line of picture k."""
    pictures(root, "x", count=16)
    for k in range(16):
        (root / "x" / f"{k}.png").rename(root / f"{'ab'[k % 2]}{k}.png")
    (root / "x").rmdir()
    (root / "labels.csv").write_text(end.join([header, *(row(k) for k in range(16))]) + end, newline="")
    return root


def noted(dataset: Dataset) -> str:
    return "\n".join(dataset.notes)


def file(k: int) -> str:
    return f"{'ab'[k % 2]}{k}.png"


# Splits


@pytest.mark.parametrize(
    "names",
    [
        ("Trainingsdaten", "Testdaten"),
        ("Trainingsbilder", "Testbilder"),
        ("1-train", "2-val", "3-test"),
        ("TrainSet", "TestSet"),
    ],
)
def test_splits_in_other_words_are_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = look(pictures(tmp_path, *(f"{name}/{label}" for name in names for label in ("benign", "malignant"))))
    assert found.class_names == ("benign", "malignant") and len(found.test) == 16


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("tr", "te"), "folders must be one per class"),
        (("learn", "evaluate"), "folders must be one per class"),
        (("internal", "external"), "folders must be one per class"),
        (("train", "test", "train_old"), "Got train_old"),
        (("train", "test", "external_test"), "Got external_test"),
        (("train_fold1", "test_fold1", "train_fold2", "test_fold2"), "folders must be one per class"),
    ],
)
def test_a_second_set_of_a_split_is_never_poured_into_it(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        look(pictures(tmp_path, *(f"{name}/{label}" for name in names for label in ("benign", "malignant"))))


@pytest.mark.parametrize("below", [("train/a", "train/b", "test/a", "test/b"), ("a", "b")])
def test_one_folder_around_all_is_called_that(tmp_path: Path, below: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"Got one folder, export, which holds .*\. Give export itself"):
        look(pictures(tmp_path, *(f"export/{name}" for name in below)))


def test_a_table_under_another_name_is_pointed_at(tmp_path: Path) -> None:
    pictures(tmp_path, "im")
    (tmp_path / "metadata.csv").write_text("file,class\n0.png,a\n")
    with pytest.raises(DataError, match=r"save metadata.csv as labels.csv"):
        look(tmp_path)


# Files that are no images of a class


def test_masks_next_to_images_are_said(tmp_path: Path) -> None:
    pictures(tmp_path, "a", "b")
    for k in range(8):
        (tmp_path / "a" / f"{k}.png").rename(tmp_path / "a" / f"case{k}_mask.png")
    assert "8 files are called mask or the like" in noted(look(tmp_path))
    assert "kinds of files, and were taken for classes: images, masks" in noted(
        look(pictures(tmp_path / "c", "images", "masks"))
    )
    assert "mask" not in noted(look(pictures(tmp_path / "d", "imaging", "masked face")))


def test_a_table_that_contradicts_the_folders_is_followed_and_said(tmp_path: Path) -> None:
    pictures(tmp_path, "a", "b")
    rows = [f"{folder}/{k}.png,{'b' if folder == 'a' and k < 3 else folder}" for folder in "ab" for k in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,class", *rows]))
    found = look(tmp_path)
    assert "3 files lie in a folder that is called as another class" in noted(found)
    assert sum(int((split.labels == 1).sum()) for split in found.splits().values()) == 11


def test_folders_within_hundreds_of_folders_are_one_line(tmp_path: Path) -> None:
    deep = pictures(tmp_path, "a", "b") / "a" / "/".join(["d"] * 300)
    deep.mkdir(parents=True)
    with pytest.raises(DataError, match="a folder within 100 others"):
        look(tmp_path)


# Classes


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("0", "0.0"), "differ in case, spaces or marks only: 0, 0.0"),
        (("grade1", "grade\uff11"), "differ in case"),
        (("benign", "b\u0435nign"), "mix letters of several alphabets"),
        (("a", "unknown"), "classes are called 'unknown'"),
        (("a", "N/A"), "classes are called 'N/A'"),
        (("a", "?"), "classes are called '?'"),
        (("Effusion|Mass", "Mass"), "several labels of one image"),
        (("Mass", "Effusion; Mass"), "several labels of one image"),
    ],
)
def test_names_of_classes_that_are_easily_mistaken_are_said(tmp_path: Path, names: tuple[str, str], says: str) -> None:
    found = look(flat(tmp_path, "file,class", lambda k: f"{file(k)},{names[k % 2]}"))
    assert says in noted(found) and set(found.class_names) == set(names)


@pytest.mark.parametrize(
    "names", [("Atelectasis", "No finding"), ("1+", "2+"), ("\u03b1-cell", "\u03b2-cell"), ("none", "mild")]
)
def test_usual_names_of_classes_are_not_remarked_upon(tmp_path: Path, names: tuple[str, str]) -> None:
    text = noted(look(flat(tmp_path, "file,class", lambda k: f"{file(k)},{names[k % 2]}")))
    assert "classes are called" not in text and "several labels" not in text and "differ in" not in text


# Patients


@pytest.mark.parametrize(
    "spell",
    [
        lambda k: f"{'Pp'[k % 2]}{k // 4}",
        lambda k: [f"{k // 4}", f"00{k // 4}", f"{k // 4}.0", f" {k // 4}"][k % 4],
        lambda k: f"p{k // 4}{' ' * (k % 2)}",
        lambda k: f"p{'-_'[k % 2]}{k // 4}",
        lambda k: f"p{k // 4}" if k % 2 else f"\uff50{k // 4}",
    ],
)
def test_patients_written_in_two_ways_are_counted_and_not_shown(write_npz: Write, spell: Callable[[int], str]) -> None:
    found = look(write_npz(images=PIXELS, labels=LABELS, patient_ids=np.array([spell(k) for k in range(48)])))
    assert "patient ids differ from another in case, spaces, marks, leading zeros or issuer only" in noted(found)


def test_patients_that_differ_are_not_remarked_upon(write_npz: Write) -> None:
    ids = np.array([f"{'abc'[k % 3]}-{100 + k // 4}.{k % 3}" for k in range(48)])
    assert "patient ids differ" not in noted(look(write_npz(images=PIXELS, labels=LABELS, patient_ids=ids)))


def test_a_patient_who_is_a_number_in_train_and_padded_text_in_test_is_said(write_npz: Write) -> None:
    arrays = {"train_images": PIXELS, "train_labels": LABELS, "test_images": PIXELS[::-1] // 2, "test_labels": LABELS}
    padded = np.array([f"{owner:03}" for owner in OWNERS])
    found = look(write_npz(**arrays, train_patient=OWNERS, test_patient=padded))
    assert "patient ids differ" in noted(found)
    with pytest.raises(DataError, match="every group must be in one split"):
        look(write_npz(**arrays, train_patient=OWNERS, test_patient=OWNERS.astype(float)))


def test_dicom_ids_that_are_alike_or_stand_for_unknown_are_said(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="extra medical is not installed")
    from tests.data.readers.test_dicom import write

    for label in "ab":
        for k in range(8):
            write(
                tmp_path / "issuer" / label / f"{k}.dcm", PIXELS[k], f"{label}{k // 2}", IssuerOfPatientID="H" if k % 2 else ""
            )
            write(
                tmp_path / "anon" / label / f"{k}.dcm", PIXELS[k], "ANONYMOUS" if k < 2 else f"{label}{k}", PixelSpacing=[2, 1]
            )
    assert "16 patient ids differ from another" in noted(look(tmp_path / "issuer"))
    text = noted(look(tmp_path / "anon"))
    assert "4 images have the patient id 'ANONYMOUS'" in text and "patient ids differ" not in text
    assert "pixels are higher than wide, or wider than high: they were read as squares: 16" in text


# Tables


@pytest.mark.parametrize(
    ("header", "mark", "end"),
    [("sep=;\nfile;class", ";", "\n"), ("sep=,\r\nfile,class", ",", "\r\n"), ("file,class", ",", "\r")],
)
def test_tables_of_other_programs_are_read(tmp_path: Path, header: str, mark: str, end: str) -> None:
    found = look(flat(tmp_path, header, lambda k: f"{file(k)}{mark}{'ab'[k % 2]}", end))
    assert found.class_names == ("a", "b") and sum(map(len, found.splits().values())) == 16


@pytest.mark.parametrize(
    ("header", "row", "says"),
    [
        ("image,benign,malignant", lambda k: f"{file(k)},{k % 2},{1 - k % 2}", "must be named file and class"),
        ("file,class,split", lambda k: f"{file(k)},{'ab'[k % 2]},{k % 3}", "splits in column split"),
        ("file,class,split", lambda k: f"{file(k)},{'ab'[k % 2]},{'train' if k % 3 else ''}", "splits or none"),
        ("file,class,patient", lambda k: f"{file(k)},{'ab'[k % 2]},{k if k % 3 else ''}", "6 empty ones"),
        ("file|class", lambda k: f"{file(k)}|{'ab'[k % 2]}", "CSV of two columns"),
        ("file,class,class", lambda k: f"{file(k)},a,b", "class twice"),
        ("file,class", lambda k: f"{file(k).upper()},a", "no A0.PNG"),
        ("file,class", lambda k: f"{file(k)},a\0", "printable text"),
        ("file,class", lambda k: f'{file(k)},"a\nb"', "printable text"),
        (",", lambda k: f"{file(k)},{'ab'[k % 2]}", "must begin with a header line"),
    ],
)
def test_tables_that_say_too_little_or_too_much_are_refused(
    tmp_path: Path, header: str, row: Callable[[int], str], says: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        look(flat(tmp_path, header, row))
    assert all(line.isprintable() for line in caught.value.problems)


@pytest.mark.parametrize("column", ["fold", "partition", "is_test", "official_split", "age", "diagnosis"])
def test_columns_of_tables_that_are_not_read_are_said(tmp_path: Path, column: str) -> None:
    root = flat(tmp_path / "d", f"file,label,{column}", lambda k: f"{file(k)},{'ab'[k % 2]},{k % 5}")
    assert column in noted(look(root))
    groups = tmp_path / "g.csv"
    groups.write_text("\n".join([f"image,patient,{column}", *(f"{file(k)},p{k // 2},{k % 5}" for k in range(16))]))
    assert f"columns of the groups file were not read: {column}" in noted(look(root, groups))


def test_many_names_that_are_not_clear_are_one_line(tmp_path: Path) -> None:
    groups = tmp_path / "g.csv"
    groups.write_text("\n".join(["image,patient", *(f"{k},p{k}" for k in range(8))]))
    with pytest.raises(DataError) as caught:
        look(pictures(tmp_path / "d", "a", "b"), groups)
    assert len(caught.value.problems) == 1 and "several images called 0, 1, 2, 3, 4 and 3 more" in caught.value.problems[0]


# Arrays


def test_splits_of_black_and_white_and_of_grey_are_refused(write_npz: Write) -> None:
    arrays = {"train_images": PIXELS > 128, "train_labels": LABELS, "test_labels": LABELS}
    with pytest.raises(DataError, match="Got black-and-white ones in some"):
        look(write_npz(**arrays, test_images=(PIXELS > 128).astype(np.uint8)))


@pytest.mark.parametrize(
    ("images", "highest"),
    [(PIXELS // 128, 1), (PIXELS // 16, 15), ((PIXELS / 65025).astype(np.float32), 1), ((PIXELS // 128).astype(np.uint16), 1)],
)
def test_images_of_another_scale_are_said_to_be_dark(write_npz: Write, images: np.ndarray, highest: int) -> None:
    assert f"all images are dark: no value is above {highest} of 255" in noted(look(write_npz(images=images, labels=LABELS)))


def test_dark_pictures_are_said_by_a_check_that_keeps_no_pixels(tmp_path: Path) -> None:
    from upcycle.data import survey

    found = survey(pictures(tmp_path, "a", "b", high=2), config=DataConfig(), seed=0)
    assert "no value is above 1 of 255" in noted(found) and found.train.digests is not None


def test_images_without_anything_to_see_are_called_that(write_npz: Write) -> None:
    with pytest.raises(DataError, match=r"images must show something. Got 48 of one shade all over"):
        look(write_npz(images=PIXELS * 0 + 7, labels=LABELS))


def test_an_archive_with_one_name_twice_is_refused(write_npz: Write) -> None:
    path = write_npz(images=PIXELS, labels=LABELS)
    with zipfile.ZipFile(path) as archive:
        content = archive.read("images.npy")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images.npy", content)
    with pytest.raises(DataError, match="images is in it twice"):
        look(path)


@pytest.mark.parametrize("key", ["split", "is_test", "fold", "class_names", "masks", "site_patient_age"])
def test_keys_that_could_matter_are_said(write_npz: Write, key: str) -> None:
    assert key in noted(look(write_npz(images=PIXELS, labels=LABELS, **{key: np.arange(48)})))


def idx(root: Path, **files: np.ndarray) -> Path:
    root.mkdir(exist_ok=True)
    for name, array in files.items():
        end = {3: "images-idx3-ubyte", 1: "labels-idx1-ubyte"}[array.ndim]
        head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{'I' * array.ndim}", *array.shape)
        (root / f"{name[:-2].replace('_', '-')}-{end}").write_bytes(head + array.astype(np.uint8).tobytes())
    return root


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("letters_train", "digits_train", "digits_test"), "Got digits-test, digits-train, letters-train"),
        (("train", "eval"), "Got eval"),
        (("letters",), "Got letters-images-idx3-ubyte"),
    ],
)
def test_idx_files_of_unclear_splits_are_refused_and_named(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    files = {f"{name}_{part}": array for name in names for part, array in (("i", PIXELS), ("l", LABELS))}
    with pytest.raises(DataError, match=says):
        look(idx(tmp_path / "d", **files))


# Hugging Face


def table(splits: dict[str, Any], **columns: list[Any]) -> Any:
    datasets = pytest.importorskip("datasets", reason="extra hf is not installed")
    import io

    cells = []
    for image in PIXELS[:24]:
        content = io.BytesIO()
        Image.fromarray(image).save(content, "PNG")
        cells.append({"bytes": content.getvalue(), "path": None})
    kinds = {int: "int64", str: "string", float: "float64"}
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    features |= {name: datasets.Value(kinds[type(values[0])]) for name, values in columns.items()}
    rows = {"image": cells, "label": [k % 2 for k in range(24)], **columns}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def test_a_column_of_splits_is_used_and_said(tmp_path: Path) -> None:
    words = ["Training"] * 16 + ["test"] * 8
    table({}, split=words).save_to_disk(tmp_path / "d")
    found = look(tmp_path / "d")
    assert len(found.test) == 8 and "splits were read from column split" in noted(found)
    table({}, split=["train"] * 16 + ["secret"] * 8).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"splits in column split must be .* Got secret"):
        look(tmp_path / "x.parquet")


@pytest.mark.parametrize("column", ["fold", "set", "age", "mask"])
def test_columns_of_a_data_set_that_are_not_read_are_said(tmp_path: Path, column: str) -> None:
    table({}, **{column: [k % 5 for k in range(24)]}).to_parquet(tmp_path / "x.parquet")
    assert f"columns of the data set were not read: {column}" in noted(look(tmp_path / "x.parquet"))


@pytest.mark.parametrize("first", [True, False])
def test_patients_in_some_parts_only_are_refused(tmp_path: Path, first: bool) -> None:
    parts = [table({}), table({}, patient=[str(k // 4) for k in range(24)])]
    for name, part in zip(("train", "test"), parts if first else parts[::-1], strict=True):
        part.to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"every split must have the same columns. Got no patient in"):
        look(tmp_path)


def test_parts_of_several_collections_are_not_poured_together(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "d" / name).mkdir(parents=True)
        table({}).to_parquet(tmp_path / "d" / name / "train.parquet")
    with pytest.raises(DataError, match="Got one/train, two/train"):
        look(tmp_path / "d")
    (tmp_path / "d" / "two" / "train.parquet").rename(tmp_path / "d" / "two" / "notes.txt")
    assert "1 files that are no parquet were not read: two/notes.txt" in noted(look(tmp_path / "d"))


# torch, readers of somebody's own, and settings


def test_tensors_and_lists_that_are_no_images_are_one_line() -> None:
    torch = pytest.importorskip("torch")
    for image, says in (
        (torch.rand(1, 12, 12).to(torch.bfloat16), "bfloat16"),
        (torch.rand(12, 12).to_sparse(), "to_dense"),
        ([[1, 2], [3]], "rows of different shapes"),
        (np.ma.masked_greater(PIXELS[0], 100), "masked values"),
    ):
        with pytest.raises(DataError, match=says):
            from_torch([(image, k % 2) for k in range(4)])
    images, labels = from_torch([(torch.from_numpy(PIXELS[k] > 100)[None], k % 2) for k in range(16)])
    assert images.dtype == bool and from_arrays(images, labels, config=DataConfig(), seed=0).train.images.max() == 255


ALL = RawSplit("all", PIXELS, LABELS)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "must return RawImages. Got NoneType"),
        ((PIXELS, LABELS), "Got tuple"),
        (ALL, "Got RawSplit"),
        (RawImages([(PIXELS, LABELS)]), "must be a list of RawSplit. Got tuple"),  # type: ignore[list-item]
        (RawImages([ALL], class_names="ab"), "must be a list of words. Got 'ab'"),
        (RawImages([ALL], class_names=(0, 1)), r"Got \(0, 1\)"),  # type: ignore[arg-type]
        (RawImages([ALL], name=3), "name of reader own must be a word"),  # type: ignore[arg-type]
        (RawImages([ALL], kind="foo"), "kind of reader own must be one of"),  # type: ignore[arg-type]
        (RawImages([RawSplit(None, PIXELS, LABELS)]), "must be named train"),  # type: ignore[arg-type]
        (RawImages([RawSplit("all", PIXELS, LABELS, names=("a",) * 3)]), "Got 3 for 48 images"),
        (RawImages([RawSplit("all", np.ma.masked_greater(PIXELS, 200), LABELS)]), "masked values"),
        (RawImages([RawSplit("all", [[1], [1, 2]], LABELS)]), "rows of different shapes"),  # type: ignore[arg-type]
    ],
)
def test_what_a_reader_returns_by_mistake_is_one_line(given: Any, says: str) -> None:
    register_reader("own", lambda source: given)
    with pytest.raises(DataError, match=says):
        look("own:x")


def test_lists_and_tensors_of_a_reader_are_read_as_their_arrays() -> None:
    torch = pytest.importorskip("torch")
    owners = [f"p{owner}" for owner in OWNERS]
    register_reader("own", lambda source: RawImages([RawSplit("all", list(PIXELS), LABELS.tolist(), owners)]))  # type: ignore[arg-type]
    expected = look("own:x")
    register_reader(
        "own", lambda source: RawImages([RawSplit("all", torch.from_numpy(PIXELS), torch.from_numpy(LABELS), owners)])
    )  # type: ignore[arg-type]
    found = look("own:x")
    assert (found.train.images == expected.train.images).all() and (found.test.labels == expected.test.labels).all()


def test_settings_without_a_meaning_and_given_twice_are_refused() -> None:
    from upcycle._settings import resolve

    for width in (0, -5):
        with pytest.raises(ConfigError, match=r"data.window"):
            Config.from_preset("quick", **{"data.window": [40, width]})
    with pytest.raises(ConfigError, match=r"--set data.side must be given once"):
        resolve("quick", config_file=None, overrides=["data.side=8", "data.side=16"])
