"""Data sets of the `datasets` library: saved, as parquet, with splits, patients, and rows that point elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import blobs
from tests.data.readers.test_folder import claimed_png
from tests.data.test_read import IMAGES, LABELS, load, refused
from upcycle.data import Dataset

datasets = pytest.importorskip("datasets", reason="needs upcycle[hf]")
NAMES = ["ash", "beech", "cedar"]


@pytest.fixture(autouse=True)
def _no_bars() -> None:
    datasets.disable_progress_bars()


def png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def table(images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, **columns: Any) -> Any:
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    features |= {key: datasets.Value("string") for key in columns}
    rows = {"image": [{"bytes": png(i), "path": None} for i in images], "label": labels.tolist(), **columns}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def write_cells(path: Path, cells: list[dict[str, Any]], **columns: Any) -> None:
    """A parquet file as another library would write it, without the marks of `datasets`."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"picture": cells, "label": LABELS, **columns}), path)


def images_of(dataset: Dataset) -> set[bytes]:
    return {image.tobytes() for split in dataset.splits().values() for image in split.images}


EXPECTED = {image.tobytes() for image in IMAGES}


def test_saved_data_set_is_read_with_its_class_names(tmp_path: Path) -> None:
    table().save_to_disk(tmp_path / "trees")
    before = sorted(tmp_path.rglob("*"))
    for source in (tmp_path / "trees", f"hf:{tmp_path / 'trees'}"):
        dataset = load(source)
        assert images_of(dataset) == EXPECTED
        assert dataset.class_names == tuple(NAMES) and dataset.name == "trees"
    assert sorted(tmp_path.rglob("*")) == before


def test_splits_of_a_saved_data_set_are_kept(tmp_path: Path) -> None:
    parts = {"train": table(), "validation": table(*blobs(30, seed=1)), "test": table(*blobs(60, seed=2)), "extra": table()}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "trees")
    dataset = load(tmp_path / "trees")
    assert [len(split) for split in dataset.splits().values()] == [240, 30, 60]
    assert any("not read: extra" in note for note in dataset.notes)


def test_parquet_file_and_folder_are_read_and_no_copy_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    table().to_parquet(tmp_path / "all.parquet")
    assert images_of(load(tmp_path / "all.parquet")) == EXPECTED
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    table(IMAGES[:120], LABELS[:120]).to_parquet(folder / "train-00000-of-00002.parquet")
    table(IMAGES[120:], LABELS[120:]).to_parquet(folder / "train-00001-of-00002.parquet")
    table(*blobs(60, seed=2)).to_parquet(folder / "test-00000-of-00001.parquet")
    dataset = load(tmp_path / "set")
    assert len(dataset.test) == 60 and len(dataset.train) + len(dataset.validation) == 240
    assert dataset.class_names == tuple(NAMES)
    assert not (tmp_path / "cache").exists()


def test_parquet_of_another_writer_with_plain_numbers_is_read(tmp_path: Path) -> None:
    cells = [{"bytes": png(image), "path": "x.png"} for image in IMAGES]
    write_cells(tmp_path / "plain.parquet", cells)
    dataset = load(tmp_path / "plain.parquet")
    assert images_of(dataset) == EXPECTED and dataset.class_names == ("0", "1", "2")


def test_patients_of_a_column_stay_together(tmp_path: Path) -> None:
    table(patient_id=[f"p{k // 6}" for k in range(240)]).save_to_disk(tmp_path / "trees")
    sides = [set(s.groups.tolist()) for s in load(tmp_path / "trees").splits().values() if s.groups is not None]
    assert len(sides) == 3 and sum(map(len, sides)) == 40


def test_row_that_points_to_a_file_or_an_address_is_refused_and_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(IMAGES[0]))
    cells = [{"bytes": png(image), "path": None} for image in IMAGES]
    cells[3], cells[5] = {"bytes": None, "path": str(secret)}, {"bytes": None, "path": "http://127.0.0.1:9/x.png"}
    write_cells(tmp_path / "set.parquet", cells)
    refused(tmp_path / "set.parquet", "inside the data set. Got all row 3, all row 5")


