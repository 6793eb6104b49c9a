"""What a run's data were, against what a second command gives it: a line that says what differs."""

from pathlib import Path

import numpy as np

from upcycle.data import Dataset
from upcycle.errors import DamagedFileError, RunFolderError
from upcycle.runs.folder import RunFolder, read_record


def check_same_data(folder: RunFolder, dataset: Dataset, key: str) -> None:
    """Raise RunFolderError, with what differs, where the run was started with other data than `dataset`, whose key is `key`."""
    try:
        record = read_record(folder.stage("data"))
    except DamagedFileError:
        return  # the stage is done again
    if record is not None and record.key != key:
        raise RunFolderError(
            f"data must be those that {folder.root} was started with. Got {_difference(folder.store, dataset)}. "
            "Give the same data and --groups as then, or choose another --out."
        )


def _difference(store: Path, dataset: Dataset) -> str:
    old = {path.stem: path for path in store.glob("*.npy")}
    now = {
        f"{name}_{part}": array
        for name, split in dataset.splits().items()
        for part, array in (("images", split.images), ("labels", split.labels), ("groups", split.groups))
        if array is not None
    }
    if "train_groups" in old and "train_groups" not in now:
        return "no patients, where the run has some"
    if "train_groups" in now and "train_groups" not in old:
        return "patients, where the run has none"
    differ = {name.rpartition("_")[2] for name, array in now.items() if name not in old or not _equal(old[name], array)}
    words = {"images": "other images", "labels": "other labels", "groups": "other patients"}
    same = "the same data under other settings, or read by another version of upcycle"
    return " and ".join(words[part] for part in words if part in differ) or same


def _equal(path: Path, array: np.ndarray) -> bool:
    try:
        return bool(np.array_equal(np.load(path, mmap_mode="r", allow_pickle=False), array))
    except (OSError, ValueError):  # damaged
        return False
