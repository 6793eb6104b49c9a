"""Opening what a stranger hands us never runs code, and ends in one line."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.release.conftest import light, made_of
from upcycle.errors import UpcycleError
from upcycle.release import ReleaseOptions, load_program, load_student, write_release

ROOT = Path(__file__).parents[2]


class Bomb:
    """Pickled: whoever unpickles it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """What hostile files would make."""
    return tmp_path / "code-ran"


@pytest.fixture
def student(tmp_path: Path) -> Path:
    write_release(tmp_path / "release", made_of(), light(images=0))
    return tmp_path / "release" / "student"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program") / "release"
    write_release(folder, made_of(), ReleaseOptions(images=0, onnx=False, torch_export=True))
    return folder / "student" / "model.pt2"


def test_a_bomb_goes_off_where_pickle_is_allowed(target: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(target)))
    assert target.exists(), "otherwise the tests below prove nothing"


def header(value: Any, tail: bytes = b"") -> bytes:
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text + tail


HOSTILE_WEIGHTS = {
    "pickle instead of tensors": lambda target: pickle.dumps(Bomb(target)),
    "torch archive instead of tensors": lambda target: _torch_saved(Bomb(target)),
    "header longer than the file": lambda _: struct.pack("<Q", 1 << 60) + b"{}",
    "header that is no JSON": lambda _: struct.pack("<Q", 4) + b"\xff\xfe\x00{",
    "offsets outside the file": lambda _: header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 40]}}),
    "overlapping tensors": lambda _: header(
        {name: {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} for name in ("a", "b")}, b"abcd"
    ),
    "giant shape": lambda _: header(
        {"stem.conv.weight": {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 0]}}
    ),
    "other tensors": lambda _: header({"x": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}, b"abcd"),
    "nothing": lambda _: b"",
}


def _torch_saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", HOSTILE_WEIGHTS)
def test_hostile_weights_are_refused_in_one_line(kind: str, student: Path, target: Path) -> None:
    (student / "model.safetensors").write_bytes(HOSTILE_WEIGHTS[kind](target))
    with pytest.raises(UpcycleError, match=r"model\.safetensors must ") as caught:
        load_student(student)
    assert len(caught.value.problems) == 1 and not target.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 10**9}, "width"),
        ({"blocks": 10**9}, "blocks"),
        ({"classes": -1}, "classes"),
        ({"size": "8"}, "size"),
        ({"channels": None}, "channels"),
        ({"width": 4096, "blocks": 64}, "must hold the network"),
        ({"network": "os.system"}, "network must be residual-classifier"),
        ({"class_names": ["one"]}, "class_names in .* must be one for every class"),
        ({"preprocess": {"channels": 1, "side": 10**4000}}, "preprocess.side must be"),
        ({"preprocess": [1]}, "preprocess must be"),
        ({"preprocess": {"channels": 3, "side": 8}}, "must make what the network takes"),
    ],
)
def test_hostile_facts_are_refused_before_memory_is_asked_for(change: dict[str, Any], said: str, student: Path) -> None:
    facts = json.loads((student / "config.json").read_text())
    (student / "config.json").write_text(json.dumps({**facts, **change}))
    with pytest.raises(UpcycleError, match=said):
        load_student(student)


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "!!python/object/apply:os.mkdir [x]", "\x00"])
def test_facts_that_are_no_object_are_refused(text: str, student: Path) -> None:
    (student / "config.json").write_text(text)
    with pytest.raises(UpcycleError):
        load_student(student)


def test_hostile_programs_beside_a_student_are_not_opened(student: Path, target: Path) -> None:
    for name in ("model.pt2", "model.onnx", "model.pt", "pytorch_model.bin", "model.py", "__init__.py"):
        (student / name).write_bytes(_torch_saved(Bomb(target)))
    load_student(student)
    assert not target.exists()


def _entry_replaced(program: Path, out: Path, end: str, change: Callable[[bytes], bytes], extra: dict[str, bytes]) -> Path:
    """The archive `program` with the entry that ends in `end` changed and `extra` entries added."""
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as copy:
        root = source.namelist()[0].partition("/")[0]
        for name in source.namelist():
            payload = source.read(name)
            copy.writestr(name, change(payload) if end and name.endswith(end) else payload)
        for name, payload in extra.items():
            copy.writestr(f"{root}/{name}", payload)
    return out


