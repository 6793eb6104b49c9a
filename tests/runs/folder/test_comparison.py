"""Runs beside each other: only students of the same test images are set against each other, and in the right direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.run_folders import write_run
from upcycle.audit.statistics import paired_difference_interval
from upcycle.errors import RunFolderError
from upcycle.runs.folder._comparison import compare_runs


def test_difference_is_second_minus_first_with_its_paired_interval(tmp_path: Path) -> None:
    first, second = np.arange(20) >= 8, np.arange(20) >= 2
    found = compare_runs([write_run(tmp_path / "a", right=first), write_run(tmp_path / "b", right=second)])
    (pair,) = found.pairs
    low, high = paired_difference_interval(second, first, 0.95)
    assert (Path(pair.first).name, Path(pair.second).name) == ("a", "b")
    assert pair.difference_points.value == pytest.approx(30.0)
    assert (pair.difference_points.low, pair.difference_points.high) == (100 * low, 100 * high) and low > 0
    assert found.notes == ()


def test_students_of_other_test_images_are_not_paired_even_where_the_labels_agree(tmp_path: Path) -> None:
    found = compare_runs([write_run(tmp_path / "a"), write_run(tmp_path / "b", test_images="other")])
    assert found.pairs == () and "not all runs were judged on the same test images" in found.notes[0]


def test_three_runs_give_three_pairs(tmp_path: Path) -> None:
    found = compare_runs([write_run(tmp_path / name) for name in "abc"])
    assert [(Path(p.first).name, Path(p.second).name) for p in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(pair.difference_points.value == 0 for pair in found.pairs)


def test_reader_is_told_of_runs_that_are_not_finished_and_of_audits_that_saw_nothing(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", until="plan"), write_run(tmp_path / "c", teacher_auc=0.52)]
    notes = " | ".join(compare_runs(runs).notes)
    assert "b is not finished: it has got as far as plan" in notes
    assert "the audit did not see the teacher leak in c: " in notes and "same test images" not in notes


def test_every_bad_folder_is_named_at_once(tmp_path: Path) -> None:
    good = write_run(tmp_path / "good")
    with pytest.raises(RunFolderError) as raised:
        compare_runs([good, tmp_path / "x", tmp_path / "y", tmp_path / "good" / ".." / "good"])
    lines = list(raised.value.problems)
    assert len(lines) == 3 and "x," in lines[0] and "y," in lines[1] and "twice" in lines[2]
    with pytest.raises(RunFolderError, match=r"runs must be two or more\. Got 1\. Use upcycle show"):
        compare_runs([good])
