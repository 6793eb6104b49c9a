"""Every kind of input through the command line, good and hostile: facts, or one line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.data.test_read import IMAGES, LABELS, folder_of_classes
from upcycle.cli._group import main

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command in this process; exit code, standard output and standard error."""

    def call(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return call


def scans() -> ModuleType:
    pytest.importorskip("pydicom", reason="needs upcycle[medical]")
    from tests.data.readers import test_dicom

    return test_dicom


def volumes() -> ModuleType:
    pytest.importorskip("nibabel", reason="needs upcycle[medical]")
    from tests.data.readers import test_nifti

    return test_nifti


def trees() -> ModuleType:
    pytest.importorskip("datasets", reason="needs upcycle[hf]")
    from tests.data.readers import test_hf

    return test_hf


def make_dicom(root: Path) -> Path:
    return Path(scans().study(root / "dicom", n=120))


def make_nifti(root: Path) -> Path:
    return Path(volumes().scans(root / "nifti"))


def make_hf(root: Path) -> Path:
    trees().table().save_to_disk(root / "hf")
    return root / "hf"


def make_folder(root: Path) -> Path:
    return folder_of_classes(root / "folder")


@pytest.mark.parametrize(
    ("make", "images"), [(make_dicom, 120), (make_nifti, 40), (make_hf, 240), (make_folder, 240)], ids=lambda x: str(x)[:15]
)
def test_check_counts_every_kind_of_input(make: Callable[[Path], Path], images: int, tmp_path: Path, say: Say) -> None:
    code, out, _ = say("check", make(tmp_path), "--json")
    assert code == 0 and np.sum(list(json.loads(out)["counts"].values())) == images


def test_run_reads_scans_with_settings_of_their_own(tmp_path: Path, say: Say) -> None:
    root = scans().study(tmp_path / "set", lambda k, image: (np.repeat(image, 2, axis=0), {}), n=180)
    arguments = ("train-teacher", root, "--out", tmp_path / "run", "--preset", "smoke", "--device", "cpu", "--set", "threads=1")
    code, _, err = say(*arguments)
    assert code == 2 and "set data.side" in err and not (tmp_path / "run").exists()
    code, out, err = say(*arguments, "--set", "data.side=8", "--set", "data.window=[127.5, 255]")
    assert code == 0, err
    assert "teacher is ready" in out
    left = b"".join(p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file())
    assert b"Marker" not in left


def one_line(say: Say, *args: str | Path) -> str:
    code, out, err = say("check", *args)
    assert code == 2 and out == "", err
    (line,) = err.splitlines()
    assert line.startswith("upcycle: error: ") and " must " in line
    return line


def test_hostile_scan_and_volume_print_one_line_and_no_log_of_a_library(tmp_path: Path, say: Say) -> None:
    root = make_dicom(tmp_path)
    first = sorted(root.rglob("*.dcm"))[0]
    first.write_bytes(first.read_bytes()[:-20])
    assert first.name in one_line(say, root)
    root = make_nifti(tmp_path)
    first = sorted(root.rglob("*.nii"))[0]
    content = bytearray(first.read_bytes())
    content[70:72], content[108:112] = b"\xff\x7f", b"\xff\xff\xff\xff"  # data type and offset
    first.write_bytes(content)
    assert first.name in one_line(say, root)


def test_file_name_with_a_line_end_and_terminal_codes_is_one_line(tmp_path: Path, say: Say) -> None:
    root = make_folder(tmp_path)
    (root / "a" / "x\n\x1b[2Jy.png").write_bytes(b"no image")
    assert "x??[2Jy.png" in one_line(say, root)


def test_settings_and_tables_that_would_run_code_are_one_line_and_run_nothing(
    tmp_path: Path, say: Say, write_npz: Callable[..., Path]
) -> None:
    path, mark = write_npz(images=IMAGES, labels=LABELS), tmp_path / "ran"
    (tmp_path / "evil.yaml").write_text(f"!!python/object/apply:os.system ['touch {mark}']\n")
    code, _, err = say("run", path, "--out", tmp_path / "run", "--config", tmp_path / "evil.yaml")
    assert code == 2 and len(err.splitlines()) == 1 and not (tmp_path / "run").exists()
    (tmp_path / "evil.csv").write_bytes(b"\xff\xfe=cmd|'/c touch " + str(mark).encode() + b"'!A0")
    assert "groups must be a readable CSV" in one_line(say, path, "--groups", tmp_path / "evil.csv")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "source", "extra"),
    [("pydicom", make_dicom, "medical"), ("nibabel", make_nifti, "medical"), ("datasets", make_hf, "hf")],
)
def test_missing_extra_is_one_line_that_names_it(
    module: str,
    source: Callable[[Path], Path],
    extra: str,
    tmp_path: Path,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import sys

    path = source(tmp_path)
    capsys.readouterr()  # writing the set may have drawn a progress bar
    monkeypatch.setitem(sys.modules, module, None)
    assert f"Install upcycle[{extra}]" in one_line(say, path)


def test_unknown_set_of_medmnist_is_one_line(say: Say) -> None:
    assert "Did you mean 'bloodmnist'?" in one_line(say, "medmnist:bloodmist")


@pytest.mark.parametrize("patients", [8, 12, 20])
def test_a_check_of_few_patients_says_what_the_audit_can_show(tmp_path: Path, say: Say, patients: int) -> None:
    owners = np.repeat(np.arange(patients), 30)
    images = np.random.default_rng(0).integers(0, 256, (len(owners), 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "few.npz", images=images, labels=owners % 2, patient_ids=owners)
    code, text, _ = say("check", tmp_path / "few.npz")
    assert code == 0
    assert "the run's own audit: rests on" in text and "patients given and" in text and "NO LEAK FOUND is out of reach" in text
    assert "test images of" in text and "if the images of a patient are right or wrong together" in text
