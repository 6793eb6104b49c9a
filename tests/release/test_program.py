"""`load_program` runs the graph of an archive itself: nothing in it is imported, evaluated, or larger than it may be."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.release.conftest import made_of
from upcycle._bounded import Limits
from upcycle.errors import UpcycleError
from upcycle.release import ReleaseOptions, load_program, write_release
from upcycle.release._exports import Comparer, exported, write_program

Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program") / "release"
    write_release(folder, made_of(), ReleaseOptions(images=0, onnx=False, torch_export=True))
    return folder / "student" / "model.pt2"


def rewritten(program: Path, out: Path, change: Change, *, method: int = zipfile.ZIP_STORED) -> Path:
    """A copy of the archive whose graph went through `change`."""
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(out, "w", method) as copy:
        for name in source.namelist():
            payload = source.read(name)
            if name.endswith("models/model.json"):
                value = json.loads(payload)
                change(value)
                payload = json.dumps(value).encode()
            copy.writestr(name, payload)
    return out


def tree(where: str, kind: str, context: object) -> Change:
    def change(value: Any) -> None:
        signature = value["graph_module"]["module_call_graph"][0]["signature"]
        signature[where] = json.dumps([1, {"type": kind, "context": json.dumps(context), "children_spec": []}])

    return change


def put(key: str, found: object) -> Change:
    def change(value: Any) -> None:
        value[key] = found

    return change


def first_node(**fields: object) -> Change:
    def change(value: Any) -> None:
        value["graph_module"]["graph"]["nodes"][1].update(fields)

    return change


MODULE = {"default_factory_module": "this", "default_factory_name": "s", "dict_context": []}


@pytest.mark.parametrize(
    "change",
    [
        tree("in_spec", "collections.defaultdict", MODULE),
        tree("out_spec", "collections.defaultdict", MODULE),
        tree("out_spec", "builtins.dict", [{"__enum__": True, "fqn": "this.s"}]),
        tree("in_spec", "builtins.dict", MODULE),
        tree("in_spec", "collections.namedtuple", "this.s"),
        put("guards_code", ["__import__('this')"]),
        put("guards_code", ["x"]),
        first_node(target="torch.ops.aten.set_.source_Storage"),
        first_node(target="torch.ops.aten.resize_.default"),
        first_node(target="torch.ops.aten.to.__class__"),
        first_node(target="torch.ops.higher_order.cond"),
        first_node(outputs=[{"as_graph": {"name": "x", "graph": {}}}]),
        first_node(inputs=[{"name": "self", "arg": {"as_operator": "this"}, "kind": 1}]),
        first_node(inputs=[{"name": "self", "arg": {"as_custom_obj": {"name": "x", "class_fqn": "this.s"}}, "kind": 1}]),
    ],
)
def test_an_archive_that_names_modules_or_code_is_refused_and_imports_nothing(
    change: Change, program: Path, tmp_path: Path
) -> None:
    hostile = rewritten(program, tmp_path / "hostile.pt2", change)
    sys.modules.pop("this", None)
    with pytest.raises(UpcycleError, match=r"program must be a model\.pt2") as caught:
        load_program(hostile)
    assert len(caught.value.problems) == 1 and "\n" not in caught.value.problems[0]
    assert "this" not in sys.modules


def argument(name: str, value: object) -> Change:
    """The first convolution with another argument `name`."""

    def change(found: Any) -> None:
        nodes = found["graph_module"]["graph"]["nodes"]
        convolution = next(node for node in nodes if "conv2d" in node["target"])
        for given in convolution["inputs"]:
            if given["name"] == name:
                given["arg"] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        argument("padding", {"as_ints": [100_000, 100_000]}),
        argument("padding", {"as_ints": ["1", None]}),
        argument("weight", {"as_tensor": {"name": "nobody"}}),
        argument("stride", {"as_ints": [0, 0]}),
        argument("stride", {}),
        argument("stride", {"as_int": 10**400}),
        put("graph_module", []),
        put("graph_module", {"graph": None}),
    ],
)
def test_a_graph_that_cannot_run_or_wants_all_memory_is_refused_when_it_is_opened(
    change: Change, program: Path, tmp_path: Path
) -> None:
    with pytest.raises(UpcycleError, match=r"program must be a model\.pt2") as caught:
        load_program(rewritten(program, tmp_path / "hostile.pt2", change))
    assert len(caught.value.problems) == 1 and "\n" not in caught.value.problems[0]


A = "torch.ops.aten."


def calls(*made: tuple[str, dict[str, object], list[str]]) -> Change:
    """More calls, before all others: target, arguments and names of the results."""

    def node(target: str, given: dict[str, object], bound: list[str]) -> dict[str, object]:
        inputs = [{"name": name, "arg": value, "kind": 1} for name, value in given.items()]
        one = {"as_tensor": {"name": bound[0]}} if len(bound) == 1 else {"as_tensors": [{"name": name} for name in bound]}
        return {"target": target, "inputs": inputs, "outputs": [one]}

    def change(value: Any) -> None:
        value["graph_module"]["graph"]["nodes"][:0] = [node(*one) for one in made]

    return change


FULL = {"size": {"as_ints": [2**28]}, "fill_value": {"as_float": 1.0}}
NONE = {"size": {"as_ints": [0, 2**20]}}


@pytest.mark.parametrize(
    "change",
    [
        calls((f"{A}full.default", {"size": {"as_ints": [2**30]}, "fill_value": {"as_float": 1.0}}, ["a"])),
        calls((f"{A}ones.default", {"size": {"as_ints": [2**30]}}, ["a"])),
        calls(
            *[(f"{A}full.default", FULL, [f"a{k}"]) for k in range(8)],
            (f"{A}cat.default", {"tensors": {"as_tensors": [{"name": f"a{k}"} for k in range(8)]}}, ["a"]),
        ),
        *[
            calls((f"{A}zeros.default", NONE, ["a"]), (f"{A}{name}", {"self": {"as_tensor": {"name": "a"}}, **how}, ["b", "c"]))
            for name, how in {
                "unbind.int": {"dim": {"as_int": 1}},
                "split.Tensor": {"split_size": {"as_int": 1}, "dim": {"as_int": 1}},
                "chunk.default": {"chunks": {"as_int": 2**30}, "dim": {"as_int": 1}},
            }.items()
        ],
    ],
)
def test_a_rehearsal_fills_no_memory_and_makes_no_millions_of_parts(change: Change, program: Path, tmp_path: Path) -> None:
    hostile = rewritten(program, tmp_path / "hostile.pt2", change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UpcycleError, match=r"intermediate results of|cut into"):
        load_program(hostile)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_a_name_of_python_is_no_operator(program: Path, tmp_path: Path) -> None:
    """Else a program could change torch itself for everybody in the process."""
    given: dict[str, object] = {"name": {"as_string": "changed"}, "value": {"as_int": 1}}
    with pytest.raises(UpcycleError, match="text in"):
        load_program(rewritten(program, tmp_path / "hostile.pt2", calls((f"{A}add.__setattr__", given, ["a"]))))
    assert not hasattr(torch.ops.aten.add, "changed")


@pytest.mark.parametrize("text", ["Mul(" * 10_000, "s" + "1" * 10_000, "-" + "11, " * 10_000])
def test_an_expression_is_judged_in_one_pass(text: str, program: Path, tmp_path: Path) -> None:
    """Trying all ways to read it would take longer than the world will last."""
    with pytest.raises(UpcycleError, match="text in"):
        load_program(rewritten(program, tmp_path / "hostile.pt2", put("metadata", {"expr_str": f"{text}!"})))


def with_weights(program: Path, out: Path, payload: bytes, names: int) -> Path:
    """A copy with `names` more weights that share one payload."""
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("model_weights_config.json"):
                value = json.loads(content)
                one = next(iter(value["config"].values())) | {"path_name": "weight_999"}
                value["config"] |= {f"more{k}": one for k in range(names)}
                content = json.dumps(value).encode()
            copy.writestr(name, content)
        copy.writestr("archive/data/weights/weight_999", payload)
    return out


def test_weights_that_share_their_bytes_are_in_memory_once(program: Path, tmp_path: Path) -> None:
    shared = with_weights(program, tmp_path / "shared.pt2", bytes(20 * 2**20), names=40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert callable(load_program(shared))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB; each for itself 800,000


def test_sample_inputs_of_a_million_entries_are_refused_unopened(program: Path, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for k in range(10_001):
            archive.writestr(str(k), b"")
    out = tmp_path / "hostile.pt2"
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(out, "w") as copy:
        for name in source.namelist():
            copy.writestr(name, inner.getvalue() if "sample_inputs" in name else source.read(name))
    with pytest.raises(UpcycleError, match="sample inputs"):
        load_program(out)


def test_a_bomb_is_refused_before_it_is_unpacked(program: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.pt2"
    rewritten(program, bomb, lambda value: value.update(metadata={"a": "b" * 200 * 2**20}), method=zipfile.ZIP_DEFLATED)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert bomb.stat().st_size < 2**20
    with pytest.raises(UpcycleError, match="looks like a bomb"):
        load_program(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_json_that_would_take_gigabytes_once_parsed_is_refused_within_limits_that_can_be_raised(
    program: Path, tmp_path: Path
) -> None:
    large = rewritten(
        program, tmp_path / "large.pt2", lambda value: value.update(metadata={str(k): "" for k in range(9 * 10**5)})
    )
    with pytest.raises(UpcycleError, match="more than 8 MB of JSON"):
        load_program(large)
    assert callable(load_program(large, Limits(text_mb=100)))


def test_weights_that_claim_more_than_their_bytes_are_refused(program: Path, tmp_path: Path) -> None:
    out = tmp_path / "hostile.pt2"
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(out, "w") as copy:
        for name in source.namelist():
            payload = source.read(name)
            if name.endswith("weights_config.json"):
                value = json.loads(payload)
                next(iter(value["config"].values()))["tensor_meta"]["strides"][0]["as_int"] = 10**9
                payload = json.dumps(value).encode()
            copy.writestr(name, payload)
    with pytest.raises(UpcycleError, match="program must be"):
        load_program(out)


def test_images_of_another_shape_or_type_are_said_to_be(program: Path) -> None:
    answer = load_program(program)
    for images in (torch.zeros((2, 3, 8, 8), dtype=torch.uint8), torch.zeros((2, 1, 8, 8))):
        with pytest.raises(ValueError, match="images must be uint8"):
            answer(images)


class Rich(nn.Module):
    """A classifier of one's own, of the parts that such networks are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.GELU(), nn.MaxPool2d(2), nn.Dropout(0.1)),
            *(nn.Conv2d(8, 8, 3, groups=8), nn.GroupNorm(2, 8), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = self.body(images)
        tokens = torch.stack([rows, rows.flip(1)], 1)
        mixed, _ = self.attend(tokens, tokens, tokens)
        return self.head(torch.cat([mixed.mean(1, keepdim=True), rows[:, None]], 1).mean(1))  # type: ignore[no-any-return]


def test_networks_of_ones_own_answer_as_torch_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Rich().eval()
    compared = write_program(exported(net, (1, 8, 8)), {}, tmp_path, Comparer(net, (1, 8, 8)))
    assert compared.max_abs_difference < 1e-5 < compared.largest_logit
    answer = load_program(tmp_path / "model.pt2")
    assert answer(torch.zeros((5, 1, 8, 8), dtype=torch.uint8)).shape == (5, 3)


def test_onnxruntime_is_silent_wherever_it_is_used() -> None:
    """A user's own program that imports us first, and the example for whoever serves the student."""
    code = "import upcycle, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout == "1\n"
    example = (Path(__file__).parents[2] / "examples" / "serve_onnx.py").read_text()
    assert example.index("ORT_DISABLE_TELEMETRY") < example.index("import onnxruntime")
