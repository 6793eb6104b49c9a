"""Folders as people really have them: hidden files, odd ones out, splits that are misnamed."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
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
    refused(root, r"WebP or AVIF. Got b/scan.dcm")


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


def deep_png(values: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 16 bits a channel (PNG specification, 11.2.2), which Pillow cannot write in colour."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 of colours under alpha / 255 on white."""
    share = alpha.astype(float) / 255
    return np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (6, 4)])
def test_16_bit_colour_is_reduced_and_said_so(tmp_path: Path, colour_type: int, channels: int) -> None:
    for k, label in enumerate(LABELS[:60]):
        path = tmp_path / "abc"[label] / f"{k}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(deep_png(np.stack([IMAGES[k].astype(np.uint16) * 256 + 77] * channels, 2), colour_type))
    dataset = load(tmp_path)
    assert any("16-bit RGB images were reduced to 8 bits" in note for note in dataset.notes)
    stored = {image.tobytes() for split in dataset.splits().values() for image in split.images}
    shown = IMAGES if channels == 3 else on_white(IMAGES, IMAGES)
    assert stored == {np.stack([image] * 3, 2).tobytes() for image in shown[:60]}


def test_8_bit_colour_is_not_called_deep(tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path, np.stack([IMAGES] * 3, 3))
    assert not any("16-bit" in note for note in load(root).notes)


@pytest.mark.parametrize("side", [9_000, 11_000, 20_000])  # below, above and far above where Pillow starts to warn
def test_decompression_bomb_is_refused_without_a_warning_or_memory(root: Path, side: int) -> None:
    (root / "a" / "bomb.png").write_bytes(claimed_png(side))
    tracemalloc.start()
    refused(root, "every image must be a readable PNG, .* or AVIF. Got a/bomb.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def claimed_png(side: int) -> bytes:
    """The start of a PNG that claims to be `side` wide and high."""
    start = bytearray(deep_png(np.zeros((8, 8), np.uint16), 0))
    start[16:24] = struct.pack(">II", side, side)
    start[29:33] = struct.pack(">I", zlib.crc32(bytes(start[12:29])))
    return bytes(start)


def test_file_of_another_format_under_the_name_png_is_refused(root: Path) -> None:
    Image.fromarray(IMAGES[0]).save(root / "a" / "x.gif")
    (root / "a" / "x.gif").rename(root / "a" / "x.png")
    refused(root, "Got a/x.png")


def table(root: Path, rows: list[str], header: str = "file,class") -> None:
    (root / "labels.csv").write_text("\n".join([header, *rows]), encoding="utf-8")


def test_labels_from_a_table_for_files_that_lie_flat(tmp_path: Path) -> None:
    for k in range(240):
        Image.fromarray(IMAGES[k]).save(tmp_path / f"{k}.png")
    table(tmp_path, [f"./{k}.png,{('9', '10', '100')[label]}" for k, label in enumerate(LABELS)])
    dataset = load(tmp_path)
    assert dataset.class_names == ("9", "10", "100")
    by_image = {image.tobytes(): label for image, label in zip(IMAGES, LABELS, strict=True)}
    for split in dataset.splits().values():
        assert [by_image[image.tobytes()] for image in split.images] == split.labels.tolist()


def test_every_mistake_of_a_label_table_is_said_at_once(root: Path) -> None:
    files = sorted(f.relative_to(root).as_posix() for f in root.rglob("*.png"))
    rows = [f"{name},{name[0]}" for name in files[2:]]
    table(root, [*rows, f"{files[2]},b", f"{files[0]},", "a/gone.png,a", f"{files[1]},a,tset"], "file,class,split")
    error = refused(root, f"two rows that differ for {files[2]}")
    assert "no a/gone.png" in str(error) and f"no class for {files[0]}" in str(error) and "Got tset" in str(error)


@pytest.mark.parametrize("name", ["../outside.png", "/etc/hostname", "a/../../outside.png", "..\\outside.png"])
def test_label_table_cannot_reach_outside_its_folder(root: Path, name: str) -> None:
    Image.fromarray(IMAGES[0]).save(root.parent / "outside.png")
    files = sorted(f.relative_to(root).as_posix() for f in root.rglob("?/*.png"))
    table(root, [*(f"{f},{f[0]}" for f in files), f"{name},a"])
    refused(root, "files in labels.csv must be inside the folder")


def test_files_without_a_row_are_noted(root: Path) -> None:
    files = sorted(f.relative_to(root).as_posix() for f in root.rglob("*.png"))
    table(root, [f"{f},{f[0]}" for f in files[1:]])
    assert any(files[0] in note for note in load(root).notes)


@pytest.mark.parametrize(
    "content",
    [
        "file,class\n".encode("utf-16"),
        "datei,klasse\nä.png,übel\n".encode("latin-1"),
        b"file,class\n" + b"x" * 200_000 + b",a\n",
        b"\x00\x01\x02",
        b"",
    ],
)
def test_tables_in_odd_encodings_are_one_line(root: Path, content: bytes) -> None:
    (root / "labels.csv").write_bytes(content)
    assert len(refused(root, "must be").problems) == 1
    (root / "labels.csv").unlink()
    (root / "groups.csv").write_bytes(content)
    assert len(refused(root, "groups must be", groups_csv=root / "groups.csv").problems) == 1


def test_formulas_in_a_table_are_text(root: Path) -> None:
    files = sorted(f.relative_to(root).as_posix() for f in root.rglob("*.png"))
    (root / "g.csv").write_text("image,patient\n" + "".join(f"{f},\"=cmd|'/c calc'!A{k // 4}\"\n" for k, f in enumerate(files)))
    dataset = load(root, groups_csv=root / "g.csv")
    assert sum(len(np.unique(s.groups)) for s in dataset.splits().values()) == 60


def test_folders_beside_the_splits_are_said(tmp_path: Path) -> None:
    for name in ("train", "unlabelled", "test"):
        folder_of_classes(tmp_path / name, *blobs(120, seed=len(name)))
    assert any("not read: unlabelled" in note for note in load(tmp_path).notes)


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
