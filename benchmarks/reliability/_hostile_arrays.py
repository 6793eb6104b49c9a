"""Archives of arrays, and IDX files, that are small and large."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.reliability._hostile_kind import Kind, Kinds, checked, whole
from benchmarks.reliability._hostile_scans import gzipped

_Shape = tuple[tuple[int, ...], str] | tuple[tuple[int, ...], str, bytes]


def npz(path: Path, arrays: dict[str, _Shape]) -> None:
    """An .npz of arrays, each its shape, its type and the bytes that fill it (zeros by default)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, (shape, kind, *fill) in arrays.items():
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
            left = int(np.prod(shape)) * np.dtype(kind).itemsize
            pattern = fill[0] if fill else b"\0"
            block = pattern * (2**20 // len(pattern))
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(head.getvalue())
                while left > 0:
                    file.write(block[:left])
                    left -= len(block)


def _data(count: int, kind: str, side: int = 16, channels: int = 0, **more: _Shape) -> Callable[[Path], None]:
    """Images and labels, and what else there is: a size near which the limits lie."""

    def make(place: Path) -> None:
        shape = (count, side, side, channels) if channels else (count, side, side)
        fill = np.linspace(0, 1, 251).astype(kind).tobytes() if kind[1] in "fc" else bytes(range(251))
        npz(place / "data.npz", {"images": (shape, kind, fill), "labels": ((count,), "|u1", b"\0\1"), **more})

    return make


def _empty_entries(place: Path) -> None:
    with zipfile.ZipFile(place / "data.npz", "w") as archive:
        for k in range(90_000):
            archive.writestr(f"{k}", b"")


def _many_patients(place: Path) -> None:
    count = 600_000
    np.savez_compressed(
        place / "data.npz",
        images=np.zeros((count, 8, 8), np.uint8),
        labels=np.arange(count) % 2,
        patient_id=np.arange(count) // 2,
    )


def _named(**arrays: _Shape) -> Callable[[Path], None]:
    return lambda place: npz(place / "data.npz", {name.replace("__", "/"): each for name, each in arrays.items()})


def _scores(place: Path) -> None:
    from upcycle.audit import read_scores

    read_scores(next(place.glob("data.*")))


def _idx(place: Path) -> None:
    folder = place / "data"
    folder.mkdir()
    count = 1_700_000
    for name in ("train", "t10k"):
        head = bytes([0, 0, 8, 3]) + struct.pack(">3I", count, 8, 8)
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzipped(head, 64 * count))
        labels = gzipped(bytes([0, 0, 8, 1]) + struct.pack(">I", count), *[b"\0\1" * (count // 200)] * 100)
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(labels)


def _idx_members(place: Path) -> None:
    (place / "data").mkdir()
    one = gzip.compress(b"", mtime=0)
    (place / "data" / "train-images-idx3-ubyte.gz").write_bytes(one * 400_000)
    (place / "data" / "train-labels-idx1-ubyte.gz").write_bytes(one)


def _synthetic(place: Path) -> None:
    from benchmarks._fuzz_targets import _run_synthetic

    _run_synthetic((place / "data.npz").read_bytes(), place)


def _predicted(place: Path) -> None:
    from upcycle.data import Preprocess, prepare_images

    prepare_images(place / "data.npz", Preprocess(channels=1, side=16, padding="black", filter="triangle"))


_FLAG = b"\0\1"
_DATA: dict[str, Callable[[Path], None]] = {
    "npz bytes": _data(450_000, "|u1"),
    "npz bytes over the limit": _data(750_000, "|u1"),
    "npz 16-bit": _data(225_000, "<u2"),
    "npz RGB": _data(150_000, "|u1", channels=3),
    "npz float64": _data(56_000, "<f8"),
    "npz float16": _data(225_000, "<f2"),
    "npz bool": _data(450_000, "|b1"),
    "npz complex": _data(28_000, "<c16"),
    "npz one pixel": _data(40_000_000, "|u1", 1),
    "npz no pixel": _data(50_000_000, "|u1", 0),
    "npz large images": _data(2, "|u1", 7_000),
    "npz many labels": _named(images=((100, 8, 8), "|u1"), labels=((100_000_000,), "|u1")),
    "npz text patients": _data(200_000, "|u1", 4, patient_id=((200_000,), "<U30")),
    "npz wide patients": _data(500, "|u1", patient_id=((500,), "<U45000")),
    "npz many patients": _many_patients,
    "npz many entries": _empty_entries,
    "npz grey and RGB": _named(
        train_images=((37_000, 16, 16, 3), "|u1", bytes(range(251))),
        train_labels=((37_000,), "|u1", _FLAG),
        test_images=((225_000, 16, 16), "|u1"),
        test_labels=((225_000,), "|u1", _FLAG),
    ),
}
_SCORES: dict[str, Callable[[Path], None]] = {
    "scores float64": _named(member=((5_000_000,), "|b1", _FLAG), scores=((5_000_000,), "<f8")),
    "scores float16": _named(member=((6_000_000,), "|b1", _FLAG), scores=((6_000_000,), "<f2")),
    "scores over the limit": _named(member=((60_000_000,), "|b1", _FLAG), scores=((60_000_000,), "<f2")),
    "scores of flags": _named(member=((190_000_000,), "|b1", _FLAG), scores=((2,), "<f8")),
    "scores logits": _named(member=((1_000_000,), "|b1", _FLAG), labels=((1_000_000,), "|u1"), logits=((1_000_000, 10), "<f2")),
    "scores of many attacks": _named(member=((20_000,), "|b1", _FLAG), **{f"t{k}__a": ((20_000,), "<f2") for k in range(500)}),
    "scores with ids": _named(member=((500_000,), "|b1", _FLAG), scores=((500_000,), "<f8"), ids=((500_000,), "<U40")),
    "scores with images": _named(member=((40,), "|b1", _FLAG), scores=((40,), "<f8"), images=((40, 300_000), "|u1")),
}
_SET: dict[str, _Shape] = {
    "train_images": ((1_400_000, 8, 8, 1), "|u1"),
    "train_labels": ((1_400_000,), "|u1"),
    "train_soft_labels": ((1_400_000, 2), "<f4"),
}
ARRAYS: Kinds = {
    **{name: Kind(make, whole("data.npz")) for name, make in _DATA.items()},
    "npz large images, with a side": Kind(_DATA["npz large images"], whole("data.npz", side=64)),
    "npz one row, with a side": Kind(
        _named(images=((2, 1, 50_000_000), "|u1"), labels=((2,), "|u1", _FLAG)), whole("data.npz", side=64)
    ),
    "npz one pixel, with a side": Kind(_DATA["npz one pixel"], whole("data.npz", side=64)),
    "npz bytes, made RGB": Kind(_DATA["npz bytes"], whole("data.npz", channels="rgb")),
    "npz RGB, made grey": Kind(_DATA["npz RGB"], whole("data.npz", channels="grey")),
    **{name: Kind(make, _scores) for name, make in _SCORES.items()},
    "synthetic set": Kind(_named(**_SET), _synthetic),
    "npz to predict": Kind(_data(450_000, "|u1"), _predicted),
    "idx": Kind(_idx, whole()),
    "idx of empty members": Kind(_idx_members, checked()),
}
