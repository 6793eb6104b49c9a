"""Numbers for ids of patients that are the same in every split."""

import hashlib
from collections import Counter
from collections.abc import Iterable

import numpy as np

from upcycle.data.readers import Findings, RawSplit, note_placeholders, spelled_alike


def group_numbers(name: str, groups: np.ndarray, n_images: int, findings: Findings) -> np.ndarray | None:
    """int64 (n,): a number for each id (text, bytes or numbers) that is the same in every split; None with the reason."""
    what = f"{name} group ids"
    ids = np.asarray(groups)
    if ids.size != n_images or ids.ndim > 2:
        findings.problem(what, f"one per image ({n_images})", f"shape {ids.shape}", "Check how the file was written.")
        return None
    texts, inverse = _told_apart(ids.ravel())
    counts = np.bincount(inverse, minlength=len(texts))
    empty = sum(int(count) for text, count in zip(texts, counts, strict=True) if _is_empty(text))
    if empty:
        findings.problem(what, "filled in", f"{empty} empty ones", "Give each unknown patient a separate id.")
        return None
    note_placeholders({text.decode("utf-8", "replace"): int(n) for text, n in zip(texts, counts, strict=True)}, findings)
    hashed = [int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1 for text in texts]
    return np.asarray(np.array(hashed, np.int64)[inverse])


def alike_ids(raws: Iterable[RawSplit]) -> int:
    """How many ids of all splits differ from another one in their spelling only."""
    texts = {text for raw in raws if raw.groups is not None for text in _told_apart(np.asarray(raw.groups).ravel())[0]}
    plain = Counter(spelled_alike(text.decode("utf-8", "replace")) for text in texts)
    return sum(count for count in plain.values() if count > 1)


def _told_apart(ids: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    """The different ids as bytes, and for each image which of them it has. Each id of an object array may have its own type."""
    values, inverse = (ids, np.arange(len(ids))) if ids.dtype == object else np.unique(ids, return_inverse=True)
    texts = [_bytes(value) for value in values.tolist()]
    different = sorted(set(texts))
    place = {text: k for k, text in enumerate(different)}
    return different, np.array([place[text] for text in texts], np.int64)[inverse]


def _is_empty(text: bytes) -> bool:
    return text.strip().lower() in (b"", b"nan", b"none", b"nat", b"<na>", b"null")


def _bytes(value: object) -> bytes:
    """The same bytes for an id whether it was kept as bytes, text, a whole number or a float."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).encode("utf-8", "surrogatepass")
