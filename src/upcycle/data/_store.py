"""The private store of a run: memory-mapped splits, and a test split that is read for one purpose only."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np

from upcycle.data._imageset import Dataset, ImageSet
from upcycle.data._preprocess import Preprocess
from upcycle.data._seal import refuse_sealed
from upcycle.errors import RunFolderError, SealedError

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class StoreMeta:
    """Facts about the stored data set; `counts` is split -> images per class, `preprocess` how its images were made."""

    name: str
    size: int
    channels: int
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    counts: dict[str, list[int]]
    preprocess: Preprocess


def write_store(folder: Path, dataset: Dataset, members: np.ndarray, non_members: np.ndarray) -> None:
    """Write `dataset` and the coin flips into `folder`; the manifest comes last, so a store without one is unfinished."""
    refuse_sealed(folder)
    if any(split.digests is not None for split in dataset.splits().values()):
        raise ValueError("a data set that was read for a check holds no images to store")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)  # from here until the end the store is unfinished
    for old in folder.glob("*.npy"):
        old.unlink()
    for name, split in dataset.splits().items():
        np.save(folder / f"{name}_images.npy", np.ascontiguousarray(split.images))
        np.save(folder / f"{name}_labels.npy", split.labels.astype(np.int64))
        if split.groups is not None:
            np.save(folder / f"{name}_groups.npy", split.groups.astype(np.int64))
    np.save(folder / "members.npy", members)
    np.save(folder / "non_members.npy", non_members)
    counts = {k: np.bincount(s.labels, minlength=dataset.classes).tolist() for k, s in dataset.splits().items()}
    names, how = dataset.class_names, dataset.preprocess
    meta = StoreMeta(dataset.name, dataset.size, dataset.channels, names, dataset.notes, counts, how)
    _write_json(folder / "meta.json", {**asdict(meta), "preprocess": how.to_json()})
    hashes = {path.name: _sha256(path) for path in sorted(folder.glob("*.npy"))}
    _write_json(folder / "manifest.json", {"files": hashes})


@final
class Store:
    """A finished store. Raises RunFolderError if `folder` holds none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not (folder / "manifest.json").exists():
            raise RunFolderError(f"store must be complete. Got an unfinished one in {folder}. Run the same command again.")
        facts = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        for key in ("class_names", "notes"):
            facts[key] = tuple(facts[key])
        facts["preprocess"] = Preprocess.from_json(facts.get("preprocess"))
        self.meta = StoreMeta(**facts)
        manifest = (folder / "manifest.json").read_bytes()
        self.fingerprint = hashlib.blake2b(manifest, digest_size=12).hexdigest()

    def members(self) -> ImageSet:
        """The records given to teacher, generator and baseline; a copy in memory."""
        return self._split("train").take(self._load("members"))

    def non_members(self) -> ImageSet:
        """The records kept away from every model, for the audit; a copy in memory."""
        return self._split("train").take(self._load("non_members"))

    def train_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Which rows of the training split, as it was read, `members` and `non_members` are, int64 (n,) each."""
        return self._load("members"), self._load("non_members")

    def member_rows(self) -> np.ndarray:
        """Which rows of the training split, as it was read, `members` are, int64 (n,)."""
        return self._load("members")

    def class_names(self) -> tuple[str, ...]:
        return self.meta.class_names

    def validation(self) -> ImageSet:
        """The split that every choice is made on."""
        return self._split("validation")

    def test(self, purpose: str) -> ImageSet:
        """The test split, which one purpose per run may read. Raises SealedError for a second one."""
        refuse_sealed(self._folder)
        mark = self._folder / "test_read.json"
        if mark.exists():
            first = json.loads(mark.read_text(encoding="utf-8"))["purpose"]
            if first != purpose:
                raise SealedError(f"test split must be read once, for {first!r}. Got a second reading for {purpose!r}.")
        else:
            _write_json(mark, {"purpose": purpose})
        return self._split("test")

    def _split(self, name: str) -> ImageSet:
        if name not in _SPLITS:
            raise ValueError(name)
        groups = self._folder / f"{name}_groups.npy"
        return ImageSet(
            self._load(f"{name}_images", mapped=True),
            self._load(f"{name}_labels"),
            self._load(f"{name}_groups") if groups.exists() else None,
        )

    def _load(self, name: str, *, mapped: bool = False) -> np.ndarray:
        path = self._folder / f"{name}.npy"
        refuse_sealed(path)
        try:
            found: np.ndarray = np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)
        except (ValueError, EOFError, FileNotFoundError):
            raise RunFolderError(f"store must be whole. Got a missing or damaged {path}. Start in a new run folder.") from None
        return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, value: object) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)
