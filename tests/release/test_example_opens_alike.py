"""examples/serve_onnx.py opens files as the readers of training data do, or refuses them: a guess would be answered with
confidence."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.release.test_before_and_after import _dicom, noise
from upcycle.config import DataConfig
from upcycle.data.readers import PICTURE, SCAN, VOLUME, FileKind, Source, Unreadable
from upcycle.errors import DataError

pytest.importorskip("onnxruntime", reason="extra onnx is not installed")
EXAMPLE = Path(__file__).parents[2] / "examples" / "serve_onnx.py"
BLOCK = {"window": None, "plane": "axial", "slices": 1, "slice_share": 0.5}


@pytest.fixture(scope="module")
def example() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("serve_onnx", EXAMPLE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


def ours(kind: FileKind, path: Path) -> np.ndarray | None:
    try:
        return kind.open(str(path), Source(str(path), DataConfig())).images[0]
    except (Unreadable, DataError):
        return None


def theirs(example: Any, path: Path) -> np.ndarray | None:
    opened = {"PICTURE": example.picture, "SCAN": example.scan, "VOLUME": example.volume}
    kind = "SCAN" if path.suffix == ".dcm" else "VOLUME" if ".nii" in path.name else "PICTURE"
    try:
        return np.asarray(opened[kind](path, BLOCK)[0])
    except (SystemExit, OSError, ValueError):
        return None


def check(example: Any, kind: FileKind, path: Path, *, may_refuse: bool = False) -> None:
    """Both give the same pixels, up to grey that is kept as equal colours; or both, or only the example, refuse."""
    here, there = ours(kind, path), theirs(example, path)
    if here is None or (may_refuse and there is None):
        assert there is None, path.name
        return
    assert there is not None, path.name
    there = there[..., 0] if there.ndim > here.ndim and (there == there[..., :1]).all() else there
    assert here.shape == there.shape and np.abs(here.astype(int) - there.astype(int)).max() <= 1, path.name


GREY = noise(1, 16, 16)
COLOUR = noise(2, 16, 16, 3)
PICTURES: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "grey": (Image.fromarray(GREY), "PNG", {}),
    "colour": (Image.fromarray(COLOUR), "TIFF", {}),
    "palette": (Image.fromarray(COLOUR).quantize(8), "BMP", {}),
    "transparent": (Image.fromarray(np.dstack([COLOUR, GREY])), "PNG", {}),
    "transparent shade": (Image.fromarray(GREY), "PNG", {"transparency": int(GREY[0, 0])}),
    "sixteen bits": (Image.fromarray(GREY.astype(np.uint16) * 200), "PNG", {}),
    "sixteen bits and a transparent shade": (Image.fromarray(GREY.astype(np.uint16) * 200), "PNG", {"transparency": 200}),
    "float": (Image.fromarray(GREY.astype(np.float32) * 3), "TIFF", {}),
    "negative": (Image.fromarray(GREY.astype(np.int32) - 90), "TIFF", {}),
    "frames of another format": (Image.fromarray(GREY), "GIF", {}),
    "black and white": (Image.fromarray(GREY > 99), "PNG", {}),
    "ink": (Image.fromarray(COLOUR).convert("CMYK"), "TIFF", {}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_opened_alike(example: Any, tmp_path: Path, name: str) -> None:
    image, form, saved = PICTURES[name]
    path = tmp_path / f"{name}.{form.lower()}"
    image.save(path, form, **saved)
    check(example, PICTURE, path)


SCANS: dict[str, dict[str, Any]] = {
    "plain": {},
    "inverse": {"PresentationLUTShape": "INVERSE"},
    "white is zero": {"PhotometricInterpretation": "MONOCHROME1"},
    "white is zero, said twice": {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    "identity": {"PresentationLUTShape": "IDENTITY"},
    "slope alone": {"RescaleSlope": "0.1", "WindowCenter": "200", "WindowWidth": "400"},
    "empty rescaling": {"RescaleSlope": None, "RescaleIntercept": None},
    "empty window": {"WindowCenter": None, "WindowWidth": None},
    "two windows": {"WindowCenter": ["900", "40"], "WindowWidth": ["800", "80"]},
    "exact": {"WindowCenter": "900", "WindowWidth": "800", "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": "900", "WindowWidth": "800", "VOILUTFunction": "SIGMOID"},
    "no width": {"WindowCenter": "900", "WindowWidth": "0"},
    "narrow": {"WindowCenter": "900", "WindowWidth": "0.9"},
    "another function": {"WindowCenter": "900", "WindowWidth": "800", "VOILUTFunction": "CUBIC"},
    "padded": {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 300},
    "padded everywhere": {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 4095},
}


@pytest.mark.parametrize("name", SCANS)
def test_scans_are_opened_alike(example: Any, tmp_path: Path, name: str) -> None:
    pytest.importorskip("pydicom")
    check(example, SCAN, _dicom(tmp_path / "a", noise(3, 16, 16, high=4096, dtype=np.uint16), **SCANS[name]))


@pytest.mark.parametrize("name", ["plain", "lesions", "constant", "not a number", "series", "flipped"])
def test_volumes_are_opened_alike(example: Any, tmp_path: Path, name: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = np.random.default_rng(4).integers(0, 900, (12, 12, 20)).astype(np.float32)
    if name == "lesions":
        volume = np.where(np.indices(volume.shape).sum(0) == 20, volume, 0) * (np.arange(20) == 10)
    volume = {"constant": volume * 0 + 7, "series": np.stack([volume] * 2, 3)}.get(name, volume)
    if name == "not a number":
        volume[0, 0, 0] = np.nan
    nibabel.save(
        nibabel.Nifti1Image(volume.astype(np.float32), np.diag([-1 if name == "flipped" else 1, 1, 1, 1])),
        tmp_path / "a.nii.gz",
    )
    check(example, VOLUME, tmp_path / "a.nii.gz")