def test_damaged_and_bomb_images_in_rows_are_named(tmp_path: Path) -> None:
    cells = [{"bytes": png(image), "path": None} for image in IMAGES]
    cells[0]["bytes"], cells[9]["bytes"] = b"not an image", claimed_png(20_000)
    write_cells(tmp_path / "set.parquet", cells)
    refused(tmp_path / "set.parquet", "Got all row 0, all row 9")


def test_columns_that_are_not_clear_are_refused(tmp_path: Path) -> None:
    table().remove_columns("label").save_to_disk(tmp_path / "bare")
    refused(tmp_path / "bare", "class columns none")
    cells = [{"bytes": png(image), "path": None} for image in IMAGES]
    write_cells(tmp_path / "two.parquet", cells, other=cells)
    refused(tmp_path / "two.parquet", "one column of images")


def test_parts_without_a_row_are_said_and_a_set_without_any_is_one_line(tmp_path: Path) -> None:
    table().select([]).to_parquet(tmp_path / "none.parquet")
    refused(tmp_path / "none.parquet", "without a single row")
    folder = tmp_path / "parts"
    folder.mkdir()
    table().to_parquet(folder / "train-00000-of-00002.parquet")
    table().select([]).to_parquet(folder / "train-00001-of-00002.parquet")
    dataset = load(folder)
    assert images_of(dataset) == EXPECTED and any("without a single row" in note for note in dataset.notes)


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "set.parquet").write_bytes(b"PAR1 and then nothing")
    refused(tmp_path / "set.parquet", "readable data set")
    table().save_to_disk(tmp_path / "trees")
    for file in (tmp_path / "trees").glob("*.arrow"):
        file.write_bytes(file.read_bytes()[:500])
    refused(tmp_path / "trees", "readable data set")
    (tmp_path / "trees" / "state.json").write_text("{")
    refused(tmp_path / "trees", "readable data set")


