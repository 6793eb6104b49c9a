"""Every reader and loader as a function of bytes, with small whole files to begin from."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks._mutate import packed, unpacked
from upcycle._npz import DAMAGED

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)
LABELS = np.arange(24) % 2


@dataclass(frozen=True)
class Target:
    """`run` gives a file of these bytes to a reader, in a separate folder; `seeds` are whole files."""

    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes, Path], None]


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _read(path: Path | str, groups: Path | None = None, **settings: object) -> None:
    from upcycle.config import DataConfig
    from upcycle.data import check, read

    config = DataConfig.model_validate({"min_images_per_class": 2, **settings})
    check(read(path, config=config, seed=0, groups_csv=groups)).lines()


def _file(name: str, **settings: object) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        (folder / name).write_bytes(data)
        _read(folder / name, **settings)

    return run


def _among_others(suffix: str, encode: Callable[[np.ndarray], bytes], **settings: object) -> Callable[[bytes, Path], None]:
    """One file of these bytes in a class folder of sound ones."""

    def run(data: bytes, folder: Path) -> None:
        root = folder / "data"
        if not root.exists():
            for k, image in enumerate(IMAGES[:6]):
                path = root / ("train", "val", "test")[k // 2] / "ab"[k % 2] / f"{k:02}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode(image))
        (root / "train" / "a" / f"00{suffix}").write_bytes(data)
        _read(root, **settings)

    return run


def _picture(kind: str, mode: str = "L") -> Callable[[np.ndarray], bytes]:
    def encode(image: np.ndarray) -> bytes:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(image).convert(mode).save(buffer, kind)
        return buffer.getvalue()

    return encode


def _dicom(image: np.ndarray, **tags: Any) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID, file.PatientID = meta.MediaStorageSOPClassUID, "1.2.3", "p1"
    file.Rows, file.Columns = image.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = image.dtype.itemsize * 8
    file.HighBit, file.PixelRepresentation, file.PixelData = file.BitsStored - 1, 0, image.tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    buffer = io.BytesIO()
    file.save_as(buffer)
    return buffer.getvalue()


def _dicoms() -> list[bytes]:
    wide = IMAGES[0].astype(np.uint16) * 200
    return [
        _dicom(IMAGES[0]),
        _dicom(wide, WindowCenter=20_000, WindowWidth=9_000, RescaleSlope="2", RescaleIntercept="-1024"),
        _dicom(wide, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0),
    ]


def _nifti(image: np.ndarray) -> bytes:
    import nibabel

    volume = np.repeat(image[:, :, None], 3, 2).astype(np.int16)
    return bytes(nibabel.Nifti1Image(volume, np.eye(4)).to_bytes())


def _idx(images: np.ndarray) -> bytes:
    return bytes([0, 0, 8, images.ndim]) + struct.pack(f">{images.ndim}I", *images.shape) + images.tobytes()


def _run_idx(suffix: str) -> Callable[[bytes, Path], None]:
    pack = gzip.compress if suffix else bytes

    def run(data: bytes, folder: Path) -> None:
        root = folder / "idx"
        if not root.exists():
            root.mkdir()
            (root / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(_idx(LABELS.astype(np.uint8))))
            (root / f"t10k-images-idx3-ubyte{suffix}").write_bytes(pack(_idx(IMAGES)))
            (root / f"t10k-labels-idx1-ubyte{suffix}").write_bytes(pack(_idx(LABELS.astype(np.uint8))))
        (root / f"train-images-idx3-ubyte{suffix}").write_bytes(data)
        _read(root)

    return run


def _run_labels(data: bytes, folder: Path) -> None:
    root = folder / "table"
    if not root.exists():
        root.mkdir()
        for k, image in enumerate(IMAGES):
            (root / f"{k}.png").write_bytes(_picture("PNG")(image))
    (root / "labels.csv").write_bytes(data)
    _read(root)


def _run_groups(data: bytes, folder: Path) -> None:
    (folder / "data.npz").write_bytes(_npz(images=IMAGES, labels=LABELS))
    (folder / "groups.csv").write_bytes(data)
    _read(folder / "data.npz", groups=folder / "groups.csv")


def _parquet() -> list[bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    cells = [{"bytes": _picture("PNG")(image), "path": None} for image in IMAGES]
    parquet.write_table(pa.table({"image": cells, "label": LABELS}), buffer)
    return [buffer.getvalue()]


def _scores() -> list[bytes]:
    rng = np.random.default_rng(0)
    members = np.arange(40) % 2 == 0
    shared = {"member": members, "labels": np.arange(40) % 3, "groups": np.arange(40), "ids": np.arange(40)}
    return [
        _npz(member=members, scores=rng.normal(size=40)),
        _npz(**shared, **{"student/logits": rng.normal(size=(40, 3)), "teacher/logits": rng.normal(size=(40, 3))}),
        _npz(**shared, **{"student/loss": rng.normal(size=40), "blind/any": rng.normal(size=40), "seen_ids": np.arange(4)}),
    ]


def _run_scores(data: bytes, folder: Path) -> None:
    from upcycle.audit import read_scores

    (folder / "scores.npz").write_bytes(data)
    read_scores(folder / "scores.npz")


def _run_config(data: bytes, folder: Path) -> None:
    from upcycle._settings import resolve

    (folder / "config.yaml").write_bytes(data)
    resolve(None, config_file=folder / "config.yaml", overrides=[])


def _run_override(data: bytes, _: Path) -> None:
    from upcycle._settings import resolve

    resolve(None, config_file=None, overrides=data.decode("utf-8", "replace").split("\n"))


def _configs() -> list[bytes]:
    from upcycle._settings import to_yaml
    from upcycle.config import FAMILIES, Config

    mixed = to_yaml(Config(generator=FAMILIES["mix"]()))  # type: ignore[arg-type]
    return [to_yaml(Config()).encode(), mixed.encode(), b"seed: 1\ngenerator: {channels: [8, 16]}\n", b"preset: standard\n"]


@cache
def _release() -> dict[str, bytes]:
    """Files of a release of a tiny random network, by name."""
    import tempfile

    from tests.release.conftest import made_of
    from upcycle.release import ReleaseOptions, write_release

    with tempfile.TemporaryDirectory() as folder:
        write_release(Path(folder) / "r", made_of(), ReleaseOptions(images=6, torch_export=True))
        return {str(p.relative_to(Path(folder) / "r")): p.read_bytes() for p in (Path(folder) / "r").rglob("*") if p.is_file()}


def _students() -> list[bytes]:
    return [packed([(name, _release()[f"student/{name}"]) for name in ("config.json", "model.safetensors")])]


def _run_student(data: bytes, folder: Path) -> None:
    import torch

    from upcycle import load_student
    from upcycle.errors import UpcycleError

    try:
        _spread_out(data, folder / "student")
    except DAMAGED:
        return  # an archive that is none is the harness's own
    with contextlib.suppress(UpcycleError):
        net = load_student(folder / "student")
        with torch.inference_mode():
            net(torch.zeros((2, 1, 8, 8)))


def _run_program(data: bytes, folder: Path) -> None:
    import torch

    from upcycle.release import load_program

    (folder / "model.pt2").write_bytes(data)
    program: Any = load_program(folder / "model.pt2")
    if np.prod(program.shape) < 10_000:
        with torch.inference_mode(), contextlib.suppress(RuntimeError, ValueError, IndexError):
            program(torch.zeros((2, *program.shape), dtype=torch.uint8))


def _run_folders() -> list[bytes]:
    """A finished run and one that has only begun."""
    import tempfile

    from tests.run_folders import write_run

    with tempfile.TemporaryDirectory() as folder:
        roots = [write_run(Path(folder) / until, until=until) for until in ("report", "plan")]
        return [
            packed([(p.relative_to(r).as_posix(), p.read_bytes()) for p in sorted(r.rglob("*")) if p.is_file()]) for r in roots
        ]


def _run_run(data: bytes, folder: Path) -> None:
    from upcycle.cli.compare import _lines as compared
    from upcycle.cli.show import _lines as shown
    from upcycle.runs import compare_runs, read_run

    sound = folder / "sound"
    if not sound.exists():
        _spread_out(_run_folders()[0], sound)
    try:
        _spread_out(data, folder / "run")
    except DAMAGED:
        return
    with mock.patch("upcycle.runs.folder._facts._PATIENCE", 0.0):  # nobody is at work in it
        _only_lines(lambda: list(compared(compare_runs([sound, folder / "run"]))))
        found = read_run(folder / "run")
        list(shown(found))
    json.dumps(found.to_json(), allow_nan=False)


def _run_synthetic(data: bytes, folder: Path) -> None:
    from upcycle.cli.show import _pictures

    (folder / "synthetic.npz").write_bytes(data)
    colours = {"COLORTERM": "truecolor", "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    with mock.patch.dict(os.environ, colours), contextlib.redirect_stdout(_Terminal()):
        _pictures(folder / "synthetic.npz", asked=True)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _only_lines(work: Callable[[], object]) -> None:
    from upcycle.errors import UpcycleError

    with contextlib.suppress(UpcycleError):
        work()


def _spread_out(data: bytes, root: Path) -> None:
    """The members of the archive as files below `root`, nothing else there, and none outside it."""
    parts = unpacked(data)
    shutil.rmtree(root, ignore_errors=True)
    for name, content in parts:
        path = root / name
        if path.resolve().is_relative_to(root.resolve()) and "\0" not in name:
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    root.mkdir(parents=True, exist_ok=True)


def _labels() -> list[bytes]:
    rows = "".join(f"{k}.png,{'ab'[k % 2]}\n" for k in range(24))
    split = "".join(f"{k}.png,{'ab'[k % 2]},{('train', 'val', 'test')[k // 2 % 3]}\n" for k in range(24))
    return [f"file,class\n{rows}".encode(), f"file,class,split\n{split}".encode()]


def _archives() -> list[bytes]:
    parts = {
        f"{name}_{what}": (IMAGES, LABELS)[what == "labels"]
        for name in ("train", "val", "test")
        for what in ("images", "labels")
    }
    return [_npz(images=IMAGES, labels=LABELS), _npz(**parts), _npz(images=IMAGES / 255, labels=LABELS, groups=np.arange(24))]


def _one(encode: Callable[[np.ndarray], bytes]) -> Callable[[], list[bytes]]:
    return lambda: [encode(IMAGES[0])]


TARGETS: Mapping[str, Target] = {
    "npz": Target(_archives, _file("data.npz")),
    "png": Target(
        lambda: [_picture("PNG", m)(IMAGES[0]) for m in ("L", "RGB", "P", "LA")], _among_others(".png", _picture("PNG"))
    ),
    "jpeg": Target(_one(_picture("JPEG")), _among_others(".jpg", _picture("JPEG"))),
    "tiff": Target(_one(_picture("TIFF")), _among_others(".tif", _picture("TIFF"))),
    "webp": Target(_one(_picture("WEBP")), _among_others(".webp", _picture("WEBP"))),
    "bmp": Target(_one(_picture("BMP")), _among_others(".bmp", _picture("BMP"))),
    "idx": Target(lambda: [_idx(IMAGES)], _run_idx("")),
    "idx-gz": Target(lambda: [gzip.compress(_idx(IMAGES), mtime=0)], _run_idx(".gz")),
    "dicom": Target(_dicoms, _among_others(".dcm", _dicom)),
    "nifti": Target(_one(_nifti), _among_others(".nii", _nifti)),
    "nifti-gz": Target(
        lambda: [gzip.compress(_nifti(IMAGES[0]), mtime=0)], _among_others(".nii.gz", lambda i: gzip.compress(_nifti(i)))
    ),
    "parquet": Target(_parquet, _file("data.parquet")),
    "labels": Target(_labels, _run_labels),
    "groups": Target(lambda: ["".join(["row,patient\n", *(f"{k},p{k // 2}\n" for k in range(24))]).encode()], _run_groups),
    "scores": Target(_scores, _run_scores),
    "config": Target(_configs, _run_config),
    "override": Target(lambda: [b"seed=3", b"generator.channels=[8, 16]", b"teacher.lr=2e-3\nplain=true"], _run_override),
    "run": Target(_run_folders, _run_run),
    "student": Target(_students, _run_student),
    "program": Target(lambda: [_release()["student/model.pt2"]], _run_program),
    "synthetic": Target(lambda: [_release()["synthetic/synthetic.npz"]], _run_synthetic),
}


def names() -> Iterator[str]:
    """Targets whose libraries are installed and whose format this version reads."""
    needs = {"dicom": "pydicom", "nifti": "nibabel", "nifti-gz": "nibabel", "parquet": "datasets"}
    from importlib.util import find_spec

    yield from (name for name in TARGETS if name not in needs or find_spec(needs[name]))
