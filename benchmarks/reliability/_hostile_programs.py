"""Released students and programs, and run folders, that are small and large."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._mutate import packed, unpacked
from benchmarks.reliability._hostile_kind import Kind, Kinds

_ATEN = "torch.ops.aten."
Change = Callable[[dict[str, Any]], None]


def _released(place: Path) -> dict[str, bytes]:
    """The files of a small release, made once for all kinds."""
    from benchmarks._fuzz_targets import _release

    kept = place.parent / "release"
    if not kept.exists():
        kept.write_bytes(packed(list(_release().items())))
    return dict(unpacked(kept.read_bytes()))


def _student(place: Path, facts: Callable[[], dict[str, Any]] = dict, weights: Callable[[], bytes] | None = None) -> None:
    released = _released(place)
    folder = place / "student"
    folder.mkdir()
    found = json.loads(released["student/config.json"]) | facts()
    (folder / "config.json").write_text(json.dumps(found, separators=(",", ":")))
    (folder / "model.safetensors").write_bytes(weights() if weights else released["student/model.safetensors"])


def _tensors(head: dict[str, Any] | bytes, body: bytes = b"") -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def _load_student(place: Path) -> None:
    from upcycle import load_student

    load_student(place / "student")


def _program(place: Path, change: Change | None = None, config: Change | None = None, **files: Callable[[], bytes]) -> None:
    """A released program with its graph or its list of weights changed; `files` replace or add entries (__ is a slash)."""
    more = {name.replace("__", "/"): content() for name, content in files.items()}
    with (
        zipfile.ZipFile(io.BytesIO(_released(place)["student/model.pt2"])) as source,
        zipfile.ZipFile(place / "model.pt2", "w", zipfile.ZIP_DEFLATED, compresslevel=6) as copied,
    ):
        for name in source.namelist():
            content = source.read(name)
            for end, edit in (("models/model.json", change), ("model_weights_config.json", config)):
                if name.endswith(end) and edit:
                    value = json.loads(content)
                    edit(value)
                    content = json.dumps(value).encode()
            copied.writestr(name, more.pop(name.partition("/")[2], content))
        root = source.namelist()[0].partition("/")[0]
        for name, content in more.items():
            copied.writestr(f"{root}/{name}", content)


def _load_program(place: Path) -> None:
    import torch

    from upcycle.release import load_program

    program: Any = load_program(place / "model.pt2")
    program(torch.zeros((2, *program.shape), dtype=torch.uint8))


def _node(target: str, out: str, **inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        **{"target": _ATEN + target, "outputs": [{"as_tensor": {"name": out}}], "metadata": {}},
        **{"is_hop_single_tensor_return": None},
        "inputs": [{"name": name, "arg": value, "kind": 1} for name, value in inputs.items()],
    }


def _first(*nodes: dict[str, Any]) -> Change:
    return lambda value: value["graph_module"]["graph"]["nodes"].__setitem__(slice(0, 0), list(nodes))


def _full(count: int, out: str) -> dict[str, Any]:
    return _node("full.default", out, size={"as_ints": [count]}, fill_value={"as_float": 1.0})


def _many_weights(value: dict[str, Any]) -> None:
    one = copy.deepcopy(next(iter(value["config"].values())))
    one["path_name"] = "weight_999"
    one["tensor_meta"].update(sizes=[{"as_int": 1}], strides=[{"as_int": 1}], storage_offset={"as_int": 0})
    value["config"].update({f"x{k}": one for k in range(2000)})


def _pickle(length: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"K\x01" * length + b".")
    return buffer.getvalue()


_CAT = {"as_tensors": [{"name": f"z{k}"} for k in range(12)]}
_PROGRAMS: dict[str, Callable[[Path], None]] = {
    "program of a large tensor": partial(_program, change=_first(_full(2**30, "zz"))),
    "program of large tensors": partial(
        _program, change=_first(*[_full(2**26, f"z{k}") for k in range(12)], _node("cat.default", "zz", tensors=_CAT))
    ),
    "program of a large payload": partial(_program, config=_many_weights, data__weights__weight_999=lambda: bytes(120_000_000)),
    "program of much JSON": partial(_program, change=lambda value: value.update(more=[{} for _ in range(1_800_000)])),
    "program of many values": partial(
        _program,
        change=lambda value: value["graph_module"]["graph"]["tensor_values"].update(
            {f"q{k}": {"dtype": 1, "sizes": [], "strides": [], "storage_offset": {"as_int": 0}} for k in range(75_000)}
        ),
    ),
    "program of a long pickle": partial(_program, **{"data__sample_inputs__model.pt": lambda: _pickle(60_000_000)}),
}


def _run(place: Path, name: str, text: Callable[[], str]) -> None:
    from tests.run_folders import write_run

    path = write_run(place / "run", until="report") / name
    assert path.parent.is_dir()
    path.write_text(text())


def _read_run(place: Path) -> None:
    from upcycle.cli.show import _lines as shown
    from upcycle.runs import read_run

    list(shown(read_run(place / "run")))


PROGRAMS: Kinds = {
    **{
        name: Kind(make, _load_student)
        for name, make in {
            "student of a huge network": partial(_student, facts=lambda: {"width": 4096, "blocks": 64, "size": 4096}),
            "student of many classes": partial(
                _student, facts=lambda: {"classes": 100_000, "class_names": ["x" * 60] * 100_000}
            ),
            "student of empty objects": partial(_student, facts=lambda: {"more": [{}] * 2_600_000}),
            "student of a long window": partial(_student, facts=lambda: {"preprocess": {"window": [0] * 2_600_000}}),
            "weights of many names": partial(
                _student,
                weights=lambda: _tensors(
                    {f"{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(140_000)}
                ),
            ),
            "weights of many sides": partial(
                _student, weights=lambda: _tensors({"a": {"dtype": "F32", "shape": [0] * 3_000_000, "data_offsets": [0, 0]}})
            ),
            "weights of many notes": partial(
                _student, weights=lambda: _tensors({"__metadata__": {f"{k}": "" for k in range(600_000)}})
            ),
        }.items()
    },
    **{name: Kind(make, _load_program) for name, make in _PROGRAMS.items()},
    "run of a long list": Kind(
        partial(_run, name="private/audit/audit.json", text=lambda: "[" + "{}," * 3_200_000 + "{}]"), _read_run
    ),
}
