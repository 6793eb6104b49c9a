"""A run folder read back: the numbers are those that were written, and a broken folder is said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run_folders import BASELINE, STUDENT, write_run
from upcycle._files import sha256, write_record
from upcycle.errors import RunFolderError
from upcycle.runs.folder._facts import Measured, read_run
from upcycle.runs.folder._stages import read_record


def test_numbers_are_those_the_run_wrote(tmp_path: Path) -> None:
    facts = read_run(write_run(tmp_path / "run", seed=3))
    assert facts.finished and (facts.preset, facts.seed, facts.upcycle) == ("quick", 3, "9.9")
    assert (facts.dataset, facts.size, facts.channels, facts.class_names) == ("cells", 8, 1, ("a", "b"))
    assert (facts.members, facts.non_members, facts.test_images) == (100, 20, 20)
    assert facts.accuracy["student"] == Measured(*STUDENT) and facts.accuracy["baseline"] == Measured(*BASELINE)
    assert facts.gap_points == Measured(-5.0, -9.0, -1.0)
    assert (facts.verdict, facts.sentence) == ("INCONCLUSIVE", "Open because.")


def test_leakage_is_the_primary_attack_and_an_unresolved_rate_is_none(tmp_path: Path) -> None:
    facts = read_run(write_run(tmp_path / "run"))
    assert list(facts.leakage) == ["student", "teacher"]
    student, teacher = facts.leakage.values()
    assert student.auc.value == 0.5 and student.attack == "loss threshold", (
        "the secondary attack's 0.9 must not be the headline"
    )
    assert student.tpr_at_1pct == Measured(0.02, 0.01, 0.04) and teacher.tpr_at_1pct is None
    assert (student.n_members, student.n_non_members) == (50, 40)


def test_minutes_follow_the_road_and_a_stage_we_do_not_know_is_still_counted(tmp_path: Path) -> None:
    facts = read_run(write_run(tmp_path / "run"))
    assert list(facts.minutes) == ["data", "plan", "teacher", "student", "audit", "evaluation", "report", "unheard-of"]
    assert facts.total_minutes == pytest.approx((1 + 2 + 60 + 61 + 62 + 63 + 64 + 30) / 60)


def test_run_that_is_not_finished_shows_what_it_has(tmp_path: Path) -> None:
    facts = read_run(write_run(tmp_path / "run", until="plan"))
    assert not facts.finished and facts.members == 100 and list(facts.minutes) == ["data", "plan"]
    assert facts.verdict is None and facts.gap_points is None and facts.accuracy == {} and facts.reports == {}


def test_a_run_killed_between_its_data_and_its_plan_is_shown(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", until="plan")
    (root / "private" / "plan" / "manifest.json").unlink()
    assert list(read_run(root).minutes) == ["data"]


def test_reading_changes_nothing_in_the_folder(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}
    read_run(root)
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def test_check_for_copies_is_told_old_or_new_but_no_distance_of_a_single_pair(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run")
    assert read_run(root).copies is None
    copies = root / "private" / "copies"
    copies.mkdir()
    for found in ({"closer": 0.5, "closer_low": 0.4}, {"closer": 0.5, "closer_p_value": 0.4, "c_t": None}):
        (copies / "copies.json").write_text(json.dumps({**found, "closest": [1.5, 2.0]}))
        files = {"copies.json": sha256(copies / "copies.json")}
        write_record(copies / "manifest.json", {"key": "k", "seconds": 0, "facts": {}, "files": files})
        assert read_run(root).copies == found


def test_json_holds_every_fact_and_survives_the_round_trip(tmp_path: Path) -> None:
    facts = read_run(write_run(tmp_path / "run"))
    found = json.loads(json.dumps(facts.to_json(), allow_nan=False))
    assert (found["schema_version"], found["kind"]) == (1, "run")
    assert found["gap_points"] == {"value": -5.0, "low": -9.0, "high": -1.0}
    assert found["leakage"]["student"]["auc"]["value"] == 0.5 and found["class_names"] == ["a", "b"]
    assert found["total_minutes"] == pytest.approx(facts.total_minutes)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', "\xff", '{"key": "k", "seconds": "x", "facts": {}}'])
def test_damaged_manifest_is_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    root = write_run(tmp_path / "run")
    (root / "private" / "evaluation" / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunFolderError, match=r"evaluation/manifest\.json must be as upcycle wrote it"):
        read_run(root)


def test_folder_of_something_else_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunFolderError, match=r"run must be a folder written by upcycle run\. Got "):
            read_run(folder)


def test_reading_a_run_does_not_load_torch() -> None:
    script = "import sys; from upcycle.runs import read_run, compare_runs; print({'torch', 'sklearn'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("stage", ["data", "plan", "audit"])
def test_a_lost_manifest_before_a_finished_stage_is_named_and_not_taken_for_a_stage_to_come(tmp_path: Path, stage: str) -> None:
    root = write_run(tmp_path / "run")
    report = root / "private" / "report" / "manifest.json"
    left = {"audit": read_record(root / "private" / "audit").left}  # type: ignore[union-attr]
    write_record(report, {"key": "k", "seconds": 0, "facts": {}, "files": {}, "inputs": {"plan": "x", **left}})
    read_run(root)
    (root / "private" / stage / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match=rf"{stage}/manifest\.json must be as upcycle wrote it\. Got none"):
        read_run(root)
