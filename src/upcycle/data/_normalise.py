"""From arrays as found to uint8 images and whole-number labels; what does not fit is a problem, what was changed is a note."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from upcycle.config import DataConfig
from upcycle.data._preprocess import Kind, Preprocess, Unfit
from upcycle.data.readers import DEPTHS, Findings, RawSplit

_MAX_LABEL = 65_535  # above it a label is an id or a mistake, and a list of that many class names would fill the memory


def found_preprocess(raws: Sequence[RawSplit], kind: Kind, settings: DataConfig, findings: Findings) -> Preprocess:
    """The block that describes all splits: their size and channels, as the first of them has them, and one scale of grey for
    all, or a split would look darker than another."""
    wide = [raw.images for raw in raws if _is_wide(raw.images)]
    high = max((int(images.max()) for images in wide), default=0)
    bits = next((bits for bits in DEPTHS if high < 2**bits), 16)
    if bits > 8 and len(wide) < len([raw for raw in raws if raw.images.size]):
        got = f"8-bit pixels in one split and values up to {high} in another"
        findings.problem("all splits", "of one pixel depth", got, "Convert them alike.")
    elif wide and high < 2**16:
        types = "/".join(sorted({str(images.dtype) for images in wide}))
        findings.note(f"{types} images with values up to {high} were taken as {bits}-bit and rescaled to 8 bits")
    if len({raw.images.dtype == bool for raw in raws if raw.images.size}) > 1:
        findings.problem("all splits", "of one type of pixel", "black-and-white ones in some", "Convert them alike.")
    shape = next((raw.images.shape for raw in raws if raw.images.ndim in (3, 4) and raw.images.size), (0, 8, 8))
    return Preprocess(
        channels=3 if len(shape) == 4 and shape[3] == 3 else 1,
        side=settings.side or shape[1],
        kind=kind,
        colour="convert" if settings.channels == "grey" else "keep",
        padding="none" if settings.side is None else "black",
        filter="none" if settings.side is None else "triangle",
        bits=bits,
        stored=16 if wide else 8,
        window=settings.window,
        plane=settings.plane,
        slices=settings.slices,
        slice_share=settings.slice_share,
    )


def _is_wide(images: np.ndarray) -> bool:
    return images.dtype.kind in "iu" and images.dtype != np.uint8 and images.size > 0


def normalise(raw: RawSplit, preprocess: Preprocess, findings: Findings) -> tuple[np.ndarray, np.ndarray] | None:
    """Images uint8 (n, side, side, channels) and labels int64 (n,), or None with the reasons in `findings`."""
    before = len(findings.problems)
    shaped = _channels_last(raw, findings)
    images = None if shaped is None else _pixels(raw.name, shaped, preprocess, findings)
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
    if images.dtype.kind not in "biuf":
        findings.problem(what, "numbers", f"type {images.dtype}", "Save them as uint8.")
        return None
    if images.shape[3] not in (1, 3):
        findings.problem(what, "grey or RGB (1 or 3 channels, last)", f"{images.shape[3]} channels", "Convert them.")
    if images.shape[1] != images.shape[2]:
        findings.problem(what, "square", f"{images.shape[1]} x {images.shape[2]} pixels", "Crop or pad them, or set data.side.")
    elif images.shape[1] < 8:
        findings.problem(what, "at least 8 x 8 pixels", f"{images.shape[1]} x {images.shape[2]}", "Use larger images.")
    return images


def _pixels(name: str, images: np.ndarray, preprocess: Preprocess, findings: Findings) -> np.ndarray | None:
    """uint8 pixels; deeper ones and [0, 1] ones are rescaled and that is noted."""
    if images.dtype == bool:
        findings.note("black-and-white images were rescaled to 0 and 255")
    elif np.issubdtype(images.dtype, np.floating):
        findings.note("float images in [0, 1] were rescaled to 8 bits")
    try:
        return preprocess.levels(images)
    except Unfit as error:
        findings.problem(f"{name} images", error.allowed, error.got, error.then)
        return None


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
    labels = np.array(labels.tolist()) if labels.dtype == object and all(map(_is_whole, labels)) else labels
    if labels.dtype.kind not in "iu":
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


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _first(values: np.ndarray) -> list[Any]:
    """A few that show what is wrong: of objects those that are no whole numbers."""
    odd = [value for value in values.tolist() if not _is_whole(value)] if values.dtype == object else values[:3].tolist()
    return odd[:3]
