"""The student in three forms: each answers as the student does, holds no path, and does not count where it differs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.release.conftest import CLASSES, made_of
from upcycle.errors import ReleaseError
from upcycle.release import Material, ReleaseOptions, load_program, load_student, write_release
from upcycle.release._exports import Comparer

onnxruntime = pytest.importorskip("onnxruntime", reason="extra onnx is not installed")
EVERY = ReleaseOptions(images=0, onnx=True, torch_export=True)


def wanted(material: Material, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return material.student(torch.from_numpy(images).float() / 127.5 - 1).numpy()


@pytest.fixture(scope="module", params=[(8, 1), (48, 3)], ids=["small grey", "large colour"])
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Material, Path]:
    size, channels = request.param
    material = made_of(size=size, channels=channels)
    folder = tmp_path_factory.mktemp("exports") / "release"
    write_release(folder, material, EVERY)
    return material, folder / "student"


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_form_takes_bytes_of_any_batch_and_answers_as_the_student(released: tuple[Material, Path], count: int) -> None:
    material, folder = released
    shape = (count, material.channels, material.size, material.size)
    images = np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)
    expected = wanted(material, images)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    assert session.run(None, {"images": images})[0] == pytest.approx(expected, abs=1e-4)
    with torch.inference_mode():
        assert load_program(folder / "model.pt2")(torch.from_numpy(images)).numpy() == pytest.approx(expected, abs=1e-4)
        again = load_student(folder)(torch.from_numpy(images).float() / 127.5 - 1).numpy()
    assert again == pytest.approx(expected, abs=1e-5) and expected.shape == (count, CLASSES)


def test_differences_are_written_beside_the_student(released: tuple[Material, Path]) -> None:
    checked = json.loads((released[1] / "config.json").read_text())["checked"]
    assert sorted(checked) == ["model.onnx", "model.pt2", "model.safetensors"]
    assert all(0 <= found["max_abs_difference"] < 1e-3 < found["largest_logit"] for found in checked.values())


def test_programs_name_no_file_of_this_machine(released: tuple[Material, Path]) -> None:
    places = [sys.prefix, str(Path(__file__).parents[2]), str(Path.home()), "site-packages", "_classifier.py"]
    for path in released[1].iterdir():
        payload = path.read_bytes()
        assert not [place for place in places if place.encode() in payload], path.name


def test_export_that_answers_otherwise_does_not_count() -> None:
    material = made_of()
    compare = Comparer(material.student, (1, 8, 8))
    assert compare("same", lambda images: wanted(material, images)).max_abs_difference < 1e-6
    with pytest.raises(ReleaseError, match=r"broken must answer as the student does\. Got logits that differ by"):
        compare("broken", lambda images: wanted(material, images) + 0.01)
    with pytest.raises(ReleaseError, match="differ by nan"):
        compare("broken", lambda images: wanted(material, images)[:, :2])
    with pytest.raises(ReleaseError, match="differ by nan"):
        compare("broken", lambda images: np.full((len(images), CLASSES), np.nan))


def test_network_of_the_users_own_is_exported_and_compared_too(tmp_path: Path) -> None:
    torch.manual_seed(1)
    own = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))
    facts = {**made_of().architecture, "network": "Sequential"}
    released = write_release(tmp_path, made_of(student=own, architecture=facts), EVERY)
    assert len(released.exports) == 3 and max(found.max_abs_difference for found in released.exports.values()) < 1e-4


def test_programs_say_their_classes_and_how_images_are_made(released: tuple[Material, Path]) -> None:
    material, folder = released
    told = {"class_names": "", "preprocess": ""}
    torch.export.load(folder / "model.pt2", extra_files=told)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    for found in (told, session.get_modelmeta().custom_metadata_map):
        assert json.loads(found["class_names"]) == list(material.class_names)
        assert json.loads(found["preprocess"]) == material.preprocess.to_json()
    assert session.get_inputs()[0].shape == ["batch", material.channels, material.size, material.size]
    assert session.get_outputs()[0].shape == ["batch", CLASSES]


def test_what_cannot_be_made_is_said_unless_it_was_insisted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fickle(nn.Module):
        """A network that no exporter can take apart: it looks at the values of its input."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.layer(x.flatten(1))
            return -out if float(x.sum()) > 1e9 else out

    monkeypatch.setattr("upcycle.release._exports.onnx_missing", lambda: ["onnx"])
    own = made_of(student=Fickle(), architecture={"network": "Fickle"})
    released = write_release(tmp_path / "a", own, ReleaseOptions(images=0))
    assert list(released.exports) == ["model.safetensors"] and "cannot take Fickle apart" in released.missing["model.pt2"]
    assert any(line.startswith("left out   model.pt2: ") for line in released.lines())
    with pytest.raises(ReleaseError, match=r"network must be one that torch\.export knows"):
        write_release(tmp_path / "b", own, ReleaseOptions(images=0, torch_export=True))
    plain = write_release(tmp_path / "c", made_of(), ReleaseOptions(images=0))
    assert "model.pt2" in plain.exports and plain.missing["model.onnx"] == "onnx not installed (extra onnx)"