def test_folder_with_a_loading_script_is_refused_and_the_script_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "scripted"
    folder.mkdir()
    (folder / "scripted.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    refused(f"hf:{folder}", "saved data set or parquet")
    assert not (tmp_path / "ran").exists()


def test_name_on_the_hub_without_a_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert len(refused("hf:no-such-owner/no-such-set", "no-such-owner/no-such-set must be a readable data set").problems) == 1


@pytest.mark.parametrize(
    "path", ["/scans/smith_john", "./scans", "../scans", "scans/smith/left", "~/scans", "a b", "C:\\scans", ""]
)
def test_mistyped_path_is_not_asked_for_on_the_hub(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(datasets, "load_dataset", asked.append)
    refused(f"hf:{path}", "existing path, or NAME or OWNER/NAME")
    assert not asked


def encoded(words: list[str], first: int) -> Any:
    """A split whose classes were numbered on their own, in order of name."""
    rng = np.random.default_rng(first)
    cells = [{"bytes": png(rng.integers(0, 255, (8, 8), dtype=np.uint8)), "path": None} for _ in words]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    return datasets.Dataset.from_dict({"image": cells, "label": words}, features=features).class_encode_column("label")


def counts(dataset: Dataset, split: str) -> dict[str, int]:
    labels = dataset.splits()[split].labels
    return {name: int((labels == k).sum()) for k, name in enumerate(dataset.class_names)}


@pytest.mark.parametrize("kind", ["saved", "parquet"])
def test_classes_of_splits_numbered_on_their_own_are_matched_by_name(tmp_path: Path, kind: str) -> None:
    parts = {"train": encoded(["adenoma", "benign", "carcinoma"] * 12, 0), "test": encoded(["benign", "carcinoma"] * 12, 900)}
    if kind == "saved":
        datasets.DatasetDict(parts).save_to_disk(tmp_path / "d")
    else:
        for name, part in parts.items():
            (tmp_path / "d").mkdir(exist_ok=True)
            part.to_parquet(tmp_path / "d" / f"{name}-00000-of-00001.parquet")
    dataset = load(tmp_path / "d")
    assert counts(dataset, "test") == {"adenoma": 0, "benign": 12, "carcinoma": 12}
    assert any("matched by the names" in note for note in dataset.notes)


def test_shards_numbered_on_their_own_are_matched_by_name(tmp_path: Path) -> None:
    encoded(["adenoma", "benign", "carcinoma"] * 12, 0).to_parquet(tmp_path / "train-00000-of-00002.parquet")
    encoded(["benign", "carcinoma"] * 12, 900).to_parquet(tmp_path / "train-00001-of-00002.parquet")
    dataset = load(tmp_path)
    totals = {name: sum(counts(dataset, split)[name] for split in dataset.splits()) for name in dataset.class_names}
    assert totals == {"adenoma": 12, "benign": 24, "carcinoma": 24}


def test_class_that_only_the_test_has_is_one_line(tmp_path: Path) -> None:
    parts = {"train": encoded(["benign", "carcinoma"] * 12, 0), "test": encoded(["adenoma", "benign", "carcinoma"] * 12, 900)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "d")
    refused(tmp_path / "d", "train split must hold every class. Got no image of class adenoma")


@pytest.mark.parametrize(
    "names", [("train_0", "test_0"), ("mnist-train", "mnist-test"), ("Train", "Test"), ("a_train", "b_test")]
)
def test_parquet_files_are_known_as_splits_in_any_spelling(tmp_path: Path, names: tuple[str, str]) -> None:
    for name, images in zip(names, (IMAGES[:180], IMAGES[180:]), strict=True):
        table(images, LABELS[: len(images)]).to_parquet(tmp_path / f"{name}.parquet")
    dataset = load(tmp_path)
    assert {image.tobytes() for image in dataset.test.images} == {image.tobytes() for image in IMAGES[180:]}


def test_parquet_files_that_may_be_splits_are_refused_or_said(tmp_path: Path) -> None:
    for folder, names, pattern in (
        ("e", ("train", "eval"), "Got eval"),
        ("t", ("trainx", "test"), "a data set with a train split"),
        ("x", ("test/train-0", "train/train-1"), "Got test/train-0"),
        ("o", ("one", "two"), "a data set with a train split. Got one, two"),
    ):
        for k, name in enumerate(names):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            table(IMAGES[k * 120 : k * 120 + 120], LABELS[:120]).to_parquet(tmp_path / folder / f"{name}.parquet")
        refused(tmp_path / folder, pattern)
    for k, name in enumerate(("part-0", "part-1")):
        (tmp_path / "p").mkdir(exist_ok=True)
        table(IMAGES[k * 120 : k * 120 + 120], LABELS[:120]).to_parquet(tmp_path / "p" / f"{name}.parquet")
    assert any("read as one set without splits: part-0, part-1" in note for note in load(tmp_path / "p").notes)


@pytest.mark.parametrize("column", ["patient_ids", "subject_id", "PatientID", "Case"])
def test_patients_are_known_in_any_spelling(tmp_path: Path, column: str) -> None:
    table(**{column: [f"p{k // 6}" for k in range(240)]}).save_to_disk(tmp_path / "trees")
    assert sum(len(np.unique(split.groups)) for split in load(tmp_path / "trees").splits().values()) == 40


def test_empty_patient_is_one_line(tmp_path: Path) -> None:
    table(patient_id=[None if k < 5 else f"p{k // 6}" for k in range(240)]).save_to_disk(tmp_path / "trees")
    refused(tmp_path / "trees", "5 empty ones")


def test_columns_that_sound_like_patients_are_said(tmp_path: Path) -> None:
    table(patient_age=["40"] * 240).save_to_disk(tmp_path / "trees")
    assert any("patient_age" in note for note in load(tmp_path / "trees").notes)
