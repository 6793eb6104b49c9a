"""`upcycle predict`: a line for every image, the same as a table and as JSON, and one line for what cannot be answered."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.release.conftest import made_of
from upcycle.cli import main
from upcycle.data import Preprocess
from upcycle.release import ReleaseOptions, load_student, write_release

NAMES = ("left", "right", "none of them")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict") / "release"
    block = Preprocess(1, 8, kind="picture", padding="black", filter="triangle")
    write_release(folder, made_of(preprocess=block), ReleaseOptions(images=0, onnx=False, torch_export=False))
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for k in range(3):
        image = np.random.default_rng(k).integers(0, 256, (12, 9), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    return tmp_path


@dataclass(frozen=True)
class Said:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def call(*arguments: str | Path) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(["predict", *map(str, arguments)])
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return call


def test_lines_table_and_json_say_what_python_says(predict: Callable[..., Said], release: Path, pictures: Path) -> None:
    wanted = load_student(release).predict([pictures])
    lines = predict(release, pictures).stdout.splitlines()
    assert lines == [f"{pictures / f'{k}.png'}: {NAMES[row.argmax()]} ({row.max():.3f})" for k, row in enumerate(wanted)]
    table = list(csv.reader(io.StringIO(predict(release, pictures, "--csv").stdout)))
    assert table[0] == ["name", "class", *NAMES] and len(table) == 4
    assert np.array([row[2:] for row in table[1:]], float) == pytest.approx(wanted, abs=1e-5)
    facts = json.loads(predict(release / "student", *sorted(pictures.iterdir()), "--json").stdout)
    assert facts["kind"] == "predictions" and facts["class_names"] == list(NAMES)
    assert np.array([row["probabilities"] for row in facts["predictions"]]) == pytest.approx(wanted, abs=1e-6)


def test_everything_that_does_not_fit_is_one_line_and_exit_code_2(
    predict: Callable[..., Said], release: Path, pictures: Path
) -> None:
    Image.fromarray(np.full((9, 9, 3), (9, 200, 30), np.uint8)).save(pictures / "colour.png")
    (pictures / "broken.png").write_bytes(b"no picture")
    (pictures / "notes.txt").write_text("text")
    named = [pictures / name for name in ("0.png", "colour.png", "broken.png", "notes.txt", "gone.png")]
    result = predict(release, *named)
    lines = result.stderr.splitlines()
    assert result.code == 2 and result.stdout == "" and len(lines) == 4
    for name in ("colour.png", "broken.png", "notes.txt", "gone.png"):
        assert sum(name in line for line in lines) == 1, lines
    assert predict(pictures, pictures / "0.png").stderr.splitlines()[0].startswith("upcycle: error: folder must be a release")


def test_arrays_of_an_npz_are_answered_too(predict: Callable[..., Said], release: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "some.npz", images=images)
    lines = predict(release, tmp_path / "some.npz").stdout.splitlines()
    assert len(lines) == 4 and lines[2].startswith(f"{tmp_path / 'some.npz'} row 2: ")
