"""What a run that was stopped or killed leaves: nothing outside its folder, nothing half-written in it, and no name in what it logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import blobs

pytestmark = pytest.mark.slow
NAME, PATIENT, PLACE = "MRKfile-q7x", "MRKpatient-k2v", "MRKplace-z9w"
TINY = ("threads=1", "teacher.min_images=4000", "teacher.max_images=4000", "teacher.width=4", "teacher.blocks=1")


def marked_data(root: Path) -> Path:
    """Class folders whose names, patients and place are markers, and whose images carry noise that is found again byte by byte."""
    images, labels = blobs(240)
    images[:, 2:6, 2:6] = np.random.default_rng(3).integers(0, 256, (len(images), 4, 4))
    rows = ["image,patient"]
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"class{label}/{NAME}-{k:03}.png"
        (root / PLACE / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / PLACE / "set" / name)
        rows.append(f"{name},{PATIENT}-{k // 2}")
    (root / "patients.csv").write_text("\n".join(rows) + "\n")
    return root / PLACE / "set"  # the last part is the name of the data set, which may be printed


class Started:
    """`upcycle train-teacher` in a process with a home and a temporary folder of its own."""

    def __init__(self, root: Path, data: Path) -> None:
        self.run, self.home, self.temporary = root / "run", root / "home", root / "tmp"
        for folder in (self.home, self.temporary):
            folder.mkdir(exist_ok=True)
        sets = [word for setting in TINY for word in ("--set", setting)]
        command = [sys.executable, "-m", "upcycle", "train-teacher", str(data), "--groups", str(root / "patients.csv")]
        self.process = subprocess.Popen(
            [*command, "--out", str(self.run), "--preset", "smoke", *sets],
            env={**os.environ, "HOME": str(self.home), "TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=self.temporary,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def stopped_in_the_teacher(self, number: signal.Signals) -> str:
        """Wait until the teacher has begun to learn, then send the signal; what was printed."""
        until = time.monotonic() + 300
        while not (self.run / "private" / "teacher" / "resume.good.pt").exists():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.02)
        self.process.send_signal(number)
        return self.process.communicate(timeout=300)[0]

    def finished(self) -> str:
        out = self.process.communicate(timeout=600)[0]
        assert self.process.returncode == 0, out
        return out

    def outside(self) -> list[str]:
        """Files that lie neither in the run nor among matplotlib's own."""
        found = [
            path.relative_to(folder) for folder in (self.home, self.temporary) for path in folder.rglob("*") if path.is_file()
        ]
        return [str(path) for path in found if "matplotlib" not in path.parts]


def test_a_stopped_and_a_killed_run_leave_nothing_behind_and_log_no_marker(tmp_path: Path) -> None:
    data = marked_data(tmp_path)
    first = Started(tmp_path, data)
    printed = [first.stopped_in_the_teacher(signal.SIGTERM)]
    assert first.process.returncode == 128 + signal.SIGTERM and "The same command resumes" in printed[0]
    assert first.outside() == []
    second = Started(tmp_path, data)
    printed.append(second.stopped_in_the_teacher(signal.SIGKILL))
    assert second.process.returncode == -signal.SIGKILL
    third = Started(tmp_path, data)
    printed.append(third.finished())
    assert third.outside() == [], "after a kill and the next start"
    left = [path.relative_to(third.run).as_posix() for path in third.run.rglob("*")]
    assert not [name for name in left if "partial" in name or "resume" in name or Path(name).parent.parts[1:2] == ("work",)]
    logged = "".join(printed) + "".join(
        path.read_text() for path in third.run.iterdir() if path.is_file() and path.suffix != ".lock"
    )
    for marker in (NAME, PATIENT, PLACE, str(tmp_path / PLACE), str(Path.home())):
        assert marker not in logged
    for path in (third.run, *third.run.rglob("*")):
        if "private" in path.relative_to(third.run).parts:
            assert path.stat().st_mode & 0o077 == 0, path
