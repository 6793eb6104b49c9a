"""What a student answers to a file is the same before the release and after it, through every form that leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.release.conftest import CLASSES, made_of
from upcycle.config import DataConfig
from upcycle.data import Dataset, read
from upcycle.errors import DataError
from upcycle.release import Material, ReleaseOptions, _exports, load_program, load_student, probabilities, write_release

pytest.importorskip("onnxruntime", reason="extra onnx is not installed")
EXAMPLE = Path(__file__).parents[2] / "examples" / "serve_onnx.py"
NAMES = ("benign", "malignant", "normal")


def noise(seed: int, *shape: int, high: int = 256, dtype: Any = np.uint8) -> np.ndarray:
    """Smooth random pixels: neighbours are alike, as in pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, high, (shape[0] // 4 + 1, shape[1] // 4 + 1, *shape[2:]))
    return np.kron(coarse, np.ones((4, 4, *[1] * (len(shape) - 2)), int))[: shape[0], : shape[1]].astype(dtype)


def _png(path: Path, seed: int, image: np.ndarray) -> Path:
    path = path.with_suffix(".png")
    Image.fromarray(image).save(path)
    return path


def _dicom(path: Path, image: np.ndarray, **elements: Any) -> Path:
    from pydicom.dataset import Dataset as Dicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = Dicom()
    found.file_meta, found.PatientID = meta, "-".join(path.parts[-3:])
    found.Rows, found.Columns, found.SamplesPerPixel, found.PhotometricInterpretation = *image.shape, 1, "MONOCHROME2"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 12, 11, 0
    for name, value in elements.items():
        setattr(found, name, value)
    found.PixelData = image.astype("<u2").tobytes()
    path = path.with_suffix(".dcm")
    found.save_as(path, enforce_file_format=True)
    return path


def _nifti(path: Path, seed: int) -> Path:
    nibabel = pytest.importorskip("nibabel", reason="extra medical is not installed")
    volume = np.stack([noise(seed + k, 20, 14, high=900, dtype=np.int16) for k in range(9)], 2)
    path = path.with_suffix(".nii.gz")
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([-1, 1, 2, 1])), path)
    return path


def non_square(path: Path, seed: int) -> Path:
    return _png(path, seed, noise(seed, 24, 16))


def sixteen_bit(path: Path, seed: int) -> Path:
    return _png(path, seed, noise(seed, 16, 16, high=65_536, dtype=np.uint16))


def twelve_bit_picture(path: Path, seed: int) -> Path:
    return _png(path, seed, noise(seed, 16, 20, high=4_096, dtype=np.uint16))


def twelve_bit_dicom(path: Path, seed: int) -> Path:
    return _dicom(path, noise(seed, 18, 16, high=4_096, dtype=np.uint16))


def windowed_dicom(path: Path, seed: int) -> Path:
    window = {"WindowCenter": [1_900, 40], "WindowWidth": [2_500, 400]}
    photometric = {"PhotometricInterpretation": "MONOCHROME1"} if seed % 2 else {}
    rescale = {"RescaleSlope": "1.5", "RescaleIntercept": "-100"}
    return _dicom(path, noise(seed, 18, 16, high=4_096, dtype=np.uint16), **window, **rescale, **photometric)


def nifti_plane(path: Path, seed: int) -> Path:
    return _nifti(path, seed)


def upright(path: Path, seed: int) -> Path:
    path, exif = path.with_suffix(".png"), Image.Exif()
    exif[0x0112] = [1, 3, 6, 8][seed % 4]
    Image.fromarray(noise(seed, 24, 16)).save(path, exif=exif)
    return path


def grey_and_colour(path: Path, seed: int) -> Path:
    return _png(path, seed, noise(seed, 16, 16, 3) if seed % 3 else noise(seed, 16, 16))


