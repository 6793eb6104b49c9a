"""The private store of a run: memory-mapped splits, and a test split that is read for one purpose only."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np

from upcycle._arguments import typed
from upcycle._files import check_hash, forced_hash, read_json, read_record, write_array, write_json, write_record
from upcycle.data._imageset import Dataset, ImageSet
from upcycle.data._preprocess import Preprocess
from upcycle.errors import DamagedFileError, RunFolderError, SealedError

_sealed: list[str] = []  # one per process: an audit hook, once added, stays for good
_installed: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _sealed and isinstance(arguments[0], str | bytes | os.PathLike):
        refuse_sealed(os.fsdecode(arguments[0]))


def refuse_sealed(path: str | Path) -> None:
    """Raise SealedError if `path` lies in a sealed folder."""
    real = os.path.realpath(path)
    for folder in _sealed:
        if real == folder or real.startswith(folder + os.sep):
            raise SealedError(f"private images must stay closed while a student learns. Got an attempt to open {real}.")


@contextlib.contextmanager
def sealed(folder: Path) -> Iterator[None]:
    """While active, opening anything in `folder` raises SealedError: open, os.open, numpy, memory maps, in every thread.

    Python reports what it opens itself. Not seen: files opened before, other processes, and native code with its own `fopen`.
    """
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    real = os.path.realpath(folder)
    _sealed.append(real)
    try:
        yield
    finally:
        _sealed.remove(real)


MANIFEST: Final = "manifest.json"
META: Final = "meta.json"
READ: Final = "test_read.json"  # who read the test split
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class StoreMeta:
    """Facts about the stored data set.

    Attributes:
        name: of the source.
        size: side of the images in pixels.
        channels: 1 or 3.
        class_names: in the order of the labels.
        notes: what the reader did to the input.
        counts: split -> images per class.
        preprocess: how the images were made.
    """

    name: str
    size: int
    channels: int
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    counts: dict[str, list[int]]
    preprocess: Preprocess


@typed()
def write_store(folder: Path, dataset: Dataset, members: np.ndarray, non_members: np.ndarray) -> None:
    """Write `dataset` and the coin flips into `folder`; the manifest comes last, so a store without one is unfinished."""
    refuse_sealed(folder)
    if any(split.digests is not None for split in dataset.splits().values()):
        raise ValueError("a data set that was read for a check holds no images to store")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # from here until the end the store is unfinished
    for old in folder.glob("*.npy"):
        old.unlink()
    for name, split in dataset.splits().items():
        write_array(folder / f"{name}_images.npy", np.ascontiguousarray(split.images))
        write_array(folder / f"{name}_labels.npy", split.labels.astype(np.int64))
        if split.groups is not None:
            write_array(folder / f"{name}_groups.npy", split.groups.astype(np.int64))
    write_array(folder / "members.npy", members)
    write_array(folder / "non_members.npy", non_members)
    counts = {k: np.bincount(s.labels, minlength=dataset.classes).tolist() for k, s in dataset.splits().items()}
    names, how = dataset.class_names, dataset.preprocess
    meta = StoreMeta(dataset.name, dataset.size, dataset.channels, names, dataset.notes, counts, how)
    write_json(folder / META, {**asdict(meta), "preprocess": how.to_json()})
    hashes = {path.name: forced_hash(path) for path in sorted([*folder.glob("*.npy"), folder / META])}
    write_record(folder / MANIFEST, {"files": hashes})


@final
class Store:
    """A finished store. Raises RunFolderError if `folder` holds none, DamagedFileError where a file is not as it was written:
    every file is checked when it is opened."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._whole = folder, set[str]()
        if not (folder / MANIFEST).exists():
            raise RunFolderError(f"store must be complete. Got an unfinished one in {folder}. Run the same command again.")
        self._files: dict[str, str] = read_record(folder / MANIFEST, "files")["files"]
        self.meta = read_meta(folder)
        self.fingerprint = hashlib.blake2b((folder / MANIFEST).read_bytes(), digest_size=12).hexdigest()

    def verify(self) -> None:
        """Raise DamagedFileError unless every file is as it was written. Reads them all."""
        for name in self._files:
            self._verify(name)

    def members(self) -> ImageSet:
        """The records given to teacher, generator and baseline; a copy in memory."""
        return self.train_part(self._load("members"))

    def non_members(self) -> ImageSet:
        """The records kept away from every model, for the audit; a copy in memory."""
        return self.train_part(self._load("non_members"))

    def train_part(self, chosen: np.ndarray) -> ImageSet:
        """These rows (n,) of the training split; a copy in memory."""
        return self._split("train", "r").take(chosen)

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
        mark = self._folder / READ
        if mark.exists():
            first = str(_mark(mark))
            if first != purpose:
                raise SealedError(f"test split must be read once, for {first!r}. Got a second reading for {purpose!r}.")
        else:
            write_record(mark, {"purpose": purpose})
        return self._split("test")

    def _split(self, name: str, mode: Literal["r", "c"] = "c") -> ImageSet:
        if name not in _SPLITS:
            raise ValueError(name)
        grouped = f"{name}_groups.npy" in self._files
        return ImageSet(
            self._load(f"{name}_images", mode),
            self._load(f"{name}_labels"),
            self._load(f"{name}_groups") if grouped else None,
        )

    def _load(self, name: str, mode: Literal["r", "c"] | None = None) -> np.ndarray:
        path = self._folder / f"{name}.npy"
        refuse_sealed(path)
        self._verify(path.name)
        found: np.ndarray = np.load(path, mmap_mode=mode, allow_pickle=False)
        return found

    def _verify(self, name: str) -> None:
        if name not in self._whole:
            check_hash(self._folder / name, self._files.get(name))
            self._whole.add(name)


@typed()
def read_meta(folder: Path) -> StoreMeta:
    """Facts about the store in `folder`, without opening an image. Raises DamagedFileError where they are not as written."""
    check_hash(folder / META, read_record(folder / MANIFEST, "files")["files"].get(META))
    facts = read_json(folder / META)
    lists = {name: tuple(facts[name]) for name in ("class_names", "notes")}
    return StoreMeta(**{**facts, **lists, "preprocess": Preprocess.from_json(facts.get("preprocess"))})


def _mark(path: Path) -> object:
    """Who read the test split first."""
    try:
        return read_record(path, "purpose")["purpose"]
    except DamagedFileError as error:
        raise DamagedFileError(path, error.got, "Delete it, and run the same command again.") from error
