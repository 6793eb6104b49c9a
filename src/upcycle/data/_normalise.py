"""From arrays as found to uint8 images and whole-number labels; what does not fit is a problem, what was changed is a note."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upcycle.data._imageset import ImageSet


@dataclass(frozen=True)
class Findings:
    """Problems (refused) and notes (accepted, but said), collected while reading."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, what: str, allowed: str, got: object, then: str) -> None:
        self.problems.append(f"{what} must be {allowed}. Got {got}. {then}")

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True)
class RawSplit:
    """One split as found: `images` (n, h, w[, c]) and `labels` (n,) or (n, 1) of any type."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None


def normalise(raw: RawSplit, findings: Findings) -> ImageSet | None:
    """The split as an ImageSet, or None with the reasons in `findings`."""
    before = len(findings.problems)
    images = _pixels(raw.name, _channels_last(raw, findings), findings)
    labels = _labels(raw, findings)
    if len(findings.problems) > before or images is None or labels is None:
        return None
    return ImageSet(images, labels, None if raw.groups is None else group_numbers(raw.groups))


def group_numbers(groups: np.ndarray) -> np.ndarray:
    """int64 (n,): a number for each group id (text, bytes or numbers) that is the same in every split."""
    import hashlib

    values, inverse = np.unique(np.asarray(groups).ravel(), return_inverse=True)
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]
    hashed = [int.from_bytes(hashlib.blake2b(t.encode(), digest_size=8).digest(), "big") >> 1 for t in texts]
    return np.array(hashed, np.int64)[inverse]


def _channels_last(raw: RawSplit, findings: Findings) -> np.ndarray:
    images, what = raw.images, f"{raw.name} images"
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        findings.problem(
            what, "of shape (n, side, side) or (n, side, side, channels)", f"shape {raw.images.shape}", "Reshape them."
        )
        return images
    if images.shape[3] not in (1, 3):
        findings.problem(what, "grey or RGB (1 or 3 channels, last)", f"{images.shape[3]} channels", "Convert them.")
    if images.shape[1] != images.shape[2]:
        findings.problem(what, "square", f"{images.shape[1]} x {images.shape[2]} pixels", "Crop or pad them.")
    if images.shape[1] < 8 or images.shape[2] < 8:
        findings.problem(what, "at least 8 x 8 pixels", f"{images.shape[1]} x {images.shape[2]}", "Use larger images.")
    return images


def _pixels(name: str, images: np.ndarray, findings: Findings) -> np.ndarray | None:
    """uint8 pixels; 16-bit and [0, 1] pixels are rescaled and that is noted."""
    if images.dtype == np.uint8:
        return images
    if images.dtype == bool:
        findings.note("black-and-white images were rescaled to 0 and 255")
        return images.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(images.dtype, np.integer):
        return _integers(name, images, findings)
    if np.issubdtype(images.dtype, np.floating):
        return _floats(name, images, findings)
    findings.problem(f"{name} images", "numbers", f"type {images.dtype}", "Save them as uint8.")
    return None


def _integers(name: str, images: np.ndarray, findings: Findings) -> np.ndarray | None:
    low, high = (int(images.min()), int(images.max())) if images.size else (0, 0)
    if low < 0 or high > 65535:
        findings.problem(f"{name} images", "between 0 and 65535", f"values from {low} to {high}", "Rescale them.")
        return None
    if high <= 255 and images.dtype.itemsize != 2:
        return images.astype(np.uint8)
    findings.note("16-bit images were rescaled to 8 bits (divided by 257)")
    return np.round(images / 257).astype(np.uint8)


def _floats(name: str, images: np.ndarray, findings: Findings) -> np.ndarray | None:
    if not np.isfinite(images).all():
        bad = int((~np.isfinite(images)).reshape(len(images), -1).any(1).sum())
        findings.problem(f"{name} images", "free of NaN and infinity", f"{bad} images with some", "Repair or remove them.")
        return None
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if low < 0 or high > 1:
        findings.problem(
            f"{name} images", "uint8, 16-bit, or float in [0, 1]", f"float from {low:g} to {high:g}", "Rescale them."
        )
        return None
    findings.note("float images in [0, 1] were rescaled to 8 bits")
    return np.round(images * 255).astype(np.uint8)


def _labels(raw: RawSplit, findings: Findings) -> np.ndarray | None:
    what, labels = f"{raw.name} labels", raw.labels
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1:
        findings.problem(
            what, "one class per image", f"shape {raw.labels.shape}", "Several labels per image are not supported."
        )
        return None
    if len(labels) != len(raw.images):
        findings.problem(what, f"as many as images ({len(raw.images)})", len(labels), "Check how the file was written.")
        return None
    if not np.issubdtype(labels.dtype, np.integer):
        shown = ", ".join(map(str, _first(labels)))
        findings.problem(what, "whole numbers from 0", f"type {labels.dtype} ({shown}, ...)", "Number the classes 0, 1, 2 ...")
        return None
    if len(labels) and int(labels.min()) < 0:
        findings.problem(what, "whole numbers from 0", int(labels.min()), "Number the classes 0, 1, 2 ...")
        return None
    return labels.astype(np.int64)


def _first(values: np.ndarray) -> list[Any]:
    return list(values[:3].tolist())