def _json(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def apply(payload: bytes) -> bytes:
        value = json.loads(payload)
        change(value)
        return json.dumps(value).encode()

    return apply


def _pickled_weight(value: Any) -> None:
    next(iter(value["config"].values()))["use_pickle"] = True


def _operator(name: str) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        value["graph_module"]["graph"]["nodes"][0]["target"] = name

    return change


def _expression(text: str) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        sizes = next(iter(value["graph_module"]["graph"]["tensor_values"].values()))["sizes"]
        sizes[0] = {"as_expr": {"expr_str": text, "hint": {"as_int": 2}}}

    return change


def _name(text: str) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        node = next(node for node in value["graph_module"]["graph"]["nodes"] if node["outputs"])
        node["outputs"][0]["as_tensor"]["name"] = text

    return change


@pytest.mark.parametrize(
    ("end", "change", "said"),
    [
        ("weights_config.json", _json(_pickled_weight), "pickled payload"),
        ("model.json", _json(_operator("torch.os.mkdir")), "that torch would run"),
        ("model.json", _json(_operator("torch.ops.aten.from_file.default")), "that torch would run"),
        ("model.json", _json(_operator("_operator.attrgetter")), "that torch would run"),
        ("model.json", _json(_expression("__import__('os').mkdir('code-ran')")), "that torch would run"),
        ("model.json", _json(_expression("Symbol('s1', positive=print(1))")), "that torch would run"),
        ("model.json", _json(_name("x = __import__('os').mkdir('code-ran')\ny")), "that torch would run"),
        ("model.json", lambda _: b"{", "must be a model.pt2"),
        ("sample_inputs/model.pt", lambda _: _torch_saved(Bomb(Path("code-ran"))), "more than tensors"),
    ],
)
def test_hostile_archives_are_refused_before_torch_opens_them(
    end: str, change: Callable[[bytes], bytes], said: str, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = _entry_replaced(program, tmp_path / "hostile.pt2", end, change, {})
    monkeypatch.setattr(torch.export, "load", lambda path: pytest.fail("torch opened it"))
    with pytest.raises(UpcycleError, match=said):
        load_program(hostile)
    assert not (tmp_path / "code-ran").exists()


@pytest.mark.parametrize(
    "name", ["data/weights/model.pt", "data/constants/custom_obj_0", "data/aotinductor/model/a.so", "x.py"]
)
def test_archive_with_entries_that_may_hold_code_is_refused(name: str, program: Path, tmp_path: Path) -> None:
    hostile = _entry_replaced(program, tmp_path / "hostile.pt2", "", lambda p: p, {name: pickle.dumps(Bomb(tmp_path / "x"))})
    with pytest.raises(UpcycleError, match="unexpected entry"):
        load_program(hostile)


def test_changed_copy_without_malice_still_opens(program: Path, tmp_path: Path) -> None:
    """The refusals above are about the hostile part, not about having been rewritten."""
    copy = _entry_replaced(program, tmp_path / "copy.pt2", "", lambda payload: payload, {})
    images = torch.zeros((3, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(load_program(copy)(images), load_program(program)(images))


@pytest.mark.parametrize("payload", [b"", b"PK\x03\x04", b"not a zip"])
def test_program_that_is_no_archive_is_one_line(payload: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(payload)
    with pytest.raises(UpcycleError, match=r"model\.pt2"):
        load_program(tmp_path / "model.pt2")


def test_pickled_array_inside_a_released_npz_is_refused_by_the_example(tmp_path: Path, target: Path) -> None:
    bomb = np.empty(1, dtype=object)
    bomb[0] = Bomb(target)
    np.savez(tmp_path / "synthetic.npz", train_images=bomb, train_labels=bomb, train_soft_labels=bomb)
    script = ROOT / "examples" / "train_on_release.py"
    command = [sys.executable, str(script), str(tmp_path / "synthetic.npz")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0 and "allow_pickle=False" in result.stderr and not target.exists()


def test_yaml_with_python_tags_in_a_run_is_one_line(run: Path, target: Path) -> None:
    from upcycle.runs import release_run

    (run / "config.yaml").write_text(f"seed: !!python/object/apply:os.mkdir ['{target}']\n")
    with pytest.raises(UpcycleError, match=r"config\.yaml must be as upcycle wrote it"):
        release_run(run, light(images=0))
    assert not target.exists()


def test_weights_of_a_run_that_are_a_pickle_do_not_run(run: Path, target: Path) -> None:
    from safetensors import SafetensorError

    from upcycle.runs import release_run

    (run / "private" / "student" / "model.safetensors").write_bytes(_torch_saved(Bomb(target)))
    with pytest.raises((UpcycleError, SafetensorError)):
        release_run(run, light(images=0))
    assert not target.exists()
