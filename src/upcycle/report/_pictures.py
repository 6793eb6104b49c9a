"""Example images as PNG data URIs, class by class."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from upcycle.report._evidence import Neighbours, Sheet

_LARGEST_SIDE = 96  # larger images are shown smaller, so that the page stays a few megabytes
_MOST_CLASSES = 40


@dataclass(frozen=True)
class Picture:
    """One image: its data URI, a line about it, the teacher's probability (percent) of the class asked for, and agreement."""

    source: str
    note: str = ""
    percent: int | None = None
    agrees: bool = True


@dataclass(frozen=True)
class Strip:
    """The pictures of one class: private ones (empty in the shareable report) and synthetic ones."""

    name: str
    real: tuple[Picture, ...]
    synthetic: tuple[Picture, ...]


@dataclass(frozen=True)
class Triple:
    """A synthetic image between the nearest private image the generator was not given and the nearest it was given."""

    held_out: str
    synthetic: str
    member: str
    to_held_out: float
    to_member: float


@dataclass(frozen=True)
class Grid:
    """A sheet of images: names of the columns, and (name, pictures) of every row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    alike: int | None


def data_uri(image: np.ndarray) -> str:
    """PNG data URI of one uint8 image (height, width) or (height, width, 1 or 3)."""
    from PIL import Image

    plane = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    picture = Image.fromarray(np.ascontiguousarray(plane))
    if max(picture.size) > _LARGEST_SIDE:
        picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def strips(
    names: Sequence[str],
    real: tuple[np.ndarray, np.ndarray] | None,
    synthetic: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
) -> list[Strip]:
    """One strip per class that has a picture, at most ten pictures of each kind (six above twelve classes)."""
    found, count = [], 10 if len(names) <= 12 else 6
    for label, name in enumerate(names[:_MOST_CLASSES]):
        strip = Strip(name, _real(real, label, count), _synthetic(synthetic, label, count, names))
        if strip.real or strip.synthetic:
            found.append(strip)
    return found


def _real(examples: tuple[np.ndarray, np.ndarray] | None, label: int, count: int) -> tuple[Picture, ...]:
    if examples is None:
        return ()
    images, labels = examples
    return tuple(Picture(data_uri(image)) for image in images[labels == label][:count])


def _synthetic(
    examples: tuple[np.ndarray, np.ndarray, np.ndarray] | None, label: int, count: int, names: Sequence[str]
) -> tuple[Picture, ...]:
    if examples is None:
        return ()
    images, labels, soft = examples
    rows = np.flatnonzero(labels == label)[:count]
    return tuple(_labelled(images[row], np.asarray(soft[row], float), label, names) for row in rows)


def _labelled(image: np.ndarray, soft: np.ndarray, label: int, names: Sequence[str]) -> Picture:
    top = int(soft.argmax())
    note = f"teacher: {names[top]} {soft[top]:.0%}" + ("" if top == label else f"; {names[label]} {soft[label]:.0%}")
    return Picture(data_uri(image), note, round(100 * float(soft[label])), top == label)


def agreement(examples: tuple[np.ndarray, np.ndarray, np.ndarray] | None) -> float | None:
    """Share of the synthetic examples on which the teacher's first choice is the class asked for."""
    if examples is None or not len(examples[1]):
        return None
    return float((np.asarray(examples[2]).argmax(1) == examples[1]).mean())


def triples(nearest: Neighbours | None, count: int = 24) -> list[Triple]:
    """The images closest to a private one first."""
    if nearest is None:
        return []
    rows = np.argsort(nearest.to_member, kind="stable")[:count]
    return [
        Triple(
            data_uri(nearest.held_out[row]),
            data_uri(nearest.synthetic[row]),
            data_uri(nearest.member[row]),
            float(nearest.to_held_out[row]),
            float(nearest.to_member[row]),
        )
        for row in rows
    ]


def grids(sheets: Mapping[str, Sheet]) -> dict[str, Grid]:
    """Name -> pictures of every sheet that holds any."""
    return {
        name: Grid(
            sheet.columns,
            tuple((row, tuple(map(data_uri, images))) for row, images in zip(sheet.rows, sheet.images, strict=True)),
            sheet.alike,
        )
        for name, sheet in sheets.items()
        if sheet.images.size
    }


def exposed_rows(records: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """The records as rows of a table; an image becomes a Picture."""
    return [{str(key): _cell(value) for key, value in record.items()} for record in records or ()]


def _cell(value: Any) -> Any:
    return Picture(data_uri(value)) if isinstance(value, np.ndarray) and value.ndim >= 2 else value
