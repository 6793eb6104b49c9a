"""Files that are small and would take gigabytes are refused by what their headers say, before anything is unpacked."""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.readers.test_small_files import peak
from upcycle.config import DataConfig
from upcycle.data import read
from upcycle.data.readers import Findings, Source, Unreadable, as_grey, fitted
from upcycle.data.readers import _parquet_bounds as parquet_bounds
from upcycle.data.readers import _picture as picture
from upcycle.data.readers import _prepare as prepare
from upcycle.data.readers._classes import by_name
from upcycle.data.readers._raw import RawSplit
from upcycle.data.readers._stack import Pile, bytes_in_shape
from upcycle.errors import DataError

MOST = 25_000_000  # bytes; what is refused takes next to nothing


def source(megabytes: float = 1, **settings: Any) -> Source:
    return Source("data", DataConfig(unpacked_mb=megabytes, **settings))


def saved(kind: str, mode: str, side: int, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, kind, **options)
    return file


def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a picture is decoded."""
    from PIL import ImageFile

    def load(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.parametrize(
    ("kind", "mode", "fits", "options"),
    [
        *(("PNG", "L", 700, {}), ("PNG", "RGB", 450, {}), ("PNG", "RGBA", 450, {}), ("PNG", "I;16", 600, {})),
        *(("JPEG", "RGB", 420, {}), ("JPEG", "CMYK", 380, {})),
        *(("TIFF", "RGB", 400, {"compression": "tiff_deflate"}), ("TIFF", "CMYK", 380, {"compression": "tiff_deflate"})),
        ("TIFF", "I", 350, {"compression": "tiff_deflate"}),
        *(("WEBP", "RGB", 300, {}), ("AVIF", "RGB", 320, {})),
    ],
)
def test_every_format_is_counted_by_what_its_decoder_takes(
    kind: str, mode: str, fits: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = source(1)  # 2 MB while one picture is decoded
    assert picture.open_picture(saved(kind, mode, fits, **options), limit).shape[:2] == (fits, fits)
    undecoded(monkeypatch)
    with pytest.raises(Unreadable, match="x"):
        picture.open_picture(saved(kind, mode, 2 * fits, **options), limit)


def test_large_pictures_of_clinics_are_read_whatever_the_file_takes() -> None:
    for claimed, mode, tile in ((4000, "I;16", ("zip", (0, 0, 4000, 4000), 0, "I;16B")), (4900, "RGB", None)):
        image = Image.new(mode, (1, 1))
        image._size, image.format = (claimed, claimed), "PNG" if tile else "JPEG"  # type: ignore[attr-defined]
        assert not picture._is_too_large(image, io.BytesIO(), Source("data"))


def test_a_picture_of_one_row_or_column_is_refused(tmp_path: Path) -> None:
    for width, height in ((40_000, 1), (1, 40_000)):
        file = io.BytesIO()
        Image.new("L", (width, height)).save(file, "PNG")
        with pytest.raises(Unreadable, match=f"{width} x {height} pixels"):
            picture.open_picture(file, Source("data"))
    with pytest.raises(DataError, match="at most 32,768 pixels long"):
        fitted(np.zeros((1, 40_000), np.uint8), 8)


def test_a_tile_larger_than_its_image_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved("TIFF", "RGB", 64, compression="tiff_deflate")
    with Image.open(file) as image:
        image.tag_v2[322], image.tag_v2[323] = 20_000, 20_000  # type: ignore[attr-defined]
        assert picture._is_too_large(image, file, Source("data"))


def test_what_is_kept_counts_while_the_next_picture_is_decoded() -> None:
    limit = source(1)
    picture.open_picture(saved("PNG", "RGB", 500), limit)
    limit.hold(590_000, 0)
    with pytest.raises(Unreadable, match="500 x 500"):
        picture.open_picture(saved("PNG", "RGB", 500), limit)


def test_all_splits_share_one_limit() -> None:
    limit = source(1)
    for _ in range(2):
        Pile(limit).add(np.zeros((512, 512), np.uint8), "a", 10)
    with pytest.raises(DataError, match="looks like a bomb"):
        Pile(limit).add(np.zeros((512, 512), np.uint8), "a", 10)


def test_grey_images_that_would_become_colours_are_counted_as_such() -> None:
    limit = source(1)
    pile = Pile(limit)
    pile.add(np.zeros((500, 500), np.uint8), "a", 10)
    pile.add(np.arange(3 * 64, dtype=np.uint8).reshape(8, 8, 3), "b", 10)
    with pytest.raises(DataError, match="looks like a bomb"):
        pile.array(Findings())
    grey, colour = np.zeros((2, 8, 8), np.uint8), np.zeros((1, 8, 8, 3), np.uint8)
    assert bytes_in_shape([grey, colour], DataConfig()) == 3 * 3 * 64
    assert bytes_in_shape([grey], DataConfig(side=16)) == 2 * 256


def test_an_archive_whose_images_would_grow_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((100_000, 2, 2), np.uint8), labels=np.arange(100_000) % 2)
    for settings in ({"side": 64}, {"channels": "rgb", "unpacked_mb": 2}):
        with pytest.raises(DataError, match="looks like a bomb"):
            read(tmp_path / "a.npz", config=DataConfig.model_validate(settings), seed=0)


def test_strips_give_the_same_values_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for shape in ((30, 20), (20, 30, 3), (5, 40, 3)):
        image = rng.integers(0, 60_000, shape).astype(np.uint16)
        whole = fitted(image, 7), as_grey(image) if image.ndim == 3 else image
        monkeypatch.setattr(prepare, "_STRIP", 50)
        assert np.array_equal(fitted(image, 7), whole[0])
        assert image.ndim == 2 or np.array_equal(as_grey(image), whole[1])
        monkeypatch.undo()
    for mode in ("L", "P", "RGB", "RGBA", "CMYK"):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)).convert(mode).save(file, "TIFF")
        expected = picture.open_picture(file, Source("data"))
        monkeypatch.setattr(picture, "_STRIP", 14)
        assert np.array_equal(picture.open_picture(file, Source("data")), expected)
        monkeypatch.undo()


@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_are_turned_as_pillow_turns_them(turn: int) -> None:
    from PIL import ImageOps

    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    with Image.open(file) as found:
        expected = np.asarray(ImageOps.exif_transpose(found))
    assert np.array_equal(picture.open_picture(file, Source("data")), expected)


# --- Hugging Face


def cell() -> bytes:
    return saved("PNG", "L", 8).getvalue()


def parquet(path: Path, **options: Any) -> Callable[..., None]:
    def write(cells: list[bytes], **more: Any) -> None:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        rows = {"image": [{"bytes": c, "path": None} for c in cells], "label": [k % 2 for k in range(len(cells))]}
        pq.write_table(pa.table(rows | more), path, compression="zstd", **options)

    return write


def refused(path: Path, pattern: str, **settings: Any) -> None:
    pytest.importorskip("datasets")

    def attempt() -> None:
        with pytest.raises(DataError, match=pattern):
            read(path, config=DataConfig.model_validate(settings), seed=0)

    assert peak(attempt) < MOST


def test_a_page_that_unpacks_to_much_is_refused_whatever_the_summary_says(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet(path)([bytes(40_000_000)])
    refused(path, "looks like a bomb", unpacked_mb=10)


def test_rows_that_take_no_bytes_are_refused(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"label": pa.array(np.zeros(1_100_000, np.int8))}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "Got 1,100,000 rows in 0.0 MB")


def test_a_deep_schema_and_a_long_summary_are_refused(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kind: Any = pa.int8()
    for _ in range(40):
        kind = pa.struct([("a", kind)])
    parquet(tmp_path / "a.parquet")([cell()] * 4, z=pa.nulls(4, kind))
    refused(tmp_path / "a.parquet", "columns nested more than 20 deep")
    table = pa.table({"label": [1]}).replace_schema_metadata({b"huggingface": b"[" * 1_500_000})
    pq.write_table(table, tmp_path / "b.parquet")
    refused(tmp_path / "b.parquet", "Got a summary of")


def test_lists_are_not_read_and_said_so(tmp_path: Path) -> None:
    pa, _ = pytest.importorskip("pyarrow"), pytest.importorskip("datasets")
    rng = np.random.default_rng(0)
    files = [io.BytesIO() for _ in range(40)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
    lists = pa.array([[0] * 500_000] * 40, pa.list_(pa.int8()))
    words = pa.array([f"p{k // 2}" for k in range(40)]).dictionary_encode()
    parquet(tmp_path / "a.parquet")([file.getvalue() for file in files], z=lists, patient=words)
    found = read(tmp_path / "a.parquet", config=DataConfig(min_images_per_class=2), seed=0)
    assert any(note.endswith("were not read: z") for note in found.notes)
    assert found.train.groups is not None


def saved_set(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    rows = {"image": [{"bytes": cell(), "path": None}] * 20, "label": [k % 2 for k in range(20)]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(folder))
    return next(folder.glob("*.arrow"))


def test_saved_sets_that_are_packed_or_hold_words_are_refused(tmp_path: Path) -> None:
    arrow, pa = saved_set(tmp_path / "a"), pytest.importorskip("pyarrow")
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 20, pa.int32()), pa.array(["x" * 2_000_000]))
    for table, options in (
        (pa.table({"image": [{"bytes": bytes(2_000_000), "path": None}] * 20, "label": [0] * 20}), {"compression": "zstd"}),
        (pa.table({"image": [{"bytes": b"", "path": None}] * 20, "label": [0] * 20, "z": text}), {}),
    ):
        with (
            pa.OSFile(str(arrow), "wb") as out,
            pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer,
        ):
            writer.write_table(table)
        refused(tmp_path / "a", "rows that are packed")


def test_saved_sets_with_rows_of_nothing_or_long_facts_are_refused(tmp_path: Path) -> None:
    arrow, pa = saved_set(tmp_path / "a"), pytest.importorskip("pyarrow")
    table = pa.table({"image": pa.nulls(10**9), "label": pa.nulls(10**9)})
    with pa.OSFile(str(arrow), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    refused(tmp_path / "a", "1,000,000,000 rows")
    for name in ("state.json", "dataset_info.json"):
        saved_set(tmp_path / name)
        path = tmp_path / name / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"more": [{}] * 800_000}))
        refused(tmp_path / name, "more than 2 MB of JSON")


def test_many_classes_are_compared_at_once() -> None:
    names = tuple(f"c{k}" for k in range(60_000))
    split = RawSplit("all", np.zeros((2, 8, 8), np.uint8), np.array([0, 1]), class_names=names)
    assert by_name([split], None, Findings())[1] == names


# --- scans


def test_packed_frames_larger_than_the_file_says_are_not_decoded(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    from benchmarks.reliability._hostile_scans import _encapsulated

    for kind, syntax, options in (
        ("JPEG", "1.2.840.10008.1.2.4.50", {}),
        ("JPEG2000", "1.2.840.10008.1.2.4.90", {"no_jp2": True}),
    ):
        for name in "ab":
            path = tmp_path / kind / name / "1.dcm"
            path.parent.mkdir(parents=True)
            path.write_bytes(_encapsulated(saved(kind, "L", 3000, **options).getvalue(), syntax))
        refused(tmp_path / kind, r"9,000,000 packed pixels of 64")


def test_many_notes_behind_a_nifti_header_are_not_parsed(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    from benchmarks.reliability._hostile_scans import _nifti

    note = struct.pack("<ii", 16, 6) + bytes(8)
    for name in "ab":
        path = tmp_path / name / "1.nii"
        path.parent.mkdir()
        path.write_bytes(_nifti((8, 8, 3), begins=352 + 16 * 20_000, more=b"\1\0\0\0") + note * 20_000 + bytes(192))
    refused(tmp_path, "notes of .* bytes behind the header")


def test_the_harness_makes_what_it_says(tmp_path: Path) -> None:
    from benchmarks.reliability._hostile import KINDS
    from benchmarks.reliability._hostile_pictures import _packed

    assert len(KINDS) >= 100
    for count in (0, 3, 2**20, 2**20 + 7):
        assert zlib.decompress(_packed(count)) == bytes(count)
    KINDS["png one row"].make(tmp_path)
    assert len(list((tmp_path / "data").rglob("*.png"))) > 4


def test_chunks_of_a_parquet_file_that_share_their_pages_are_refused_before_each_is_followed() -> None:
    page = b"\x25\x02\x15\x00\x00"  # of 1 byte unpacked and none packed: fields 2 and 3 of a PageHeader
    content, widest, read = b"PAR1" + page * 100, parquet_bounds._Widest(), set[int]()
    chunk = {7: len(page) * 100, 9: 4}
    parquet_bounds._pages(content, chunk, widest, read)  # type: ignore[arg-type]  # bytes stand for a mapped file
    assert widest.page == 1
    assert len(read) == 100
    with pytest.raises(ValueError, match="share a page"):
        parquet_bounds._pages(content, chunk, widest, read)  # type: ignore[arg-type]


_FLIPPED = """
import sys
from pathlib import Path
from upcycle.config import DataConfig
from upcycle.data import read
from upcycle.errors import DataError

path = Path(sys.argv[1])
whole = path.read_bytes()
for place in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole) - 8):
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    try:
        read(f"hf:{path}", config=DataConfig(), seed=0)
    except DataError:
        pass
print("none ended the process")
"""


def test_a_damaged_summary_of_a_parquet_file_does_not_end_the_process(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    images = [{"bytes": saved("PNG", "L", 4).getvalue(), "path": None}] * 40
    parquet.write_table(pa.table({"image": images, "label": [k % 2 for k in range(40)]}), tmp_path / "a.parquet")
    done = subprocess.run([sys.executable, "-c", _FLIPPED, str(tmp_path / "a.parquet")], capture_output=True, text=True)
    assert done.stdout.strip() == "none ended the process", done.stderr[-500:]
