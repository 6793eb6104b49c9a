"""The synthetic set: the same images in every format, the shares asked for, no private image, bounded memory."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.release.conftest import CLASSES, contents, drawn, light, made_of, soft
from upcycle.config import DataConfig
from upcycle.data import read
from upcycle.errors import ReleaseError
from upcycle.release import FORMATS, image_hash, write_release, write_synthetic
from upcycle.release._sinks import Batch, Layout, class_folder, open_sink
from upcycle.release._synthetic import batches, class_sequence

pq = pytest.importorskip("pyarrow.parquet", reason="extra parquet is not installed")
COUNT = 600  # more than one batch


def quiet(_: int) -> None: ...


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "colour"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("set")
    write_synthetic(made_of(channels=request.param), COUNT, FORMATS, folder, quiet)
    return folder, request.param


def expected(channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = np.arange(COUNT) % CLASSES
    images = drawn(labels, np.arange(COUNT), channels=channels)
    return images, labels, soft(images)


def opened(payload: bytes | Path) -> np.ndarray:
    image = np.asarray(Image.open(io.BytesIO(payload) if isinstance(payload, bytes) else payload))
    return image.reshape(*image.shape[:2], -1)


def test_npz_has_medmnist_keys_and_opens_without_pickle(written: tuple[Path, int]) -> None:
    images, labels, soft_labels = expected(written[1])
    with np.load(written[0] / "synthetic.npz", allow_pickle=False) as saved:
        assert sorted(saved.files) == ["train_images", "train_labels", "train_soft_labels"]
        assert np.array_equal(saved["train_images"].reshape(images.shape), images)
        assert saved["train_images"].ndim == (3 if written[1] == 1 else 4)
        assert np.array_equal(saved["train_labels"], labels[:, None])
        assert np.array_equal(saved["train_soft_labels"], soft_labels.astype(np.float16))
    assert not list(written[0].glob("*.partial"))


def test_class_folders_hold_the_same_images_and_soft_labels(written: tuple[Path, int]) -> None:
    images, labels, soft_labels = expected(written[1])
    with (written[0] / "folders" / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["class"]) for row in rows] == labels.tolist()
    for k in (0, 1, 511, 512, COUNT - 1):
        assert np.array_equal(opened(written[0] / "folders" / rows[k]["file_name"]), images[k])
        values = [float(rows[k][f"soft_{label}"]) for label in range(CLASSES)]
        assert values == pytest.approx(soft_labels[k], abs=1e-3)
    assert {row["file_name"].split("/")[0] for row in rows} == {"000_left", "001_right", "002_none_of_them"}


def test_webdataset_shards_hold_the_same_images(written: tuple[Path, int]) -> None:
    images, labels, soft_labels = expected(written[1])
    (shard,) = (written[0] / "webdataset").iterdir()
    with tarfile.open(shard) as archive:
        members = {entry.name: entry for entry in archive}
        assert len(members) == 3 * COUNT
        assert {(entry.mtime, entry.uid, entry.uname) for entry in members.values()} == {(0, 0, "")}
        for k in (0, 555, COUNT - 1):
            read_entry = [archive.extractfile(members[f"{k:08d}.{end}"]).read() for end in ("png", "cls", "json")]  # type: ignore[union-attr]
            assert np.array_equal(opened(read_entry[0]), images[k]) and int(read_entry[1]) == labels[k]
            assert json.loads(read_entry[2])["soft_labels"] == pytest.approx(soft_labels[k], abs=1e-3)


def test_parquet_shards_hold_the_same_images_and_hub_features(written: tuple[Path, int]) -> None:
    images, labels, soft_labels = expected(written[1])
    table = pq.read_table(written[0] / "parquet" / "train-00000-of-00001.parquet")
    assert table["label"].to_pylist() == labels.tolist()
    assert np.asarray(table["soft_labels"].to_pylist()) == pytest.approx(soft_labels, abs=1e-3)
    for k in (0, 513, COUNT - 1):
        assert np.array_equal(opened(table["image"][k].as_py()["bytes"]), images[k])
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"]["names"] == ["left", "right", "none of them"]


def test_our_own_reader_takes_the_released_set_back(written: tuple[Path, int]) -> None:
    for name in ("synthetic.npz", "folders"):
        dataset = read(str(written[0] / name), config=DataConfig(), seed=0)
        assert sum(len(split) for split in dataset.splits().values()) == COUNT and dataset.classes == CLASSES


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_shards_cut_where_they_are_full(form: str, tmp_path: Path) -> None:
    with open_sink(form, tmp_path, Layout(250, (8, 8, 1), ("a", "b", "c"), shard_images=100)) as write:  # type: ignore[arg-type]
        for start in range(0, 250, 70):
            labels = np.zeros(min(70, 250 - start), np.int64)
            images = drawn(labels, np.arange(start, start + len(labels)))
            write(Batch(start, images, labels, soft(images).astype(np.float16)))
    shards = sorted((tmp_path / form).iterdir())
    if form == "parquet":
        assert [pq.read_metadata(path).num_rows for path in shards] == [100, 100, 50]
        assert [path.name for path in shards] == [f"train-{k:05d}-of-00003.parquet" for k in range(3)]
    else:
        counts = []
        for path in shards:
            with tarfile.open(path) as archive:
                counts.append(len(archive.getnames()))
        assert counts == [300, 300, 150]


def test_same_release_again_is_the_same_bytes(tmp_path: Path) -> None:
    options = light(images=40, formats=FORMATS)
    for name in ("one", "two"):
        write_release(tmp_path / name, made_of(), options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any), st.integers(1, 3_000))
def test_any_size_holds_the_shares_to_a_few_images(weights: list[int], count: int) -> None:
    shares = np.asarray(weights) / sum(weights)
    found = np.bincount(class_sequence(0, count, shares), minlength=len(shares))
    assert found.sum() == count and np.abs(found - shares * count).max() < 6 and not found[shares == 0].any()


def test_balanced_classes_differ_by_one_image_at_most_and_batches_join_up() -> None:
    shares = np.asarray([0.25, 0.0, 0.25, 0.25, 0.25])
    whole = class_sequence(0, 1_000, shares)
    assert np.bincount(whole).tolist() == [250, 0, 250, 250, 250]
    assert np.array_equal(np.concatenate([class_sequence(0, 300, shares), class_sequence(300, 700, shares)]), whole)


def test_draw_that_is_a_private_image_is_drawn_again() -> None:
    labels = np.arange(600) % CLASSES
    known = drawn(labels, np.arange(600))
    private = frozenset(image_hash(known[k]) for k in (0, 5, 599))
    left_out: list[int] = []
    parts = list(batches(made_of(private_hashes=private), 600, left_out.append))
    images, asked = np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts])
    assert sum(left_out) == 3 and np.array_equal(asked, labels)
    assert np.flatnonzero((images != known).any((1, 2, 3))).tolist() == [0, 5, 599]
    assert not {image_hash(image) for image in images} & private


def test_generator_that_only_copies_is_refused(tmp_path: Path) -> None:
    copy = np.full((8, 8, 1), 7, np.uint8)
    copier = made_of(draw=lambda labels, numbers: np.stack([copy] * len(labels)), private_hashes=frozenset([image_hash(copy)]))
    with pytest.raises(ReleaseError, match="repeats its training images"):
        write_release(tmp_path / "release", copier, light(images=20))
    assert not (tmp_path / "release").exists()


def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    block = drawn(np.zeros(512, np.int64), np.arange(512), size=32)

    def draw(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        images = block[: len(labels)].copy()
        images[:, 0, 0, 0], images[:, 0, 1, 0] = numbers % 256, numbers // 256  # no two alike
        return images

    material = made_of(size=32, draw=draw)

    def peak(count: int) -> int:
        tracemalloc.start()
        write_synthetic(material, count, ("npz", "parquet"), tmp_path / str(count), quiet)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(512)
    small, large = peak(3_072), peak(8_192)  # the raw images take 3 MB and 8 MB; the first 2 MB are kept for distances
    assert large < small + 1_000_000


@given(st.text(max_size=60), st.integers(0, 999))
def test_class_names_make_harmless_folder_names(name: str, label: int) -> None:
    folder = class_folder(label, name)
    assert folder.startswith(f"{label:03d}") and set(folder) <= set(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
    )


def test_a_collapsed_generator_is_named_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    one = np.zeros((8, 8, 1), np.uint8)
    collapsed = made_of(draw=lambda labels, numbers: np.stack([one + (number % 3) for number in numbers.astype(np.uint8)]))
    with pytest.raises(ReleaseError, match="Got 3 different ones among 60: the generator has collapsed"):
        write_release(tmp_path / "release", collapsed, light(images=60))
    assert not (tmp_path / "release").exists()


def test_a_class_that_the_teacher_never_sees_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blind = made_of(soft_labels=lambda images: np.tile([0.6, 0.3, 0.1], (len(images), 1)))
    write_release(tmp_path / "release", blind, light(images=90))
    assert "none of the 30 synthetic images of class right" in caplog.text and "class left" not in caplog.text
