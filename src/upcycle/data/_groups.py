"""Whose image is whose: the CSV of patients, and numbers for ids that are the same in every split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from upcycle.data.readers import Findings, RawSplit, read_table


def read_groups(path: Path, findings: Findings) -> dict[str, str]:
    """Image -> patient. First column: file name relative to the folder, or row number; second: patient. One header line."""
    rows = read_table(path, "groups", "image,patient")
    pairs = [(_key(row[0]), row[1]) for row in rows]
    owners = dict(pairs)
    empty = [image for image, patient in pairs if not patient]
    if empty:
        findings.problem("the groups file", "filled in", f"no patient for {empty[0]} ({len(empty)} such rows)", "Add them.")
    twice = sorted({image for image, patient in pairs if owners[image] != patient})
    if twice:
        got = f"{twice[0]} with two patients ({len(twice)} such images)"
        findings.problem("the groups file", "clear on every image", got, "Keep one row each.")
    return owners


def _key(text: str) -> str:
    """Names as the readers write them: slashes forward, row numbers without leading zeros."""
    text = text.strip().replace("\\", "/").removeprefix("./")
    return str(int(text)) if text.isascii() and text.isdigit() else text


def owners_of(ids: list[str], groups: dict[str, str], findings: Findings) -> np.ndarray:
    """The patient of every image; images without a row are a problem."""
    missing = [name for name in ids if name not in groups]
    if missing:
        got = f"no row for {missing[0]} ({len(missing)} missing)"
        findings.problem("the groups file", "complete, below one header line", got, "Add them.")
    return np.array([groups.get(name) or name for name in ids], dtype=np.str_)


def owned(raws: Sequence[RawSplit], groups: dict[str, str], findings: Findings) -> list[RawSplit]:
    """The splits with the patients of the groups file: by the names of the images, or by row number where they have none."""
    if any(raw.groups is not None for raw in raws):
        findings.note("the groups file replaced the group ids of the data")
    counts = [len(raw.images) if raw.images.ndim else 0 for raw in raws]
    starts = [sum(counts[:k]) for k in range(len(counts) + 1)]  # rows are counted over train, validation, test
    ids = [list(raw.names or map(str, range(a, a + n))) for raw, a, n in zip(raws, starts, counts, strict=False)]
    owners = owners_of([name for part in ids for name in part], groups, findings)
    if len(groups) > starts[-1] and not any(raw.names for raw in raws):
        findings.note(f"the groups file has {len(groups)} rows for {starts[-1]} images")
    ends = np.cumsum([len(part) for part in ids])
    return [replace(raw, groups=owners[end - len(part) : end]) for raw, part, end in zip(raws, ids, ends, strict=True)]


def group_numbers(name: str, groups: np.ndarray, n_images: int, findings: Findings) -> np.ndarray | None:
    """int64 (n,): a number for each id (text, bytes or numbers) that is the same in every split; None with the reason."""
    what = f"{name} group ids"
    ids = np.asarray(groups)
    if ids.size != n_images or ids.ndim > 2:
        findings.problem(what, f"one per image ({n_images})", f"shape {ids.shape}", "Check how the file was written.")
        return None
    values, inverse = np.unique(ids.ravel(), return_inverse=True)
    texts = [_bytes(value) for value in values.tolist()]
    empty = sum(int((inverse == k).sum()) for k, text in enumerate(texts) if text in (b"", b"nan"))
    if empty:
        findings.problem(what, "filled in", f"{empty} empty ones", "Give each unknown patient an id of their own.")
        return None
    hashed = [int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1 for text in texts]
    return np.array(hashed, np.int64)[inverse]


def _bytes(value: object) -> bytes:
    """The same bytes for an id whether it was kept as bytes, text, a whole number or a float."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).encode("utf-8", "surrogatepass")
