"""Readers of files of arrays: each turns a path into raw splits, or says why not."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from upcycle._bounded import opened
from upcycle._npz import DAMAGED, NotPlainArrays, at_work, check_header
from upcycle.data.readers._npz_keys import Role, npz_roles
from upcycle.data.readers._raw import COPIES, Findings, RawImages, RawSplit, Source, shown
from upcycle.data.readers._split_names import SPLITS
from upcycle.data.readers._stack import bytes_in_shape
from upcycle.errors import DataError, printable


def read_npz(source: Source) -> RawImages:
    """Keys `{train,val,test}_images` and `_labels` as in MedMNIST, or `images` and `labels`; group ids optional.

    Keys are known in any spelling that names a split and a part (`x_train`, `Validation_Labels`); others are noted.
    """
    path, findings = source.path, source.findings
    try:
        with opened(path) as handle:  # opened here, as NumPy leaves its own handle open when the archive is damaged
            if not zipfile.is_zipfile(handle):
                raise ValueError("not a zip archive")
            with zipfile.ZipFile(handle) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
                if len(names) > source.limits.entries:
                    raise ValueError(f"{len(names):,} entries, more than {source.limits.entries:,}")
                if twice := sorted(name for name, times in Counter(names).items() if times > 1):
                    raise ValueError(f"{shown(twice)} is in it twice")
                roles = npz_roles(names, findings)
                _refuse_bomb(archive, source, {key: part for (_, part), key in roles.items()})
            handle.seek(0)
            with np.load(handle, allow_pickle=False) as file:
                keys = list(file.files)
                arrays = {role: file[key] for role, key in roles.items()}
    except DAMAGED as error:
        raise DataError(_damaged(path, error)) from None
    images = [array for (_, part), array in arrays.items() if part == "images"]
    source.check_unpacked(bytes_in_shape(images, source.settings), path.stat().st_size, copies=COPIES)
    found = [raw for split in SPLITS if (raw := _npz_split(arrays, split, roles, findings))]
    if not found and not findings.problems:
        got = shown(keys) or "an empty file"
        findings.problem(path.name, "an .npz with train_images or images", got, "See docs/data.md.")
    return RawImages(_with_owners(found, arrays, roles, findings))


def npz_images(source: Source) -> np.ndarray:
    """The one array of images in an .npz, labelled or not. Raises DataError where there is none or several."""
    path = source.path
    try:
        with opened(path) as handle, zipfile.ZipFile(handle) as archive:
            keys = [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
            found = [key for (_, part), key in npz_roles(keys, Findings()).items() if part == "images"]
            _refuse_bomb(archive, source, dict.fromkeys(found, "images"))
            if len(found) == 1:
                handle.seek(0)
                with np.load(handle, allow_pickle=False) as file:
                    return np.asarray(file[found[0]])
    except DAMAGED as error:
        raise DataError(_damaged(path, error)) from None
    got = shown(keys) or "an empty file"
    raise DataError(f"{path} must hold one array of images, called images. Got {got}. Rename or remove the others.")


def _damaged(path: Path, error: BaseException) -> str:
    if isinstance(error, NotPlainArrays):
        return f"{path} must be plain arrays. Got {error}. Save numbers only."
    reason = " ".join(str(error).split())[:80].rstrip(".") or type(error).__name__
    return f"{path} must be a readable .npz. Got a damaged or foreign file ({reason}). Copy it again."


def _refuse_bomb(archive: zipfile.ZipFile, source: Source, parts: dict[str, str]) -> None:
    """Raise DataError before anything is unpacked that is far larger than its file, ValueError for what is no plain array.
    `parts` is key -> images, labels or owners of the arrays that will be read."""
    members = {m: part for m in archive.infolist() if (part := parts.get(m.filename.removesuffix(".npy")))}
    packed = source.path.stat().st_size
    source.check_unpacked(sum(m.file_size for m in members), packed, copies=COPIES)
    sizes = [(check_header(archive, member), part) for member, part in members.items()]
    source.check_unpacked(sum(at_work(size) for size, part in sizes if part != "images"), packed)


def _npz_split(arrays: dict[Role, np.ndarray], split: str, roles: dict[Role, str], findings: Findings) -> RawSplit | None:
    images, labels = arrays.get((split, "images")), arrays.get((split, "labels"))
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        there = roles[split, "labels" if images is None else "images"]
        start = {"all": "", "validation": "val_"}.get(split, f"{split}_")
        missing = f"{start}{'images' if images is None else 'labels'}"
        findings.problem(
            "the .npz", f"complete: {start}images and {start}labels", f"{printable(there)} and no {missing}", "Add it."
        )
        return None
    return RawSplit(split, images, labels, arrays.get((split, "owners")))


def _with_owners(
    found: list[RawSplit], arrays: dict[Role, np.ndarray], roles: dict[Role, str], findings: Findings
) -> list[RawSplit]:
    """Ids under a key without a split belong to the one split there is; where there are several, that is a problem."""
    stray = [
        (split, key) for (split, part), key in roles.items() if part == "owners" and split not in {raw.name for raw in found}
    ]
    if not stray or not found:
        return found
    if len(found) == 1 and len(stray) == 1 and found[0].groups is None and stray[0][0] == "all":
        return [replace(found[0], groups=arrays["all", "owners"])]
    wanted = shown(f"{'val' if raw.name == 'validation' else raw.name}_patient_ids" for raw in found)
    got = shown(printable(key) for _, key in stray)
    findings.problem("patient ids", f"given for each split ({wanted})", got, "Rename or cut them.")
    return found


def read_digits(source: Source) -> RawImages:
    """scikit-learn's 1,797 handwritten digits, 8x8, from its own installation."""
    from sklearn.datasets import load_digits

    if source.text not in ("", "digits"):
        raise DataError(f"digits must be written alone. Got {source.text!r} after it. Leave that out.")
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return RawImages([RawSplit("all", images, digits.target.astype(np.int64))], tuple(map(str, range(10))), "digits")
