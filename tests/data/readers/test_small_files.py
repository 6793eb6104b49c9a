"""Small files that would take gigabytes: tables, archives and names, measured at a twentieth of the limits."""

from __future__ import annotations

import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_read import IMAGES, LABELS
from tests.data.test_read import refused as never_read
from upcycle._bounded import Limits
from upcycle.audit import read_scores
from upcycle.config import DataConfig
from upcycle.data import read
from upcycle.errors import UpcycleError

MOST = 25_000_000  # bytes; a twentieth of 500 MB


def peak(work: Callable[[], object]) -> int:
    """Bytes that Python and NumPy held at most while a user's error or a result came."""
    tracemalloc.start()
    try:
        work()
    except UpcycleError as error:
        assert all("must" in line for line in error.problems)
    finally:
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found


def scores(path: Path, text: str) -> Callable[[], object]:
    path.write_text(text)
    return lambda: read_scores(path, Limits(rows=50_000))


@pytest.mark.parametrize(
    "text",
    [
        "member,scores,ids\n" + "1,2,a\n0,2,b\n" * 25_000 + f"1,2,{'x' * 100_000}\n",
        "member,scores,groups\n" + "1,2,a\n" * 1_000 + "1,2," + "\U0001f600" * 50_000 + "\n",
        "member\n" + "1\n" * 250_000,
        "member;scores\n" + "1;2\n" * 125_000,
        ",".join(f"s/{k}" for k in range(60_000)) + "\n1\n",
    ],
)
def test_a_table_of_scores_takes_no_more_than_fifty_times_its_size(text: str, tmp_path: Path) -> None:
    assert peak(scores(tmp_path / "scores.csv", text)) < MOST


@pytest.mark.parametrize(
    "text",
    [
        "row,patient," + ",".join(f"c{k}" for k in range(1_500)) + "\n" + "1\n" * 40_000,
        "row,patient," + ",".join(f"c{k}" for k in range(60_000)) + "\n1,2\n",
        "row,patient\n" + "".join(f"{k},p{k}\n" for k in range(239)) + f"239,{'x' * 400_000}\n",
    ],
)
def test_a_groups_file_takes_no_more_than_fifty_times_its_size(text: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=LABELS)
    (tmp_path / "groups.csv").write_text(text)
    begun = time.process_time()
    assert peak(lambda: read(tmp_path / "set.npz", config=DataConfig(), seed=0, groups_csv=tmp_path / "groups.csv")) < MOST
    assert time.process_time() - begun < 60


def zeros(path: Path, **arrays: tuple[tuple[int, ...], str]) -> Path:
    """An .npz of zeros, a few kB for many MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (shape, kind) in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
                file.write(bytes(int(np.prod(shape)) * np.dtype(kind).itemsize))
    return path


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": ((9_000_000, 0, 0), "|u1"), "labels": ((9_000_000,), "|u1")},
        {"images": ((4_500_000, 1, 1), "|u1"), "labels": ((4_500_000,), "|u1")},
        {"images": ((140_000, 8, 8), "|b1"), "labels": ((140_000,), "|u1")},
    ],
)
def test_an_archive_of_images_takes_what_its_settings_allow(
    arrays: dict[str, tuple[tuple[int, ...], str]], tmp_path: Path
) -> None:
    path = zeros(tmp_path / "set.npz", **arrays)
    assert peak(lambda: read(path, config=DataConfig(unpacked_mb=10), seed=0)) < MOST


def test_an_archive_of_scores_takes_what_its_limits_allow(tmp_path: Path) -> None:
    path = zeros(tmp_path / "scores.npz", member=((3_000_000,), "|b1"), scores=((3_000_000,), "<f2"))
    assert peak(lambda: read_scores(path, Limits(unpacked_mb=10))) < MOST


def test_an_archive_of_a_hundred_thousand_keys_is_refused_at_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        for k in range(20_000):
            archive.writestr(str(k), b"")
    begun = time.process_time()
    never_read(tmp_path / "set.npz", "20,000 entries, more than 10,000")
    assert time.process_time() - begun < 10
