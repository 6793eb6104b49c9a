"""IDX files, as MNIST, Fashion-MNIST and EMNIST are distributed."""

import gzip
import math
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from upcycle.data.readers._raw import RawImages, RawSplit, Source, shown
from upcycle.data.readers._split_names import SPLITS, UNCLEAR, splits_of
from upcycle.data.readers._walk import Walk

_NAME = re.compile(r"(.*?)[-_.]?(images|labels)[-_.]idx([13])[-_.]ubyte(\.gz)?", re.IGNORECASE)


def holds_idx(path: Path) -> bool:
    """Whether the folder holds IDX images; some unpackers write `images.idx3` for `images-idx3`."""
    return path.is_dir() and any(_NAME.fullmatch(file.name) and "idx3" in file.name.lower() for file in path.iterdir())


def read_idx(source: Source) -> RawImages:
    """Files called for their split (`train-`, and `t10k-` or `test-`), gzipped or not. Other files are noted."""
    root, findings = source.folder(), source.findings
    walk = Walk(root)
    found = {name: match for name in walk.loose("") if (match := _NAME.fullmatch(name))}
    told = splits_of({_prefix(match) for match in found.values()})
    if unclear := sorted(prefix for prefix, split in told.items() if split == UNCLEAR):
        then = "Keep one set in the folder, its files called train- and test-."
        findings.problem("splits of the IDX folder", "called train, val or test", shown(unclear), then)
    files: dict[tuple[str, str], str] = {}
    for name, match in found.items():
        if (split := told[_prefix(match)]) in SPLITS:
            files.setdefault((str(split), match[2].lower()), name)
    splits = [raw for split in SPLITS if (raw := _split(split, root, files, source))]
    if not splits and not findings.problems:
        got = shown(sorted(found)) or "no such files"
        then = "Rename or add them."
        findings.problem("files of the IDX folder", "called train-images-idx3-ubyte and train-labels-idx1-ubyte", got, then)
    others = sorted(set(walk.files("")) - set(files.values()))
    if others:
        findings.note(f"{len(others)} files of the IDX folder were not read: {shown(others)}")
    walk.report(findings)
    return RawImages(splits)


def _prefix(match: re.Match[str]) -> str:
    return re.sub(r"t10k$", "test", match[1], flags=re.IGNORECASE)


def _split(split: str, root: Path, files: dict[tuple[str, str], str], source: Source) -> RawSplit | None:
    names = [files.get((split, part)) for part in ("images", "labels")]
    if not any(names):
        return None
    arrays = [None if name is None else _idx(root / name, axes, source) for name, axes in zip(names, (3, 1), strict=True)]
    for name, part in zip(names, ("images", "labels"), strict=True):
        if name is None:
            source.findings.problem("the IDX folder", "complete", f"no {split} {part}", "Add the file.")
    images, labels = arrays
    return None if images is None or labels is None else RawSplit(split, images, labels)


def _opener(path: Path) -> Callable[..., Any]:
    """By how the file begins: some are unpacked and keep their suffix, or lost it and are packed."""
    with path.open("rb") as file:
        return gzip.open if file.read(2) == b"\x1f\x8b" else open


def _idx(path: Path, axes: int, source: Source) -> np.ndarray | None:
    try:
        with _opener(path)(path, "rb") as file:
            if file.read(4) != bytes([0, 0, 8, axes]):  # 8 means unsigned bytes
                raise ValueError
            sides = np.frombuffer(file.read(4 * axes), ">u4").tolist()
            count = math.prod(sides)
            source.hold(count, path.stat().st_size)
            if not isinstance(file, gzip.GzipFile) and path.stat().st_size == count + file.tell():
                return np.memmap(path, np.uint8, "r", file.tell(), tuple(sides)) if count else np.zeros(sides, np.uint8)
            content = file.read(count + 1)  # one byte more than claimed shows a file that is too long
            return np.frombuffer(content, np.uint8).reshape(sides)
    except (OSError, EOFError, ValueError, zlib.error, OverflowError):
        source.findings.problem(path.name, "a readable IDX file of bytes", "a damaged or foreign one", "Copy it again.")
        return None