def odd_modes(path: Path, seed: int) -> Path:
    """Palettes, transparent places and two-valued pictures among plain ones."""
    grey, path = Image.fromarray(noise(seed, 16, 16)), path.with_suffix(".png")
    alpha = Image.fromarray(noise(seed + 1, 16, 16))
    kinds = [grey, grey.convert("P"), grey.convert("1"), Image.merge("LA", (grey, alpha))]
    kinds[seed % 4].save(path)
    return path


@dataclass(frozen=True)
class Kind:
    make: Callable[[Path, int], Path]
    settings: DataConfig


KINDS = {
    "non-square": Kind(non_square, DataConfig(side=16)),
    "non-square, enlarged": Kind(non_square, DataConfig(side=31)),
    "12-bit picture": Kind(twelve_bit_picture, DataConfig(side=16)),
    "16-bit picture": Kind(sixteen_bit, DataConfig()),
    "12-bit DICOM": Kind(twelve_bit_dicom, DataConfig(side=16)),
    "DICOM, its own window": Kind(windowed_dicom, DataConfig(side=16)),
    "DICOM, another window": Kind(windowed_dicom, DataConfig(side=16, window=(1_000, 1_800))),
    "NIfTI, a plane": Kind(nifti_plane, DataConfig(side=16, plane="coronal")),
    "NIfTI, several slices": Kind(nifti_plane, DataConfig(side=16, slices=3, window=(400, 700))),
    "EXIF orientation": Kind(upright, DataConfig(side=16)),
    "grey and RGB": Kind(grey_and_colour, DataConfig()),
    "grey and RGB as grey": Kind(grey_and_colour, DataConfig(channels="grey")),
    "palettes and transparency": Kind(odd_modes, DataConfig()),
}


@dataclass(frozen=True)
class Case:
    files: list[Path]  # of the test split, in the order in which it was read
    dataset: Dataset
    material: Material
    student: Path

    @property
    def before(self) -> np.ndarray:
        """Probabilities of the network on the very pixels that a run has of these files."""
        return probabilities(self.material.student, self.dataset.test.images)


@pytest.fixture(scope="module")
def graphs() -> Iterator[None]:
    """Most kinds have the same network: its graphs are made once, and every release writes and checks its own files of them."""
    with pytest.MonkeyPatch.context() as patch:
        made: dict[object, object] = {}

        def once(make: Callable[..., object], key: Callable[..., object]) -> Callable[..., object]:
            def found(*given: object, **how: object) -> object:
                name = key(*given)
                made[name] = made[name] if name in made else make(*given, **how)
                return made[name]

            return found

        weights = lambda net, shape: (shape, *(tensor.numpy().tobytes() for tensor in net.state_dict().values()))  # noqa: E731
        patch.setattr(_exports, "exported", once(_exports.exported, weights))
        patch.setattr(torch.onnx, "export", once(torch.onnx.export, id))
        yield


@pytest.fixture(scope="module", params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, graphs: None) -> Case:
    kind, root = KINDS[request.param], tmp_path_factory.mktemp("case")
    if "DICOM" in request.param or "NIfTI" in request.param:
        pytest.importorskip("pydicom", reason="extra medical is not installed")
    files: list[Path] = []
    for number, (split, count) in enumerate([("train", 5), ("val", 4), ("test", 4)]):
        for label, name in enumerate(NAMES):
            (root / "data" / split / name).mkdir(parents=True)
            made = [kind.make(root / "data" / split / name / f"{k:03d}", 1000 * number + 100 * label + k) for k in range(count)]
            files += made if split == "test" else []
    dataset = read(root / "data", config=kind.settings, seed=0)
    sizes = {"size": dataset.size, "channels": dataset.channels, "class_names": dataset.class_names}
    material = made_of(**sizes, preprocess=dataset.preprocess)
    write_release(root / "release", material, ReleaseOptions(images=0, onnx=True))
    return Case(files, dataset, material, root / "release" / "student")


