"""From arrays as found to uint8 images and whole-number labels; what does not fit is a problem, what was changed is a note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from upcycle.data.readers import DEPTHS, Findings, RawSplit, in_8_bits

_ROUNDING = 1e-5  # what float32 arithmetic may leave beyond 0 and 1
_MAX_LABEL = 65_535  # above it a label is an id or a mistake, and a list of so many class names would fill the memory


def pixel_depth(raws: Sequence[RawSplit], findings: Findings) -> int:
    """Bits per pixel of the whole data set: one scale for all splits, or a split would look darker than another."""
    wide = [raw.images for raw in raws if _is_wide(raw.images)]
    high = max((int(images.max()) for images in wide), default=0)
    bits = next((bits for bits in DEPTHS if high < 2**bits), 16)
    if bits > 8 and any(raw.images.dtype == np.uint8 for raw in raws):
        got = f"8-bit pixels in one split and values up to {high} in another"
        findings.problem("all splits", "of one pixel depth", got, "Convert them alike.")
    elif wide and high < 2**16:
        kind = "/".join(sorted({str(images.dtype) for images in wide}))
        findings.note(f"{kind} images with values up to {high} were taken as {bits}-bit and rescaled to 8 bits")
    return bits


def _is_wide(images: np.ndarray) -> bool:
    return bool(np.issubdtype(images.dtype, np.integer) and images.dtype != np.uint8 and images.size)


def normalise(raw: RawSplit, bits: int, findings: Findings) -> tuple[np.ndarray, np.ndarray] | None:
    """Images uint8 (n, side, side, channels) and labels int64 (n,), or None with the reasons in `findings`."""
    before = len(findings.problems)
    shaped = _channels_last(raw, findings)
    images = None if shaped is None else _pixels(raw.name, shaped, bits, findings)
    labels = _labels(raw, findings)
    if len(findings.problems) > before or images is None or labels is None:
        return None
    return images, labels


def _channels_last(raw: RawSplit, findings: Findings) -> np.ndarray | None:
    images, what = raw.images, f"{raw.name} images"
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        findings.problem(
            what, "of shape (n, side, side) or (n, side, side, channels)", f"shape {raw.images.shape}", "Reshape them."
        )
        return None
    if images.shape[3] not in (1, 3):
        findings.problem(what, "grey or RGB (1 or 3 channels, last)", f"{images.shape[3]} channels", "Convert them.")
    if images.shape[1] != images.shape[2]:
        findings.problem(what, "square", f"{images.shape[1]} x {images.shape[2]} pixels", "Crop or pad them, or set data.side.")
    elif images.shape[1] < 8:
        findings.problem(what, "at least 8 x 8 pixels", f"{images.shape[1]} x {images.shape[2]}", "Use larger images.")
    return images


def _pixels(name: str, images: np.ndarray, bits: int, findings: Findings) -> np.ndarray | None:
    """uint8 pixels; deeper ones and [0, 1] ones are rescaled and that is noted."""
    if images.dtype == np.uint8:
        return images
    if images.dtype == bool:
        findings.note("black-and-white images were rescaled to 0 and 255")
        return images.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(images.dtype, np.integer):
        return _integers(name, images, bits, findings)
    if np.issubdtype(images.dtype, np.floating):
        return _floats(name, images, findings)
    findings.problem(f"{name} images", "numbers", f"type {images.dtype}", "Save them as uint8.")
    return None


def _integers(name: str, images: np.ndarray, bits: int, findings: Findings) -> np.ndarray | None:
    low, high = (int(images.min()), int(images.max())) if images.size else (0, 0)
    if low < 0 or high > 65535:
        findings.problem(f"{name} images", "between 0 and 65535", f"values from {low} to {high}", "Rescale them.")
        return None
    return in_8_bits(images, bits)


def _floats(name: str, images: np.ndarray, findings: Findings) -> np.ndarray | None:
    if not np.isfinite(images).all():
        bad = np.flatnonzero((~np.isfinite(images)).reshape(len(images), -1).any(1))
        got = f"{len(bad)} images with some (row {', '.join(map(str, bad[:5]))}{', ...' if len(bad) > 5 else ''})"
        findings.problem(f"{name} images", "free of NaN and infinity", got, "Repair or remove them.")
        return None
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        got = f"float from {low:.9g} to {high:.9g}"
        findings.problem(f"{name} images", "uint8, 16-bit, or float in [0, 1]", got, "Rescale them.")
        return None
    findings.note("float images in [0, 1] were rescaled to 8 bits")
    return np.round(images.clip(0, 1) * 255).astype(np.uint8)


def _labels(raw: RawSplit, findings: Findings) -> np.ndarray | None:
    what, labels = f"{raw.name} labels", raw.labels
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1:
        findings.problem(
            what, "one class per image", f"shape {raw.labels.shape}", "Several labels per image are not supported."
        )
        return None
    if raw.images.ndim and len(labels) != len(raw.images):
        findings.problem(what, f"as many as images ({len(raw.images)})", len(labels), "Check how the file was written.")
        return None
    if not np.issubdtype(labels.dtype, np.integer):
        shown = ", ".join(map(str, _first(labels)))
        findings.problem(what, "whole numbers from 0", f"type {labels.dtype} ({shown}, ...)", "Number the classes 0, 1, 2 ...")
        return None
    if len(labels) and int(labels.min()) < 0:
        findings.problem(what, "whole numbers from 0", int(labels.min()), "Number the classes 0, 1, 2 ...")
        return None
    if len(labels) and int(labels.max()) > _MAX_LABEL:
        findings.problem(what, "0 to the number of classes minus one", int(labels.max()), "Number the classes 0, 1, 2 ...")
        return None
    return labels.astype(np.int64)


def _first(values: np.ndarray) -> list[Any]:
    return list(values[:3].tolist())
