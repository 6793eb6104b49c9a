"""No private image, name, path, group id or membership flag leaves: planted markers are searched in every byte and block."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from tests.conftest import blobs
from upcycle.release import FORMATS, ReleaseOptions

pa = pytest.importorskip("pyarrow", reason="extra parquet is not installed")
pytest.importorskip("onnxruntime", reason="extra onnx is not installed")

from tests.release._scan import BLOCK, blocks, found  # noqa: E402 - needs pyarrow

NAME, PATIENT, PLACE = "MRKfile-q7x", "MRKpatient-k2v", "MRKplace-z9w"
SMALL = {
    "threads": 1,
    "generator.images": 500,
    "generator.channels": "[8,8]",
    "teacher.min_images": 500,
    "teacher.max_images": 500,
    "sampler.steps": 2,
    "augment.flip": '"none"',
    "audit.min_non_members": 60,
    "audit.folds": 2,
    "release.synthetic_images": 60,
}


def planted_images() -> tuple[np.ndarray, np.ndarray]:
    """Images that each carry a block of noise of their own in the middle."""
    images, labels = blobs(330, size=12)
    rng = np.random.default_rng(11)
    images[:, 4 : 4 + BLOCK, 4 : 4 + BLOCK] = rng.integers(0, 256, (len(images), BLOCK, BLOCK))
    return images, labels


def planted_blocks(images: np.ndarray) -> set[bytes]:
    return blocks(images[:, 4 : 4 + BLOCK, 4 : 4 + BLOCK])


@pytest.fixture(scope="module")
def private_run(tmp_path_factory: pytest.TempPathFactory, few_trees: None) -> tuple[Path, np.ndarray]:
    """A finished run on class folders whose names, patients and pixels are markers."""
    from upcycle._settings import resolve
    from upcycle.runs import run

    root = tmp_path_factory.mktemp(PLACE)
    images, labels = planted_images()
    rows = ["image,patient"]
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"class{label}/{NAME}-{k:04d}.png"
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / "data" / name)
        rows.append(f"{name},{PATIENT}-{k // 2:03d}")
    (root / "patients.csv").write_text("\n".join(rows) + "\n")
    overrides = [f"{key}={value}" for key, value in SMALL.items()]
    config = resolve("smoke", config_file=None, overrides=overrides)
    run(str(root / "data"), root / "run", config, groups_csv=root / "patients.csv")
    return root / "run", images


def markers(run: Path, images: np.ndarray) -> dict[str, bytes]:
    """Bytes that betray a private record: names, places, whole images in three codings, and runs of the coin flip."""
    store = run / "private" / "store"
    members, groups = np.load(store / "members.npy"), np.load(store / "train_groups.npy")
    flags = np.isin(np.arange(members.max() + 1), members)
    table = {"file name": NAME, "patient": PATIENT, "place": PLACE, "home": str(Path.home()), "here": str(Path.cwd())}
    betraying = {what: text.encode() for what, text in table.items()}
    for what, part in {"members": members[:12], "groups": groups[:12]}.items():
        for kind in ("<i8", "<i4", "<u2"):
            betraying[f"{what} as {kind}"] = part.astype(kind).tobytes()
        for joint in (", ", ",", "\n", ",\n  "):
            betraying[f"{what} as text {joint!r}"] = joint.join(map(str, part)).encode()
    betraying["flags as bytes"] = flags[:48].tobytes()
    betraying["flags as bits"] = np.packbits(flags[:128]).tobytes()
    betraying["flags as text"] = ", ".join("true" if flag else "false" for flag in flags[:32]).encode()
    for k in range(0, len(images), 7):
        row = images[k, 4, 4 : 4 + BLOCK].astype(np.float32)
        betraying[f"image {k} as bytes"] = images[k].tobytes()
        betraying[f"image {k} as float -1..1"] = (row / np.float32(127.5) - 1).tobytes()
        betraying[f"image {k} as float 0..1"] = (row / np.float32(255)).tobytes()
    return betraying


def test_a_whole_release_holds_no_planted_marker(private_run: tuple[Path, np.ndarray]) -> None:
    from upcycle.runs import release_run

    run, images = private_run
    searched = markers(run, images)
    planted = planted_blocks(images)
    assert found(run / "release", searched, planted) == [], "the release that a run ends with"
    options = ReleaseOptions(images=150, formats=FORMATS, onnx=True, torch_export=True, licence="MIT", accept_risk="test")
    release_run(run, options)
    assert {"report.html", "croissant.json", "SHA256SUMS"} <= {path.name for path in (run / "release").iterdir()}
    assert found(run / "release", searched, planted) == []


def test_nothing_that_a_run_logs_holds_a_marker(private_run: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    run, images = private_run
    logs = [path for path in run.iterdir() if path.is_file()]
    assert {"log.txt", "metrics.jsonl", "config.yaml", "environment.json"} <= {path.name for path in logs}
    for path in logs:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert found(tmp_path, markers(run, images), planted_blocks(images)) == []


def test_the_same_search_finds_them_on_the_closed_side(private_run: tuple[Path, np.ndarray]) -> None:
    run, images = private_run
    hits = found(run / "private" / "store", markers(run, images), planted_blocks(images))
    assert any("members as <i8" in hit for hit in hits) and any("groups as <i8" in hit for hit in hits)
    assert any("pixel block" in hit for hit in hits) and any("as bytes" in hit for hit in hits)


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _tar(payload: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("0.png")
        entry.size = len(payload)
        archive.addfile(entry, io.BytesIO(payload))
    return buffer.getvalue()


def _npz(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, train_images=image[None])
    return buffer.getvalue()


def _zipped(payload: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.bin", payload)
    return buffer.getvalue()


def _parquet(payload: bytes) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": [{"bytes": payload, "path": None}]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("a.png", _png),
        ("a.npz", _npz),
        ("a.tar", lambda image: _tar(_png(image))),
        ("a.parquet", lambda image: _parquet(_png(image))),
        ("a.zip", lambda image: _zipped(_tar(_png(image)))),
        ("a.html", lambda image: b"<img src='data:image/png;base64," + base64.b64encode(_png(image)) + b"'>"),
    ],
)
def test_the_search_finds_a_block_in_every_kind_of_container(name: str, wrap: object, tmp_path: Path) -> None:
    images, _ = planted_images()
    (tmp_path / name).write_bytes(wrap(images[3]))  # type: ignore[operator]
    assert found(tmp_path, {}, planted_blocks(images))
    other = np.random.default_rng(5).integers(0, 256, (12, 12), dtype=np.uint8)
    (tmp_path / name).write_bytes(wrap(other))  # type: ignore[operator]
    assert not found(tmp_path, {}, planted_blocks(images))


def test_the_search_finds_words_in_names_zips_headers_and_tensors(tmp_path: Path) -> None:
    word = {"word": NAME.encode()}
    (tmp_path / f"{NAME}.txt").write_text("")
    (tmp_path / "a.zip").write_bytes(_zipped(f"x{NAME}y".encode()))
    save_file({"a": np.zeros(2)}, tmp_path / "a.safetensors", metadata={"note": NAME})
    save_file({"a": np.frombuffer(NAME.encode(), np.uint8)}, tmp_path / "b.safetensors")
    hits = found(tmp_path, word, set())
    for place in ("the name", "a.zip!inner.bin", "a.safetensors!header", "b.safetensors"):
        assert any(place in hit for hit in hits), place
