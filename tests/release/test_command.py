"""`upcycle release` on a finished run, and what becomes of release/ when it is called again, stopped or refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.fakes import upcycle
from tests.release.conftest import contents, light, made_of
from tests.run_folders import sign_again
from upcycle.errors import ReleaseError, RunFolderError
from upcycle.release import ReleaseOptions, load_student, write_release
from upcycle.runs import read_run, release_run
from upcycle.runs.folder import RunFolder
from upcycle.runs.stages import JUDGING


def verdict_becomes(run: Path, word: str) -> None:
    path = run / "private" / "audit" / "audit.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "verdict": word}))
    sign_again(path.parent)
    for written in path.parent.iterdir():
        written.chmod(0o600)  # as upcycle writes them


def sums_hold(folder: Path) -> bool:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    listed = {line[66:]: line[:64] for line in lines}
    files = {name: hashlib.sha256(data).hexdigest() for name, data in contents(folder).items() if name != "SHA256SUMS"}
    return listed == files


def test_run_ends_with_a_whole_release(digits_run: tuple[Path, str]) -> None:
    release = digits_run[0] / "release"
    expected = {
        "student",
        "synthetic",
        "audit.json",
        "README.txt",
        "MODEL_CARD.md",
        "DATA_CARD.md",
        "croissant.json",
        "sbom.cdx.json",
    }
    assert {path.name for path in release.iterdir()} == expected | {"report.html", "SHA256SUMS"}
    assert sums_hold(release)
    assert np.load(release / "synthetic" / "synthetic.npz", allow_pickle=False)["train_images"].shape == (100, 8, 8)


def test_command_makes_what_is_asked_for_and_says_so(run: Path) -> None:
    result = upcycle("release", run, "--images", "130", "--format", "npz", "--format", "folders", "--licence", "cc-by-4.0")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].endswith("with cards and SHA256SUMS") and "INCONCLUSIVE" in result.stdout
    release = run / "release"
    saved = np.load(release / "synthetic" / "synthetic.npz", allow_pickle=False)
    assert np.bincount(saved["train_labels"].ravel()).tolist() == [13] * 10
    assert len(list((release / "synthetic" / "folders").rglob("*.png"))) == 130
    for name in ("MODEL_CARD.md", "DATA_CARD.md"):
        front = yaml.safe_load((release / name).read_text().split("---\n")[1])
        assert front["license"] == "cc-by-4.0" and "audit-inconclusive" in front["tags"]
    assert sums_hold(release) and (release / "report.html").exists() and load_student(release / "student")


def test_json_says_what_left_and_progress_goes_to_standard_error(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)  # a program fewer
    result = upcycle("release", run, "--images", "20", "--json")
    facts = json.loads(result.stdout)
    assert facts["kind"] == "release" and facts["verdict"] == "INCONCLUSIVE" and facts["accepted_risk"] is None
    assert facts["files"] == len(set(contents(run / "release")) - {"SHA256SUMS"}), "the sums are of all other files"
    assert all(value < 1e-3 for value in facts["exports"].values()) and facts["exports"]


@pytest.mark.parametrize("word", ["LEAKS", "INVALID"])
def test_refusal_is_one_line_and_code_2_and_changes_nothing(word: str, run: Path) -> None:
    verdict_becomes(run, word)
    before = contents(run)
    result = upcycle("release", run, "--images", "10")
    assert result.returncode == 2 and result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert f"Got {word}." in line and "--accept-risk" in line
    after = contents(run)
    assert {name for name in after if after[name] != before.get(name)} <= {".lock"}


def test_accepted_risk_lets_it_out_and_is_printed(run: Path) -> None:
    verdict_becomes(run, "LEAKS")
    released = release_run(run, light(images=10, accept_risk="a test"))
    assert "Risk accepted: a test" in released.lines()[0]
    assert json.loads((run / "release" / "audit.json").read_text())["accepted_risk"] == "a test"


def test_a_run_that_was_stopped_after_its_audit_is_released(run: Path) -> None:
    for folder in (run / "private" / "release", run / "private" / "report", run / "release"):
        shutil.rmtree(folder)
    released = release_run(run, light(images=10))
    assert (run / "release" / "student").is_dir() and "INCONCLUSIVE" in str(released.given.verdict)


def test_the_budget_given_to_a_release_binds_when_it_is_made_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from upcycle.release import refusal
    from upcycle.runs import run as whole_run

    release_run(run, light(images=10, accept_risk="a test"), gate={"gate.tpr_at_1pct": 0.25})
    (run / "release" / "SHA256SUMS").unlink()
    asked = []
    monkeypatch.setattr("upcycle.runs.stages._release.refusal", lambda *given: asked.append(given[1]) or refusal(*given))
    whole_run("digits", run, RunFolder(run).config())
    assert [budget.gate.tpr_at_1pct for budget in asked] == [0.25]


def test_a_damaged_release_is_made_again_by_the_run_as_it_was_last_asked_for(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from upcycle.runs import run as whole_run

    release_run(run, light(images=20, formats=("folders",)))
    before, config = contents(run / "release"), RunFolder(run).config()
    for name in ("student/model.safetensors", "SHA256SUMS", "sbom.cdx.json"):
        path = run / "release" / name
        path.write_bytes(path.read_bytes()[:-7])
        whole_run("digits", run, config)
        assert contents(run / "release") == before
        assert "release is made again" in caplog.text
        assert name in caplog.text
    (run / "private" / "release" / "options.json").write_text("{}")
    whole_run("digits", run, config)
    assert "options.json was damaged or lost: a release that must be made again will be the one that" in caplog.text
    assert contents(run / "release") == before  # it was whole
    sums = (run / "release" / "SHA256SUMS").read_text()
    (run / "release" / "SHA256SUMS").write_text(("1" if sums[0] == "0" else "0") + sums[1:])
    with pytest.raises(
        RunFolderError, match=r"Got one of SHA-256 \w+\.\.\. where \w+\.\.\. stands in SHA256SUMS\. Make the release"
    ):
        read_run(run)
    (run / "release" / "SHA256SUMS").write_text(sums)
    (run / "release" / "student" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(RunFolderError, match=r"model\.safetensors must be as upcycle wrote it"):
        read_run(run)


def test_run_without_an_audit_is_refused_unless_the_risk_is_taken(run: Path) -> None:
    for stage in JUDGING:  # as if it had been stopped in its audit
        (run / "private" / stage / "manifest.json").unlink()
    with pytest.raises(ReleaseError, match="Got none"):
        release_run(run, light(images=10))
    release_run(run, light(images=10, accept_risk="early"))
    assert "No audit was made" in (run / "release" / "MODEL_CARD.md").read_text()


def test_release_without_images_has_no_data_card(run: Path) -> None:
    release_run(run, light(images=0))
    names = {path.name for path in (run / "release").iterdir()}
    assert not names & {"synthetic", "DATA_CARD.md", "croissant.json"} and "MODEL_CARD.md" in names


def test_no_released_image_was_in_the_students_bank(run: Path) -> None:
    release_run(run, light(images=300))
    released = np.load(run / "release" / "synthetic" / "synthetic.npz", allow_pickle=False)["train_images"]
    bank = np.load(run / "private" / "student" / "bank" / "images.npy", allow_pickle=False)
    assert not {image.tobytes() for image in released} & {image.tobytes() for image in bank}


def test_members_prior_follows_the_members(run: Path) -> None:
    release_run(run, light(images=400, prior="members"))
    labels = np.load(run / "release" / "synthetic" / "synthetic.npz", allow_pickle=False)["train_labels"].ravel()
    counts = np.asarray(json.loads((run / "private" / "generator" / "class_counts.json").read_text()))
    assert np.abs(np.bincount(labels, minlength=10) - 400 * counts / counts.sum()).max() < 6


def test_folder_that_is_no_run_or_has_no_student_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="run must be a folder written by upcycle run"):
        release_run(tmp_path / "nowhere", ReleaseOptions())
    assert not (tmp_path / "nowhere").exists()
    for stage in ("student", "baseline", *JUDGING):
        (run / "private" / stage / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match="run must have finished its student"):
        release_run(run, ReleaseOptions())


def test_somebody_elses_file_in_the_release_is_not_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    write_release(folder, made_of(), light(images=0))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ReleaseError, match=r"notes\.txt"):
        write_release(folder, made_of(), light(images=0))
    assert (folder / "notes.txt").read_text() == "mine"


def test_release_stopped_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    write_release(folder, made_of(), light(images=4))
    before = contents(folder)

    def stop(drawn: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_release(folder, made_of(), light(images=9), report=stop)
    assert contents(folder) == before
    write_release(folder, made_of(), light(images=9))
    assert [path.name for path in tmp_path.iterdir()] == ["release"] and sums_hold(folder)


def test_leaking_run_ends_with_nothing_released_and_a_private_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages after the audit, walked again with another verdict in it."""
    from upcycle.runs.stages import prepare, release_stage, report_stage

    verdict_becomes(run, "LEAKS")
    with prepare(None, run, needs="student") as bench:
        store = bench.folder.open_store()
        assert "Got LEAKS" in release_stage(bench, store)["withheld"]
        report_stage(bench, store)
    assert {path.name for path in (run / "release").iterdir()} == {"README.txt", "SHA256SUMS", "audit.json"}
    assert (run / "private" / "report-shareable.html").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_croissant_is_valid_and_its_records_open(run: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is a development tool and is not installed")
    pytest.importorskip("pyarrow", reason="extra parquet is not installed")
    release_run(run, light(images=30, formats=("npz", "folders", "webdataset", "parquet"), licence="MIT"))
    dataset = mlcroissant.Dataset(jsonld=str(run / "release" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    rows = [row for _, row in zip(range(30), dataset.records("parquet_records"), strict=False)]
    assert [int(row["parquet_records/label"]) for row in rows] == [k % 10 for k in range(30)]
    assert rows[0]["parquet_records/image"].size == (8, 8)
    described = json.loads((run / "release" / "croissant.json").read_text())["recordSet"]
    arrays = next(found for found in described if found["@id"] == "npz_records")["field"]
    assert [(field["dataType"], field["arrayShape"]) for field in arrays] == [
        ("cr:UInt8", "8,8"),
        ("cr:Int64", "1"),
        ("cr:Float16", "10"),
    ]
    assert [row["classes/number"] for row in dataset.records("classes")] == list(range(10))
    files = [row["folders_records/label"] for row in dataset.records("folders_records")]
    assert all(isinstance(label, int) for label in files)
    assert sorted(int(label) for label in files) == sorted(k % 10 for k in range(30))
