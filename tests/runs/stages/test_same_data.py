"""A run that is given other data says what differs: the images, the labels, the patients, or a forgotten --groups."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from upcycle.config import DataConfig
from upcycle.data import Dataset, draw_members, from_arrays, write_store
from upcycle.errors import RunFolderError
from upcycle.runs.folder import RunFolder, run_stage
from upcycle.runs.stages._same_data import check_same_data

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8), dtype=np.uint8)
OWNERS, LABELS = np.arange(64) // 4, np.arange(64) % 2


def dataset(images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, groups: np.ndarray | None = OWNERS) -> Dataset:
    return from_arrays(images, labels, groups, config=DataConfig(), seed=0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found, first = RunFolder(tmp_path / "run"), dataset()

    def write() -> dict[str, object]:
        write_store(found.store, first, *draw_members(first.train, share=0.1, at_least=8, seed=0))
        return {}

    run_stage(found.stage("data"), "first", write)
    return found


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda: dataset(groups=None), "Got no patients, where the run has some"),
        (lambda: dataset(IMAGES + 1), "Got other images"),
        (lambda: _relabelled(dataset()), "Got other labels"),
        (lambda: _renamed(dataset()), "Got other patients"),
        (lambda: dataset(), "Got the same data under other settings, or read by another version of upcycle"),
    ],
)
def test_what_differs_is_said_with_what_to_do(folder: RunFolder, given: object, says: str) -> None:
    with pytest.raises(RunFolderError, match=f"{says}.* Give the same data and --groups as then"):
        check_same_data(folder, given(), "second")  # type: ignore[operator]


def _relabelled(data: Dataset) -> Dataset:
    return replace(data, test=replace(data.test, labels=1 - data.test.labels))


def _renamed(data: Dataset) -> Dataset:
    assert data.train.groups is not None
    return replace(data, train=replace(data.train, groups=data.train.groups + 1))


def test_the_same_data_and_a_new_folder_pass(folder: RunFolder, tmp_path: Path) -> None:
    check_same_data(folder, dataset(), "first")
    check_same_data(RunFolder(tmp_path / "new"), dataset(groups=None), "any")