def test_python_answers_files_as_the_run_did(case: Case) -> None:
    student = load_student(case.student.parent)
    assert student.predict(case.files) == pytest.approx(case.before, abs=1e-5)
    assert student.class_names == case.dataset.class_names
    assert len(case.before) >= 12 and len(np.unique(case.before.round(4), axis=0)) > 6, "answers differ, or this tests nothing"


def test_programs_answer_prepared_images_as_the_run_did(case: Case) -> None:
    import onnxruntime

    images = np.ascontiguousarray(case.dataset.test.images.transpose(0, 3, 1, 2))
    with torch.inference_mode():
        logits = load_program(case.student / "model.pt2")(torch.from_numpy(images))
    session = onnxruntime.InferenceSession(str(case.student / "model.onnx"), providers=["CPUExecutionProvider"])
    (onnx,) = session.run(["logits"], {"images": images})
    assert logits.softmax(1).numpy() == pytest.approx(case.before, abs=1e-5)
    assert torch.from_numpy(onnx).softmax(1).numpy() == pytest.approx(case.before, abs=1e-5)


def test_example_without_upcycle_answers_files_as_the_run_did(case: Case) -> None:
    code = f"import sys; sys.modules['upcycle'] = sys.modules['torch'] = None; sys.argv = sys.argv[1:]; import runpy; runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code, str(EXAMPLE), "--json", str(case.student), *map(str, case.files)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = np.array([row["probabilities"] for row in json.loads(result.stdout)])
    assert found == pytest.approx(case.before, abs=1e-5)


def test_block_in_the_release_is_the_one_that_training_read(case: Case) -> None:
    facts = json.loads((case.student / "config.json").read_text())
    assert facts["preprocess"] == case.dataset.preprocess.to_json()
    assert {"channels", "padding", "side", "filter", "window", "plane", "grey_range", "bits", "order"} <= set(
        facts["preprocess"]
    )


NEEDS_MORE = {
    "an image with colours for a grey student": (non_square, grey_and_colour, DataConfig(side=16), "must be grey"),
    "another size where nothing was resized": (sixteen_bit, twelve_bit_picture, DataConfig(), "must be 16 x 16 pixels"),
    "16 bits for a student of 8": (non_square, sixteen_bit, DataConfig(side=16), "stored in 8 bits"),
    "16 bits for a student of 12": (twelve_bit_picture, sixteen_bit, DataConfig(side=16), "between 0 and 4095"),
    "8 bits for a student of 12": (twelve_bit_picture, non_square, DataConfig(side=16), "stored in 16 bits"),
    "DICOM for a student of pictures": (non_square, windowed_dicom, DataConfig(side=16), "Got DICOM in"),
    "a picture for a student of DICOM": (windowed_dicom, non_square, DataConfig(side=16), "must be DICOM"),
    "a volume for a student of DICOM": (windowed_dicom, nifti_plane, DataConfig(side=16), "must be DICOM"),
}


@pytest.mark.parametrize("name", NEEDS_MORE)
def test_image_that_needs_more_than_the_release_knows_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="extra medical is not installed")
    trained, served, settings, said = NEEDS_MORE[name]
    for label in NAMES:
        (tmp_path / "data" / label).mkdir(parents=True)
        for k in range(12):
            trained(tmp_path / "data" / label / str(k), 50 * NAMES.index(label) + k)
    dataset = read(tmp_path / "data", config=settings, seed=0)
    material = made_of(size=dataset.size, channels=dataset.channels, class_names=NAMES, preprocess=dataset.preprocess)
    write_release(tmp_path / "release", material, ReleaseOptions(images=0, onnx=False, torch_export=False))
    student = load_student(tmp_path / "release")
    other = served(tmp_path / "other", 1)
    with pytest.raises(DataError, match=said) as caught:
        student.predict([other])
    assert len(caught.value.problems) == 1 and "other" in str(caught.value) and len(NAMES) == CLASSES
